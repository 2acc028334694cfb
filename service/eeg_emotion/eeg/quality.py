"""Judges each electrode's signal, second by second, and reports what is wrong with it.

A score for a dead or absurd signal would be meaningless, so each measured channel is assessed by
its own samples, before any interpolation. At every block, the last second is assessed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.codes import Reason, Trouble
from eeg_emotion.eeg.inspection import Measure
from eeg_emotion.eeg.montage import region_of

BLOCKS_JUDGED = 4
"""The number of blocks of 0.25 s in a second."""

BLINKS_BELOW_HZ = 4.0
"""Powers of bands from here upwards may hold blinks: see `ends_trust`."""


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Thresholds. For two numbers, the score falls from 1 at the first to 0 at the second.

    Attributes
    ----------
    largest_uv
        A sample beyond this, or one that is not finite, is not a possible voltage of an electrode:
        1 V is more than twice the widest amplifiers' range.
    flat_uv
        A channel whose signal spans less than this within 0.25 s is dead: EEG spans tens of µV.
    railed_share
        A channel that equals its own highest or lowest value for more than this share of a second
        is clipped by its amplifier.
    duplicate_share
        Two channels whose power and span differ by less than this share, in each block of a
        second and in each band, carry one signal: bridged by gel, or wired twice.
    quiet_uv
        Here the score rises from 0 at the first to 1 at the second: in the model's band, EEG has
        some 5 to 30 µV RMS, an unworn amplifier a fraction of 1 µV. If the channels differ from
        their average by less than the first, they carry one signal.
    rms_uv
        In the model's band, EEG has some 5 to 30 µV.
    suspect_uv
        If every channel exceeds this in the model's band, the stated unit is in doubt.
    line_noise_uv
        Amplitude of the hum at 50 or 60 Hz. The notches remove it, but an electrode that picks up
        much of it has poor contact.
    muscle_uv
        RMS from 30 Hz to the upper end of the model's band.
    movement_uv
        From lowest to highest within 0.25 s; a blink has some 150 µV, in some people 600, at
        frontal electrodes only.
    drift_uv
        Change of the mean within a second.
    least_quality
        A window below it is not scored, nor is one whose channels are on average below it in any
        single second.
    """

    largest_uv: float = 1e6
    flat_uv: float = 0.5
    railed_share: float = 0.2
    duplicate_share: float = 0.01
    quiet_uv: tuple[float, float] = (0.7, 2.0)
    rms_uv: tuple[float, float] = (60.0, 150.0)
    suspect_uv: float = 1500.0
    line_noise_uv: tuple[float, float] = (25.0, 150.0)
    muscle_uv: tuple[float, float] = (10.0, 40.0)
    movement_uv: tuple[float, float] = (200.0, 550.0)
    drift_uv: tuple[float, float] = (150.0, 1000.0)
    least_quality: float = 0.5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                if not 0.0 <= value[0] < value[1] < np.inf:
                    raise ValueError(f"found {field.name} = {value}, expected two rising numbers")
            elif not 0.0 <= value < np.inf:
                raise ValueError(f"found {field.name} = {value}, expected a number from 0 upwards")


@dataclass(frozen=True, slots=True)
class WindowQuality:
    """The signal quality of one window.

    Attributes
    ----------
    scores
        `(measured,)`, 0 for an unusable channel to 1 for a good one.
    troubles
        The worst problem of each measured channel; None for a good one.
    overall
        0 to 1 over the model's channels; an interpolated one counts half of a measured one.
    faults
        Empty if the window can be scored.
    """

    scores: NDArray[np.float64]
    troubles: tuple[Trouble | None, ...]
    overall: float
    faults: tuple[Reason, ...]


