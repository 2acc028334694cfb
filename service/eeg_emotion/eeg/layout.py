"""How a stream's channels become the model's: by label, in the model's order and unit.

A layout is made once for each connection. It says which channels are used, which are filled in
from their neighbours and which are dropped, and it refuses a stream that cannot serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import montage
from eeg_emotion.eeg.splines import interpolation_matrix
from eeg_emotion.eeg.units import microvolts_per
from eeg_emotion.errors import EegEmotionError


class LayoutError(EegEmotionError):
    """A stream's channels cannot serve the model."""


class ChannelsMissing(LayoutError):
    """Too few of the model's channels are in the stream."""


class UnitSuspect(LayoutError):
    """A needed channel's unit is missing or is no voltage, and it is not guessed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The way from a stream's channels to the model's.

    Attributes
    ----------
    channels
        The model's channels, in its order.
    rows
        For each measured channel, in the model's order, its index in the stream.
    microvolts
        `(measured,)`: factor from the stream's unit to microvolts.
    measured, interpolated, dropped
        The model's channels found; those filled in; the stream's labels that are not used.
    matrix
        `(channels, measured)` spline weights; None where every channel is measured.
    """

    channels: tuple[str, ...]
    rows: NDArray[np.intp]
    microvolts: NDArray[np.float64]
    measured: tuple[str, ...]
    interpolated: tuple[str, ...]
    dropped: tuple[str, ...]
    matrix: NDArray[np.float64] | None

    def describe(self) -> str:
        """Say in one line what is used, filled in and dropped."""
        parts = [f"{len(self.measured)} of {len(self.channels)} channels measured"]
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
) -> Layout:
    """Find the model's channels in a stream by label.

    Parameters
    ----------
    labels, units
        One of each per stream channel, as the stream states them.
    channels
        The model's channels in order.
    max_interpolated
        How many of them may be filled in.

    Raises
    ------
    ChannelsMissing
        If more channels are missing than may be filled in, or a label stands twice.
    UnitSuspect
        If a channel that is needed states no known unit of voltage.
    """
    places: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        places.setdefault(montage.normalise_label(label), []).append(index)
    wanted = [montage.normalise_label(name) for name in channels]
    doubled = [
        name for name, key in zip(channels, wanted, strict=True) if len(places.get(key, ())) > 1
    ]
    if doubled:
        raise ChannelsMissing(
            f"found more than one channel labelled {', '.join(doubled)}, expected each once; "
            "give the stream's channels distinct labels"
        )
    measured = tuple(name for name, key in zip(channels, wanted, strict=True) if key in places)
    missing = tuple(name for name in channels if name not in measured)
    if len(missing) > max_interpolated or not measured:
        raise ChannelsMissing(
            f"found {len(measured)} of the model's {len(channels)} channels "
            f"({', '.join(measured) or 'none'}) among the labels {_shorten(labels)}; expected at "
            f"least {len(channels) - max_interpolated}; missing: {', '.join(missing)}. "
            "Label the stream's channels by their 10-20 names, or use a model for this montage"
        )
    rows = [places[montage.normalise_label(name)][0] for name in measured]
    factors = [microvolts_per(units[row]) for row in rows]
    unknown = [
        f"{labels[row]}: {units[row] or 'no unit'}"
        for row, factor in zip(rows, factors, strict=True)
        if factor is None
    ]
    if unknown:
        raise UnitSuspect(
            f"found channels without a known unit of voltage ({_shorten(unknown)}), expected V, "
            "mV, µV or nV; state the unit in the stream's metadata. It is not guessed: a wrong "
            "guess is wrong by a factor of a thousand or a million"
        )
    return Layout(
        channels=channels,
        rows=np.array(rows, dtype=np.intp),
        microvolts=np.array(factors, dtype=np.float64),
        measured=measured,
        interpolated=missing,
        dropped=tuple(label for index, label in enumerate(labels) if index not in rows),
        matrix=_spline_matrix(channels, measured) if missing else None,
    )


def cap_layout(labels: Sequence[str], units: Sequence[str], channels: tuple[str, ...]) -> Layout:
    """Give the layout of a cap for a model with fewer channels, which may lie between its own.

    Channels that the cap has are taken as they are; each other one is filled in from all of the
    cap's electrodes. A model for a small headset can so be trained on recordings of a large cap.

    Raises
    ------
    ChannelsMissing, UnitSuspect
        As `plan_layout`, and if the cap has fewer electrodes than the model has channels.
    """
    spelling = {montage.normalise_label(name): name for name in montage.places()}
    known = [spelling.get(montage.normalise_label(label)) for label in labels]
    cap = tuple(name for name in known if name is not None)
    if set(channels) <= set(cap):
        return plan_layout(labels, units, channels=channels, max_interpolated=0)
    if len(cap) < len(channels):
        raise ChannelsMissing(
            f"found {len(cap)} electrodes of known place among {_shorten(labels)}, expected at "
            f"least the model's {len(channels)}; choose a smaller montage"
        )
    layout = plan_layout(labels, units, channels=cap, max_interpolated=0)
    return replace(
        layout,
        channels=channels,
        interpolated=tuple(name for name in channels if name not in cap),
        matrix=_spline_matrix(channels, cap),
    )


def identity_layout(channels: tuple[str, ...]) -> Layout:
    """Give the layout of data that already have the model's channels, order and unit."""
    return plan_layout(channels, ["uV"] * len(channels), channels=channels, max_interpolated=0)


def _spline_matrix(channels: tuple[str, ...], measured: tuple[str, ...]) -> NDArray[np.float64]:
    placeless = [name for name in channels if not montage.has_place(name)]
    if placeless:
        raise ChannelsMissing(
            f"cannot interpolate: the place of {', '.join(placeless)} on the head is not known"
        )
    spline = interpolation_matrix(montage.positions(measured), montage.positions(channels))
    # A measured channel stays exactly what was measured.
    for column, name in enumerate(measured):
        if name not in channels:
            continue
        row = channels.index(name)
        spline[row] = 0.0
        spline[row, column] = 1.0
    return spline


def _shorten(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(names[:limit]) or "none"
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
