"""Judges an electrode's signal, second by second, and says what is wrong with it.

A score over a dead or absurd signal would be a lie, so each measured channel is judged on what
was measured, before any interpolation. What is judged is the last second, at every block.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.codes import Reason, Trouble
from eeg_emotion.eeg.inspection import Measure

BLOCKS_JUDGED = 4
"""A second in blocks of 0.25 s."""


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Thresholds. Of two numbers the score falls from 1 at the first to 0 at the second.

    Attributes
    ----------
    largest_uv
        A sample beyond this, or one that is not finite, is no voltage an electrode can show:
        1 V is more than twice what the widest amplifiers let through.
    flat_uv
        A channel whose signal spans less than this within 0.25 s is dead: EEG spans tens of µV.
    railed_share
        A channel that is exactly at its own highest or lowest value for more than this share of
        a second is cut off by its amplifier.
    duplicate_share
        Two channels whose power and span differ by less than this share, in each block of a
        second and in each band, are one signal: bridged by gel, or wired twice.
    quiet_uv
        Here the score rises from 0 at the first to 1 at the second: in the model's band EEG has
        some 5 to 30 µV RMS, an amplifier whose inputs touch nobody a fraction of 1 µV. Where the
        channels differ from their average by less than the first, they are one signal.
    rms_uv
        In the model's band, EEG has some 5 to 30 µV.
    suspect_uv
        Where every channel exceeds this in the model's band, the stated unit is in doubt.
    line_noise_uv
        Amplitude of the hum at 50 or 60 Hz. The notches take it out, but an electrode that
        gathers much of it touches badly.
    muscle_uv
        RMS from 30 Hz to the upper end of the model's band.
    movement_uv
        From lowest to highest within 0.25 s; a blink has some 150 µV, in front only.
    drift_uv
        Change of the mean within a second.
    least_quality
        A window below it gives no score, nor one whose channels are below it on average in any
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
    """What was found in one window.

    Attributes
    ----------
    scores
        `(measured,)`, 0 for an unusable channel to 1 for a good one.
    troubles
        For each measured channel what it suffers from most; None for a good one.
    overall
        0..1 over the model's channels; one that was filled in counts half of a measured one.
    faults
        Empty where the window can bear a score.
    """

    scores: NDArray[np.float64]
    troubles: tuple[Trouble | None, ...]
    overall: float
    faults: tuple[Reason, ...]


def judge_second(
    blocks: NDArray[np.float64], unreadable: NDArray[np.bool_], limits: QualityLimits
) -> NDArray[np.float64]:
    """Score each channel's last second in every respect.

    Parameters
    ----------
    blocks
        `(blocks, measures, channels)` by `inspection.Measure`, the second's at most.
    unreadable
        `(channels,)`: too many samples were not finite for the channel to be read at all.

    Returns
    -------
    ndarray
        `(troubles, channels)`, 1 for good to 0 for unusable, in the order of `Trouble`.
    """
    count = len(blocks)
    highest, lowest = blocks[:, Measure.HIGHEST], blocks[:, Measure.LOWEST]
    spans = highest - lowest
    flat = np.minimum.reduce(spans) < limits.flat_uv
    # At the limit within a block counts where that limit is the whole second's.
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
    """Return where scores begin to fall and where they end, `(troubles, 1)` each."""
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
    """Find channels that show the same in each block. Signs and offsets do not matter."""
    shown = np.concatenate([blocks[:, Measure.POWER], blocks[:, Measure.FAST_POWER], spans])
    # Two of one signal stand next to each other by any of these numbers.
    order = np.argsort(shown[0], kind="stable")
    ranked = shown[:, order]
    larger = ranked[:, 1:]
    same = np.logical_and.reduce(np.abs(larger - ranked[:, :-1]) <= share * larger)
    found = np.zeros(blocks.shape[2], dtype=bool)
    if same.any():
        found[order[1:][same]] = True
        found[order[:-1][same]] = True
    return found