def ends_trust(channels: tuple[str, ...], lowest_hz: float) -> NDArray[np.bool_]:
    """Return the troubles that make a channel useless once its score for one of them is 0.

    A blink of some people moves the forehead's electrodes beyond `movement_uv`. It is slow, and
    the mean log power of a band above it hardly shows it: estimates of rest or arithmetic moved
    less with the blinks left in than with the forehead interpolated. Of a cable that sways or an
    electrode that pops elsewhere the opposite was found (`tests/bench/bench_blinks.py`; figures in
    `docs/topics/signal-path.md`). So movement of a frontal electrode only lowers the quality where
    features begin above blinks. What is left of it in the model's band is judged as amplitude.

    Parameters
    ----------
    channels
        The electrodes.
    lowest_hz
        Where the model's features begin, `Representation.lowest_hz`.

    Returns
    -------
    ndarray
        `(troubles, channels)`, in the order of `Trouble`.
    """
    ends = np.ones((len(Trouble), len(channels)), dtype=bool)
    if lowest_hz >= BLINKS_BELOW_HZ:
        frontal = [region_of(channel) == "frontal" for channel in channels]
        ends[list(Trouble).index(Trouble.MOVEMENT), frontal] = False
    return ends


def judge_second(
    blocks: NDArray[np.float64], unreadable: NDArray[np.bool_], limits: QualityLimits
) -> NDArray[np.float64]:
    """Score each channel's last second for each possible trouble.

    Parameters
    ----------
    blocks
        `(blocks, measures, channels)` by `inspection.Measure`, at most those of a second.
    unreadable
        `(channels,)`: True if too many samples were not finite.

    Returns
    -------
    ndarray
        `(troubles, channels)`, 1 for good to 0 for unusable, in the order of `Trouble`.
    """
    count = len(blocks)
    highest, lowest = blocks[:, Measure.HIGHEST], blocks[:, Measure.LOWEST]
    spans = highest - lowest
    flat = np.minimum.reduce(spans) < limits.flat_uv
    # Samples at a block's limit count only if it is the limit of the whole second.
    at_top = blocks[:, Measure.AT_HIGHEST] * (highest == np.maximum.reduce(highest))
    at_bottom = blocks[:, Measure.AT_LOWEST] * (lowest == np.minimum.reduce(lowest))
    at_limit = np.maximum(np.add.reduce(at_top), np.add.reduce(at_bottom))
    railed = ~flat & (at_limit > limits.railed_share * count)
    duplicate = ~flat & _duplicates(blocks, spans, limits.duplicate_share)
    scores = np.empty((len(Trouble), blocks.shape[2]))
    scores[0] = ~unreadable
    scores[1] = ~flat
    scores[2] = ~railed
    scores[3] = ~duplicate
    found = scores[4:]
    # Line noise, muscle, movement, drift and amplitude, in µV.
    found[[0, 1, 4]] = np.sqrt(np.add.reduce(blocks[:, Measure.MAINS :]) / count)
    rms = found[4].copy()
    found[2] = np.maximum.reduce(spans)
    found[3] = np.abs(blocks[-1, Measure.MEAN] - blocks[0, Measure.MEAN])
    good, worst = _edges(limits)
    np.minimum((worst - found) / (worst - good), 1.0, out=found)
    np.maximum(found, 0.0, out=found)
    dead, alive = limits.quiet_uv
    # Too quiet is as bad as too loud.
    np.minimum(found[4], np.clip((rms - dead) / (alive - dead), 0.0, 1.0), out=found[4])
    return scores


@lru_cache(maxsize=16)
def _edges(limits: QualityLimits) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where scores start to fall and where they reach 0, `(troubles, 1)` each."""
    pairs = [
        limits.line_noise_uv,
        limits.muscle_uv,
        limits.movement_uv,
        limits.drift_uv,
        limits.rms_uv,
    ]
    good, worst = np.array(pairs).T[:, :, np.newaxis]
    return good, worst


def _duplicates(
    blocks: NDArray[np.float64], spans: NDArray[np.float64], share: float
) -> NDArray[np.bool_]:
    """Return which channels carry the same signal in each block, up to sign and offset."""
    shown = np.concatenate([blocks[:, Measure.POWER], blocks[:, Measure.FAST_POWER], spans])
    # Channels with the same signal are adjacent when sorted by any of these numbers.
    order = np.argsort(shown[0], kind="stable")
    ranked = shown[:, order]
    larger = ranked[:, 1:]
    same = np.logical_and.reduce(np.abs(larger - ranked[:, :-1]) <= share * larger)
    found = np.zeros(blocks.shape[2], dtype=bool)
    if same.any():
        found[order[1:][same]] = True
        found[order[:-1][same]] = True
    return found
