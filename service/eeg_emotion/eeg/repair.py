"""Which channels are trusted at each block, and how the others are interpolated.

An electrode that falls off must neither end the estimates of a cap of thirty-two nor distort them:
from the block that shows it, the channel is interpolated from the good ones, as far as the contract
allows, until it has been good again for long enough. Windows from just before the fault was
detected are not scored.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.codes import Reason, Trouble
from eeg_emotion.eeg.inspection import Measure
from eeg_emotion.eeg.layout import ChannelsMissing, Layout
from eeg_emotion.eeg.quality import BLOCKS_JUDGED, QualityLimits, ends_trust, judge_second

_TROUBLES = tuple(Trouble)
_OFF = [_TROUBLES.index(each) for each in (Trouble.FLAT, Trouble.RAILED, Trouble.LINE_NOISE)]
# A lone bad sample is bridged and marks its windows. A channel with bad samples in the first number
# out of the second number of blocks is not trusted.
_UNREADABLE_BLOCKS, _UNREADABLE_OF = 3, 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one block.

    Attributes
    ----------
    scores
        `(troubles, measured)` from `judge_second`.
    replaced
        `(measured,)`: which measured channels are interpolated.
    matrix
        `(channels, measured)` from the measured channels to the model's; None for the identity.
    faults
        Why no window with this block, or shortly after it, can be scored.
    """

    scores: NDArray[np.float64]
    replaced: NDArray[np.bool_]
    matrix: NDArray[np.float64] | None
    faults: Collection[Reason]


class Repair:
    """Follows the channels of one segment.

    Parameters
    ----------
    layout
        How the stream's channels map to the model's.
    limits
        Thresholds of the signal quality.
    settle_blocks
        For how many blocks a channel must be good again: its filters have to settle too.
    lowest_hz
        Where the model's features begin, `Representation.lowest_hz`.
    """

    def __init__(
        self, layout: Layout, limits: QualityLimits, settle_blocks: int, *, lowest_hz: float
    ) -> None:
        measured = len(layout.measured)
        self._layout = layout
        self._limits = limits
        self._ends_trust = ends_trust(layout.measured, lowest_hz)
        self._wait = max(settle_blocks, BLOCKS_JUDGED)
        self._second = np.empty((0, len(Measure), measured))
        self._bad = np.zeros((_UNREADABLE_OF, measured), dtype=bool)
        self._good_blocks = np.full(measured, self._wait)
        self._replaced = np.zeros(measured, dtype=bool)
        self._unclean_blocks = 0

    def judge(self, measures: NDArray[np.float64]) -> Verdict:
        """Return the verdict on the next block's `(measures, measured)`."""
        self._second = np.concatenate([self._second[-(BLOCKS_JUDGED - 1) :], measures[np.newaxis]])
        bad = measures[Measure.BAD] > 0
        self._bad = np.concatenate([self._bad[1:], bad[np.newaxis]])
        unreadable = self._bad.sum(axis=0) >= _UNREADABLE_BLOCKS
        scores = judge_second(self._second, unreadable, self._limits)
        failed = scores <= 0.0
        dead = failed.any(axis=0)
        if not dead.all():  # a jerk of the whole cap is no blink
            dead = (failed & self._ends_trust).any(axis=0)
        self._good_blocks = np.where(dead, 0, self._good_blocks + 1)
        wanted = dead | (self._replaced & (self._good_blocks < self._wait))
        faults: set[Reason] = set()
        matrix = self._layout.matrix
        if dead.all():
            wanted[:] = False
            faults.add(self._all_dead(scores))
        elif wanted.any():
            try:
                matrix = self._fill(wanted)
                if (dead & ~self._replaced).any():
                    # Until now it counted as good, and its fault rings for about a second.
                    self._unclean_blocks = BLOCKS_JUDGED + 1
            except ChannelsMissing:
                wanted[:] = False
                faults |= {Reason.POOR_CONTACT, Reason.CHANNELS_MISSING}
        self._replaced = wanted
        if self._unclean_blocks:
            self._unclean_blocks -= 1
            faults.add(Reason.POOR_CONTACT)
        if (bad & ~wanted).any():
            faults.add(Reason.OUT_OF_RANGE)
        return Verdict(scores=scores, replaced=wanted, matrix=matrix, faults=faults)

    def _fill(self, wanted: NDArray[np.bool_]) -> NDArray[np.float64] | None:
        filled = int(wanted.sum()) + len(self._layout.interpolated)
        if filled > self._layout.max_interpolated:
            raise ChannelsMissing(
                f"found {filled} channels to interpolate, expected at most "
                f"{self._layout.max_interpolated}"
            )
        return self._layout.without(wanted)

    def _all_dead(self, scores: NDArray[np.float64]) -> Reason:
        # A wrong unit shrinks the signal but leaves it moving; an unworn headset may be still.
        last = self._second[-1]
        span = last[Measure.HIGHEST] - last[Measure.LOWEST]
        if (span < self._limits.flat_uv).all() and (span > 0).all():
            return Reason.UNIT_SUSPECT
        power = self._second[:, Measure.POWER].mean(axis=0)
        if (power > self._limits.suspect_uv**2).all():
            return Reason.UNIT_SUSPECT
        quiet = power <= self._limits.quiet_uv[0] ** 2
        off = ((scores[_OFF] <= 0.0).any(axis=0) | quiet).all()
        return Reason.NOT_WORN if off else Reason.POOR_CONTACT
