"""Maps a stream's channels to the model's: by label, in the model's order and unit.

A layout is planned once per connection. It states which channels are used, which are interpolated
from their neighbours and which are dropped; a stream that cannot be used is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import montage
from eeg_emotion.eeg.amplitude import UNIT_RANGES, infer_unit
from eeg_emotion.eeg.caps import CAPS, Cap, are_numbered
from eeg_emotion.eeg.splines import interpolation_matrix
from eeg_emotion.eeg.units import is_unstated, microvolts_per, unit_name
from eeg_emotion.errors import EegEmotionError


class LayoutError(EegEmotionError):
    """A stream's channels cannot be used for the model."""


class ChannelsMissing(LayoutError):
    """Too few of the model's channels are in the stream."""


class UnitSuspect(LayoutError):
    """No needed channel has a unit of voltage, or the amplitude matches none."""


class UnitUnstated(LayoutError):
    """Needed channels state no unit, so their amplitude has to be measured first.

    Attributes
    ----------
    rows
        The channels' indices in the stream.
    """

    def __init__(self, message: str, rows: tuple[int, ...]) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Layout:
    """The mapping from a stream's channels to the model's.

    Attributes
    ----------
    channels
        The model's channels, in its order.
    rows
        The index in the stream of each measured channel, in the model's order.
    microvolts
        `(measured,)`: factor from the stream's unit to microvolts.
    measured, interpolated, dropped
        The electrodes that are used; the model's channels that are interpolated from them; the
        stream's labels that are not used.
    matrix
        `(channels, measured)` spline weights; None if every channel is measured.
    unit
        The unit in words, and how it is known.
    order
        The measured channels in the stream's own order.
    max_interpolated
        How many of the model's channels may be interpolated.
    """

    channels: tuple[str, ...]
    rows: NDArray[np.intp]
    microvolts: NDArray[np.float64]
    measured: tuple[str, ...]
    interpolated: tuple[str, ...]
    dropped: tuple[str, ...]
    matrix: NDArray[np.float64] | None
    unit: str
    order: tuple[str, ...]
    max_interpolated: int

    def without(self, bad: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        """Return the weights without some of the measured channels.

        Parameters
        ----------
        bad
            `(measured,)`, True for each channel that must not be used.

        Returns
        -------
        NDArray[np.float64] | None
            `(channels, measured)`, read-only. A measured and good channel is left as it is, every
            other one is interpolated from the good ones. None if nothing has to be interpolated.

        Raises
        ------
        ChannelsMissing
            If a channel that has to be interpolated has no known position, or no good channel is
            left to interpolate from.
        """
        return _weights(self.channels, self.measured, tuple(bad.tolist()))

    def describe(self) -> str:
        """Return in one line what is used, interpolated and dropped, and the unit."""
        parts = [
            f"{len(self.channels) - len(self.interpolated)} of {len(self.channels)} channels "
            f"measured in {self.unit}"
        ]
        if self.interpolated:
            parts.append(f"interpolated from their neighbours: {', '.join(self.interpolated)}")
        if self.dropped:
            parts.append(f"not used: {', '.join(self.dropped)}")
        return "; ".join(parts)


def plan_layout(
    labels: Sequence[str],
    units: Sequence[str],
    *,
    channels: tuple[str, ...],
    max_interpolated: int,
    cap: Cap | None = None,
    amplitudes: NDArray[np.float64] | None = None,
) -> Layout:
    """Find the model's channels in a stream by label.

    Parameters
    ----------
    labels, units
        One of each per stream channel, as the stream states them. A channel whose unit is not a
        voltage is not an electrode, whatever its label, and counts as missing.
    channels
        The model's channels in order.
    max_interpolated
        How many of them may be interpolated.
    cap
        The electrodes behind numbered labels. It is ignored if at least half of the model's
        channels are found by name.
    amplitudes
        `(stream channels,)` RMS between 4 and 45 Hz in the stream's unit, NaN where not measured.
        The unit of channels that state none is inferred from it.

    Raises
    ------
    ChannelsMissing
        If more channels are missing than may be interpolated, or a label occurs twice.
    UnitUnstated
        If needed channels state no unit and `amplitudes` is not given.
    UnitSuspect
        If no needed channel is a voltage, or the amplitude of those that state no unit matches
        none.
    """
    wanted = {montage.normalise_label(name): name for name in channels}
    places: dict[str, list[int]] = {}
    for row, name in enumerate(_names(labels, wanted, cap)):
        if name is not None:
            places.setdefault(name, []).append(row)
    voltages = {
        name: [row for row in rows if _may_be_voltage(units[row])] for name, rows in places.items()
    }
    doubled = [name for name in channels if len(voltages.get(name, ())) > 1]
    if doubled:
        raise ChannelsMissing(
            f"found more than one channel labelled {', '.join(doubled)}, expected each once; "
            "give the stream's channels distinct labels"
        )
    found = {name: rows[0] for name in channels if (rows := voltages.get(name))}
    foreign = [
        f"{labels[row]}: {units[row].strip()}"
        for name in channels
        if name in places and name not in found
        for row in places[name]
    ]
    if foreign and not found:
        raise UnitSuspect(
            f"found channels without a known unit of voltage ({_shorten(foreign)}), expected V, "
            "mV, µV or nV; let the source convert its values and state the unit under "
            "desc/channels/channel/unit"
        )
    missing = tuple(name for name in channels if name not in found)
    if len(missing) > max_interpolated or not found:
        raise ChannelsMissing(
            _missing_text(labels, channels, missing, foreign, max_interpolated, cap)
        )
    rows = [found[name] for name in channels if name in found]
    factors, unit = _factors(rows, labels, units, amplitudes)
    measured = tuple(found)
    return Layout(
        channels=channels,
        rows=np.array(rows, dtype=np.intp),
        microvolts=np.array(factors, dtype=np.float64),
        measured=measured,
        interpolated=missing,
        dropped=tuple(
            label or f"channel {row + 1}" for row, label in enumerate(labels) if row not in rows
        ),
        matrix=_weights(channels, measured, (False,) * len(measured)),
        unit=unit,
        order=tuple(sorted(measured, key=found.__getitem__)),
        max_interpolated=max_interpolated,
    )


def most_interpolated(channels: tuple[str, ...]) -> int:
    """Return how many channels may be interpolated: 13 of DEAP's 32, or the same share."""
    return len(channels) * 13 // 32


def cap_layout(
    labels: Sequence[str],
    units: Sequence[str],
    channels: tuple[str, ...],
    *,
    max_interpolated: int = 0,
) -> Layout:
    """Return the layout of a cap for a model with fewer channels, which may lie between the cap's.

    Channels that the cap has are used as they are; every other one is interpolated from all of the
    cap's electrodes. So a model for a small headset can be trained on recordings of a large cap.

    Parameters
    ----------
    max_interpolated
        How many channels may be interpolated besides those that lie between the electrodes.

    Raises
    ------
    ChannelsMissing, UnitUnstated, UnitSuspect
        As `plan_layout`, and if the cap has fewer electrodes than the model has channels.
    """
    spelling = {montage.normalise_label(name): name for name in montage.places()}
    known = [spelling.get(name) for name in montage.normalise_labels(labels)]
    cap = tuple(name for name in known if name is not None)
    if set(channels) <= set(cap):
        return plan_layout(labels, units, channels=channels, max_interpolated=max_interpolated)
    if len(cap) < len(channels):
        raise ChannelsMissing(
            f"found {len(cap)} electrodes with a known position among {_shorten(labels)}, expected "
            f"at least the model's {len(channels)}; choose a smaller montage"
        )
    layout = plan_layout(labels, units, channels=cap, max_interpolated=0)
    between = tuple(name for name in channels if name not in cap)
    return replace(
        layout,
        channels=channels,
        interpolated=between,
        matrix=_weights(channels, cap, (False,) * len(cap)),
        max_interpolated=len(between) + max_interpolated,
    )


def identity_layout(channels: tuple[str, ...], *, max_interpolated: int = 0) -> Layout:
    """Return the layout of data that already have the model's channels, in its order and in µV."""
    return plan_layout(
        channels, ["uV"] * len(channels), channels=channels, max_interpolated=max_interpolated
    )


def _names(labels: Sequence[str], wanted: Mapping[str, str], cap: Cap | None) -> list[str | None]:
    """Return the model's channel that each label names; `wanted` maps normalised labels."""
    by_name = [wanted.get(name) for name in montage.normalise_labels(labels)]
    named = len(set(by_name) - {None})
    if cap is None or 2 * named >= len(wanted):
        return by_name
    sites = cap.resolve(labels)
    by_cap = [None if site is None else wanted.get(montage.normalise_label(site)) for site in sites]
    # Two earlobes must not make a stream of a few named electrodes a numbered one.
    if len(set(by_cap) - {None}) <= named:
        return by_name
    return [
        name if site is None else behind
        for name, site, behind in zip(by_name, sites, by_cap, strict=True)
    ]


def _may_be_voltage(unit: str) -> bool:
    return microvolts_per(unit) is not None or is_unstated(unit)


def _factors(
    rows: Sequence[int],
    labels: Sequence[str],
    units: Sequence[str],
    amplitudes: NDArray[np.float64] | None,
) -> tuple[list[float], str]:
    """Return the factor to microvolts of each row, and the units in words."""
    stated = {row: factor for row in rows if (factor := microvolts_per(units[row])) is not None}
    words = []
    if stated:
        words.append(
            f"{' and '.join(unit_name(f) for f in sorted(set(stated.values())))}, as stated"
        )
    unstated = tuple(sorted(row for row in rows if row not in stated))
    inferred = 0.0
    if unstated:
        known = np.empty(0) if amplitudes is None else amplitudes[list(unstated)]
        known = known[np.isfinite(known)]
        if not len(known):
            raise UnitUnstated(
                "found channels without a known unit of voltage "
                f"({_shorten([f'{labels[row]}: no unit' for row in unstated])}), expected V, mV, "
                "µV or nV; state the unit under desc/channels/channel/unit. It is never guessed "
                "without measuring the signal: a wrong guess would be off by a factor of a "
                "thousand or a million",
                unstated,
            )
        amplitude = float(np.median(known))
        name = infer_unit(amplitude)
        factor = None if name is None else microvolts_per(name)
        if name is None or factor is None:
            ranges = ", ".join(
                f"{least:g} to {most:g} ({unit})" for unit, (least, most) in UNIT_RANGES.items()
            )
            named = _shorten([labels[row] for row in unstated])
            raise UnitSuspect(
                f"found channels that state no unit ({named}), with a median amplitude of "
                f"{amplitude:.2g} between 4 and 45 Hz, expected {ranges}; state the unit under "
                "desc/channels/channel/unit, and check that the headset is worn"
            )
        inferred = factor
        words.append(f"{name}, inferred from its amplitude of {amplitude:.2g} {name}")
    return [stated.get(row, inferred) for row in rows], "; ".join(words)


def _missing_text(
    labels: Sequence[str],
    channels: tuple[str, ...],
    missing: tuple[str, ...],
    foreign: Sequence[str],
    max_interpolated: int,
    cap: Cap | None,
) -> str:
    found = [name for name in channels if name not in missing]
    text = (
        f"found {len(found)} of the model's {len(channels)} channels "
        f"({', '.join(found) or 'none'}) among the labels {_shorten(labels)}; expected at "
        f"least {max(1, len(channels) - max_interpolated)}; missing: {', '.join(missing)}. "
    )
    if foreign:
        text += f"Not used, because their unit is not a voltage: {_shorten(foreign)}. "
    if are_numbered(labels):
        if cap is not None:
            return text + (
                f"The labels are numbers and were read as those of the cap {cap.name}; name "
                "another cap with --cap if it is not that one"
            )
        return text + (
            f"The labels are numbers: name their cap with --cap ({', '.join(CAPS)}, or its "
            "electrodes in the order of their numbers, such as Fp1,Fp2,C3,C4)"
        )
    return (
        text + "Label the stream's channels by their 10-20 names, or use a model for this montage"
    )


@lru_cache(maxsize=512)
def _weights(
    channels: tuple[str, ...], measured: tuple[str, ...], bad: tuple[bool, ...]
) -> NDArray[np.float64] | None:
    """Return `Layout.without`'s weights; cached, since a live stream needs the same ones again."""
    good = [name for name, is_bad in zip(measured, bad, strict=True) if not is_bad]
    wanting = [name for name in channels if name not in good]
    if not wanting:
        return None
    placeless = [name for name in wanting if not montage.has_place(name)]
    if placeless:
        raise ChannelsMissing(
            f"cannot interpolate: the position of {', '.join(placeless)} on the head is not known"
        )
    sources = tuple(name for name in good if montage.has_place(name))
    if not sources:
        raise ChannelsMissing(
            f"cannot interpolate {', '.join(wanting)}: no good channel with a known position is "
            f"left among {', '.join(measured)}; check the electrodes' contact"
        )
    spline = interpolation_matrix(montage.positions(sources), montage.positions(tuple(wanting)))
    weights = np.zeros((len(channels), len(measured)))
    columns = [measured.index(name) for name in sources]
    for name, row in zip(wanting, spline, strict=True):
        weights[channels.index(name), columns] = row
    # A measured channel is left exactly as it is.
    for name in good:
        if name in channels:
            weights[channels.index(name), measured.index(name)] = 1.0
    weights.setflags(write=False)
    return weights


def _shorten(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(names[:limit]) or "none"
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
