"""Time stamps of a stream: finds gaps, and keeps the recent stamps by sample number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

GAP_PERIODS = 1.5
"""A step in the stamps beyond this many sample periods means that a sample is missing."""


@dataclass(frozen=True, slots=True)
class Run:
    """A slice of a chunk that lies within one contiguous segment.

    `missing` is None where the run continues the segment before it; otherwise it starts a new
    segment and tells how many samples are missing in between (0 if time went backwards).
    """

    start: int
    stop: int
    missing: int | None


class Timeline:
    """The stamps of one connection.

    Parameters
    ----------
    sfreq
        The stream's nominal rate in Hz.
    keep_seconds
        How far back `stamp` must answer.
    """

    def __init__(self, sfreq: float, keep_seconds: float) -> None:
        self._sfreq = sfreq
        self._ring = np.zeros(int(np.ceil(keep_seconds * sfreq)) + 1)
        self._count = 0
        self._last: float | None = None

    def split(self, stamps: NDArray[np.float64]) -> Iterator[Run]:
        """Split a chunk at its gaps, and keep its stamps run by run as they are consumed."""
        if not len(stamps):
            return
        previous = stamps[0] if self._last is None else self._last
        with np.errstate(invalid="ignore"):  # stamps may be anything, two infinite ones included
            steps = np.diff(stamps, prepend=previous)
        if self._last is None:
            steps[0] = 1 / self._sfreq
        # A stamp that is not finite compares false and so breaks the segment too.
        whole = (steps > 0) & (steps <= GAP_PERIODS / self._sfreq)
        starts = np.flatnonzero(~whole).tolist()
        bounds = [0, *[start for start in starts if start > 0], len(stamps)]
        for start, stop in pairwise(bounds):
            missing = None
            if not whole[start]:
                step = steps[start] * self._sfreq
                missing = max(0, round(float(step)) - 1) if np.isfinite(step) else 0
                self._count = 0
            self._keep(stamps[start:stop])
            self._last = float(stamps[stop - 1])
            yield Run(start, stop, missing)

    def stamp(self, sample: int) -> float:
        """Give the stamp of a sample of the running segment, counted from its first."""
        if not max(0, self._count - len(self._ring)) <= sample < self._count:
            raise IndexError(
                f"found sample {sample}, expected one of the last {len(self._ring)} "
                f"before {self._count}"
            )
        return float(self._ring[sample % len(self._ring)])

    def _keep(self, stamps: NDArray[np.float64]) -> None:
        places = (self._count + np.arange(len(stamps))) % len(self._ring)
        self._ring[places[-len(self._ring) :]] = stamps[-len(self._ring) :]
        self._count += len(stamps)
