"""Judges whether a window's signal can bear a score.

A score over a dead or absurd signal would be a lie, so each measured channel is judged on what
was measured, before any interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Fault(StrEnum):
    """What is wrong with a window's signal."""

    OUT_OF_RANGE = "out_of_range"
    NOT_WORN = "not_worn"
    UNIT_SUSPECT = "unit_suspect"
    POOR_CONTACT = "poor_contact"


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Thresholds, all in µV.

    Attributes
    ----------
    largest
        A sample beyond this, or one that is not finite, is no voltage an electrode can show:
        1 V is more than twice what the widest amplifiers let through.
    flat
        A channel whose signal spans less than this over a window is dead: EEG spans tens of µV.
    good_rms, worst_rms
        In the model's band, EEG has some 5 to 30 µV; the score falls from 1 to 0 between these.
    suspect_rms
        Where every channel exceeds this in the model's band, the stated unit is in doubt.
    least_quality
        A window below it gives no score.
    """

    largest: float = 1e6
    flat: float = 0.5
    good_rms: float = 60.0
    worst_rms: float = 150.0
    suspect_rms: float = 1500.0
    least_quality: float = 0.5


@dataclass(frozen=True, slots=True)
class WindowQuality:
    """What was found in one window.

    Attributes
    ----------
    scores
        `(measured,)`, 0 for an unusable channel to 1 for a good one.
    overall
        0..1 over the model's channels; an interpolated one counts half of a measured one.
    faults
        Empty where the window can bear a score.
    """

    scores: NDArray[np.float64]
    overall: float
    faults: tuple[Fault, ...]


def judge(
    *,
    span: NDArray[np.float64],
    rms: NDArray[np.float64],
    out_of_range: bool,
    interpolated: int,
    limits: QualityLimits,
) -> WindowQuality:
    """Judge one window.

    Parameters
    ----------
    span
        `(measured,)` µV: largest minus smallest sample before filtering.
    rms
        `(measured,)` µV in the model's band.
    out_of_range
        True where a sample in the window, or shortly enough before it to ring in the filters,
        was not finite or beyond `limits.largest`.
    interpolated
        How many channels are filled in from these.
    """
    flat = span < limits.flat
    fall = (limits.worst_rms - rms) / (limits.worst_rms - limits.good_rms)
    scores = np.where(flat, 0.0, np.clip(fall, 0.0, 1.0))
    overall = float(
        (scores.sum() + 0.5 * interpolated * scores.mean()) / (len(scores) + interpolated)
    )
    faults = []
    if out_of_range:
        faults.append(Fault.OUT_OF_RANGE)
    if flat.all():
        # A wrong unit shrinks the signal but leaves it moving; an unworn headset may be still.
        faults.append(Fault.UNIT_SUSPECT if (span > 0).all() else Fault.NOT_WORN)
    elif (rms > limits.suspect_rms).all():
        faults.append(Fault.UNIT_SUSPECT)
    elif overall < limits.least_quality or (scores == 0.0).any():
        # One dead electrode is enough: its features would be far from anything seen in training.
        faults.append(Fault.POOR_CONTACT)
    return WindowQuality(scores=scores, overall=overall, faults=tuple(faults))
