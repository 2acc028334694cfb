"""Time stamps of a stream: detects gaps, and keeps the recent stamps by sample number.

A step of more than 1.5 sample periods between two stamps means that a sample is missing. That
holds for a sender that stamps by its sample clock. Many stamp a chunk when they send it, and then
long and short steps alternate although nothing is missing. Such a sender is recognised by that
pattern; from then on its stamps are compared with a straight line within a tolerance, and
`unseen_seconds` reports the losses that this can no longer detect.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GAP_PERIODS = 1.5
"""A step in the stamps beyond this many sample periods means that a sample is missing."""

_LARGEST_TOLERANCE_SECONDS = 0.1  # beyond this a late chunk is a gap, whatever the sender
_EVIDENCE = 5  # irregular steps that are considered together
_EVIDENCE_SECONDS = 10.0  # and within which they must lie
_TRACKING_SECONDS = 5.0  # how fast the line follows a device whose rate is not quite the nominal


@dataclass(frozen=True, slots=True)
class Run:
    """A slice of a chunk that lies within one contiguous segment.

    `missing` is None if the run continues the previous segment; otherwise the run starts a new
    segment and `missing` is the number of samples lost in between (0 if time went backwards).
    """

    start: int
    stop: int
    missing: int | None


@dataclass(frozen=True, slots=True)
class _Irregularity:
    """A step that is not one sample period: where, when, and by how many seconds."""

    sample: int
    stamp: float
    excess: float


class Timeline:
    """The stamps of one connection.

    Parameters
    ----------
    sfreq
        The stream's nominal rate in Hz.
    keep_seconds
        How far back `stamp` can look.
    """

    def __init__(self, sfreq: float, keep_seconds: float) -> None:
        self._period = 1 / sfreq
        self._ring = np.zeros(int(np.ceil(keep_seconds * sfreq)) + 1)
        self._count = 0
        self._total = 0
        self._last: float | None = None
        self._irregular: deque[_Irregularity] = deque(maxlen=_EVIDENCE)
        self._tolerance: float | None = None
        self._line = 0.0

    @property
    def unseen_seconds(self) -> float | None:
        """The longest loss in seconds that jittering stamps would hide; None if none is hidden."""
        return self._tolerance

    def split(self, stamps: NDArray[np.float64], *, jumped: bool = False) -> Iterator[Run]:
        """Split a chunk at its gaps, and keep its stamps run by run as they are consumed.

        If the source's clock has `jumped`, the number of samples missing in the chunk's gaps
        cannot be known.
        """
        start = 0
        while start < len(stamps):
            missing = self._missing_before(float(stamps[start]))
            if jumped and missing is not None:
                missing = 0
            if missing is not None:
                self._count = 0
            # The first sample is checked above; from there the run extends to the next gap.
            self._advance(float(stamps[start]))
            stop = (
                self._next_step(stamps, start)
                if self._tolerance is None
                else self._next_departure(stamps, start, self._tolerance)
            )
            self._keep(stamps[start:stop])
            self._last = float(stamps[stop - 1])
            self._total += stop - start
            yield Run(start, stop, missing)
            start = stop

    def stamp(self, sample: int) -> float:
        """Return the stamp of a sample of the running segment, counted from its first."""
        if not max(0, self._count - len(self._ring)) <= sample < self._count:
            raise IndexError(
                f"found sample {sample}, expected one of the last {len(self._ring)} "
                f"before {self._count}"
            )
        return float(self._ring[sample % len(self._ring)])

    def _missing_before(self, stamp: float) -> int | None:
        """Return how many samples are missing before this one; None if there is no gap."""
        if self._last is None:
            self._line = stamp
            return None
        if self._tolerance is None:
            step = stamp - self._last
            # A stamp that is not finite compares false and so breaks the segment too.
            if 0 < step <= GAP_PERIODS * self._period:
                return None
            self._classify(_Irregularity(self._total, stamp, step - self._period))
            self._line = stamp
            return self._samples_in(step - self._period)
        departure = stamp - self._line
        if not np.isfinite(stamp):
            return 0
        if abs(departure) <= self._tolerance:
            return None if np.isfinite(self._last) else 0
        self._line = stamp
        if abs(departure) < _LARGEST_TOLERANCE_SECONDS:
            self._tolerance = min(_LARGEST_TOLERANCE_SECONDS, 1.5 * abs(departure))
        return self._samples_in(departure)

    def _samples_in(self, seconds: float) -> int:
        periods = seconds / self._period  # infinite for what is nearly so
        return max(0, round(periods)) if np.isfinite(periods) else 0

    def _classify(self, found: _Irregularity) -> None:
        """Decide whether the last irregular steps are losses, which add up, or jitter."""
        if not np.isfinite(found.stamp):
            self._irregular.clear()
            return
        self._irregular.append(found)
        first = self._irregular[0]
        if (
            len(self._irregular) < _EVIDENCE
            or found.stamp - first.stamp > _EVIDENCE_SECONDS
            or found.stamp < first.stamp
        ):
            return
        drift = (found.stamp - first.stamp) - (found.sample - first.sample) * self._period
        excesses = [abs(item.excess) for item in list(self._irregular)[1:]]
        if max(excesses) <= _LARGEST_TOLERANCE_SECONDS and abs(drift) < 0.5 * sum(excesses):
            self._tolerance = min(
                _LARGEST_TOLERANCE_SECONDS, max(GAP_PERIODS * self._period, 2 * max(excesses))
            )

    def _advance(self, stamp: float) -> None:
        """Move the line to where the next stamp is expected."""
        departure = stamp - self._line
        if not np.isfinite(departure):
            departure = 0.0
        self._line += self._period + departure * min(1.0, self._period / _TRACKING_SECONDS)

    def _next_step(self, stamps: NDArray[np.float64], start: int) -> int:
        """Find where steps stop being one sample period."""
        with np.errstate(invalid="ignore", over="ignore"):  # stamps may be anything
            steps = np.diff(stamps[start:])
        whole = (steps > 0) & (steps <= GAP_PERIODS * self._period)
        breaks = np.flatnonzero(~whole)
        return start + 1 + int(breaks[0]) if len(breaks) else len(stamps)

    def _next_departure(self, stamps: NDArray[np.float64], start: int, tolerance: float) -> int:
        """Find where stamps leave the line, moving it along."""
        if not np.isfinite(stamps[start]):
            return start + 1
        for index in range(start + 1, len(stamps)):
            stamp = float(stamps[index])
            if not abs(stamp - self._line) <= tolerance:
                return index
            self._advance(stamp)
        return len(stamps)

    def _keep(self, stamps: NDArray[np.float64]) -> None:
        places = (self._count + np.arange(len(stamps))) % len(self._ring)
        self._ring[places[-len(self._ring) :]] = stamps[-len(self._ring) :]
        self._count += len(stamps)
