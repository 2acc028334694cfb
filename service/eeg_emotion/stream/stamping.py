"""Decides from irregular steps how a sender stamps: by its sample clock, or when it sends.

A loss moves all later stamps by whole sample periods, for good. A chunk that was stamped late is
followed by short steps that make up for it. A sender whose rate is not quite the nominal one, and
that dates a chunk back from its last sample, has a step between chunks that is too long by some
part of a period. Only the first of the three is missing samples.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

LARGEST_JITTER_SECONDS = 0.1
"""A step beyond this is jitter only for a sender that sends in bursts."""

LARGEST_BURST_SECONDS = 1.0
"""A sender that sends less often is not followed: its windows would be stale."""

GAP_PERIODS = 1.5
"""A step in the stamps beyond this many sample periods means that a sample is missing."""

_SHORT_PERIODS = 0.9  # a step below this many periods makes up for a late one
_EVIDENCE, _EVIDENCE_SECONDS = 5, 10.0  # irregular steps considered together, and within what time
_MADE_UP, _MADE_UP_EVIDENCE, _MADE_UP_SECONDS = 0.2, 3, 120.0
_CLEAN_PERIODS = 0.05  # a loss is a whole number of periods, within this
_SAWTOOTH_PERIODS = 4.0
_CHUNK_SECONDS = 0.3  # whole periods missing this often, at equal distances, are another rate
_BURST_DRIFT = 0.3  # as a share of the bursts' steps: losses add up, bursts do not


@dataclass(frozen=True, slots=True)
class _Irregularity:
    """A step that is not one sample period: where, when, and by how many seconds.

    `made_up` is the sum of what short steps have made up for until then, seconds.
    """

    sample: int
    stamp: float
    excess: float
    made_up: float


@dataclass(frozen=True, slots=True)
class Stamping:
    """How a sender stamps that does not stamp by its sample clock.

    Attributes
    ----------
    tolerance
        How far its stamps may lie from a straight line, seconds.
    slope
        By what share its samples seem longer than the nominal period.
    """

    tolerance: float
    slope: float

    @property
    def in_bursts(self) -> bool:
        """Return whether the tolerance is more than jitter."""
        return self.tolerance > LARGEST_JITTER_SECONDS


class StampingEvidence:
    """The last irregular steps of one connection.

    Parameters
    ----------
    period
        The nominal sample period, seconds.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._made_up = 0.0
        self._found: deque[_Irregularity] = deque(maxlen=_EVIDENCE)

    @property
    def short(self) -> float:
        """Steps below this many seconds make up for late stamps."""
        return _SHORT_PERIODS * self._period

    def make_up(self, seconds: float) -> None:
        """Record by how much short steps fell short of the period."""
        self._made_up += seconds

    def clear(self) -> None:
        """Forget all: what was found says nothing about how the sender stamps."""
        self._found.clear()
        self._made_up = 0.0

    def add(self, sample: int, stamp: float, excess: float) -> Stamping | None:
        """Record an irregular step; return how the sender stamps, once it is known.

        Parameters
        ----------
        sample
            The number of the sample after the step, counted over the connection.
        stamp
            Its stamp, seconds.
        excess
            By how much the step was longer than the period, seconds.
        """
        if not math.isfinite(stamp) or not math.isfinite(excess):
            self._found.clear()
            return None
        self._found.append(_Irregularity(sample, stamp, excess, self._made_up))
        if len(self._found) >= _MADE_UP_EVIDENCE:
            recent = list(self._found)[-_MADE_UP_EVIDENCE:]
            if self._span(recent) is not None and (
                self._is_made_up(recent) or self._is_burst(recent)
            ):
                return self._stamping(recent)
        if len(self._found) == _EVIDENCE:
            recent = list(self._found)
            span = self._span(recent)
            if (span is not None and span <= _EVIDENCE_SECONDS) and (
                self._returns(recent) or self._is_sawtooth(recent) or self._is_regular(recent)
            ):
                return self._stamping(recent)
        return None

    def _span(self, found: list[_Irregularity]) -> float | None:
        """Return the seconds from the first to the last; None if they say nothing together."""
        span = found[-1].stamp - found[0].stamp
        return span if 0.0 <= span <= _MADE_UP_SECONDS else None

    def _drift(self, found: list[_Irregularity]) -> float:
        """Return by how much the stamps advanced beyond the samples, seconds."""
        samples = found[-1].sample - found[0].sample
        return found[-1].stamp - found[0].stamp - samples * self._period

    def _is_made_up(self, found: list[_Irregularity]) -> bool:
        """Return whether short steps make up for the long ones: late stamps."""
        long = sum(item.excess for item in found[1:] if item.excess > 0.0)
        made_up = found[-1].made_up - found[0].made_up
        return (
            long > 0.0 and made_up >= _MADE_UP * long and _largest(found) <= LARGEST_JITTER_SECONDS
        )

    def _is_burst(self, found: list[_Irregularity]) -> bool:
        """Return whether all are long, and no time is missing in the end."""
        steps = [item.excess for item in found]
        return (
            min(steps) >= max(0.3 * max(steps), self._period)
            and LARGEST_JITTER_SECONDS / 2 <= max(steps) <= LARGEST_BURST_SECONDS
            and abs(self._drift(found)) <= _BURST_DRIFT * sum(steps[1:])
            and found[-1].made_up - found[0].made_up >= 0.5 * sum(steps[1:])
        )

    def _returns(self, found: list[_Irregularity]) -> bool:
        """Return whether long and backward steps cancel: losses would add up."""
        total = sum(abs(item.excess) for item in found[1:])
        return _largest(found[1:]) <= LARGEST_JITTER_SECONDS and (
            abs(self._drift(found)) < 0.5 * total
        )

    def _is_sawtooth(self, found: list[_Irregularity]) -> bool:
        """Return whether the steps are small and no whole periods: another rate, no losses."""
        periods = [item.excess / self._period for item in found]
        clean = [n >= 0.5 and abs(n - round(n)) <= _CLEAN_PERIODS for n in periods]
        return max(abs(n) for n in periods) <= _SAWTOOTH_PERIODS and sum(clean) <= 1

    def _is_regular(self, found: list[_Irregularity]) -> bool:
        """Return whether the steps are always as many samples apart: the chunks' borders.

        A sender has chunks from its first sample on. Whole periods that begin to be missing later,
        however regularly, are losses.
        """
        apart = {item.sample - before.sample for before, item in pairwise(found)}
        periods = [item.excess / self._period for item in found[1:]]
        whole = all(abs(n - round(n)) <= _CLEAN_PERIODS for n in periods)
        seconds = (_CHUNK_SECONDS if whole else LARGEST_BURST_SECONDS) / self._period
        return (
            len(apart) == 1
            and not (whole and found[0].sample > max(apart))
            and max(apart) <= seconds * (1.0 + _CLEAN_PERIODS)
            and _largest(found) <= LARGEST_JITTER_SECONDS
        )

    def _stamping(self, found: list[_Irregularity]) -> Stamping:
        largest, span = _largest(found), found[-1].stamp - found[0].stamp
        samples = found[-1].sample - found[0].sample
        steps = [item.excess for item in found]
        # Over a short time the jitter says more than the rate.
        precise = max(steps) - min(steps) < 0.01 * span
        slope = self._drift(found) / (samples * self._period) if precise else 0.0
        if self._is_burst(found):
            return Stamping(min(LARGEST_BURST_SECONDS, 1.25 * largest), slope)
        tolerance = min(LARGEST_JITTER_SECONDS, max(GAP_PERIODS * self._period, 2.0 * largest))
        return Stamping(tolerance, slope)


def _largest(found: list[_Irregularity]) -> float:
    return max(abs(item.excess) for item in found)
