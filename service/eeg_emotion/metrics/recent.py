"""The last minute in numbers, for people who ask how it goes; Prometheus keeps its own past."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MINUTE_SECONDS = 60.0
_MOST_LATENCIES = 4096  # at 500 slices of subscribers a second the last 8 s, which is lately enough


@dataclass(frozen=True, slots=True)
class Deficit:
    """How many samples came and how many should have come besides."""

    received: int
    missing: int

    @property
    def share(self) -> float:
        """Return the missing ones' share of all that there should be, 0 to 1."""
        return self.missing / max(1, self.received + self.missing)


class RollingStats:
    """Keeps what the last minute brought.

    Parameters
    ----------
    clock
        Tells what is older; seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[tuple[int, int, int]] = deque()  # whole second, received, missing
        self._latencies: deque[tuple[float, float]] = deque(maxlen=_MOST_LATENCIES)

    def heard(self, received: int, missing: int) -> None:
        """Take in samples, and how many were missing before them."""
        second = int(self._clock())
        if self._samples and self._samples[-1][0] == second:
            _, before, missed = self._samples.pop()
            received, missing = before + received, missed + missing
        self._samples.append((second, received, missing))
        while self._samples[0][0] <= second - MINUTE_SECONDS:
            self._samples.popleft()

    def delivered(self, seconds: float) -> None:
        """Take in the time from a window's end to the writing of its prediction."""
        self._latencies.append((self._clock(), seconds))

    @property
    def deficit(self) -> Deficit:
        """Count the samples of the last minute."""
        since = int(self._clock()) - MINUTE_SECONDS
        kept = [item for item in self._samples if item[0] > since]
        return Deficit(sum(item[1] for item in kept), sum(item[2] for item in kept))

    def latency(self, percent: float) -> float | None:
        """Return a percentile of the last minute's latencies in seconds; None if there are none."""
        since = self._clock() - MINUTE_SECONDS
        kept = [seconds for when, seconds in self._latencies if when > since]
        return float(np.percentile(kept, percent)) if kept else None
