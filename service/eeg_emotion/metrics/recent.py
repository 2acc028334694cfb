"""Statistics of the last minute, for `/readyz`; Prometheus keeps its own history."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MINUTE_SECONDS = 60.0
_MOST_LATENCIES = 4096  # at 500 slices of subscribers a second, the last 8 s, recent enough


@dataclass(frozen=True, slots=True)
class Deficit:
    """How many samples arrived, and how many are missing."""

    received: int
    missing: int

    @property
    def share(self) -> float:
        """Return the share of missing samples, 0 to 1."""
        return self.missing / max(1, self.received + self.missing)


class RollingStats:
    """Statistics over a sliding minute.

    Parameters
    ----------
    clock
        Monotonic; seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[tuple[int, int, int]] = deque()  # whole second, received, missing
        self._latencies: deque[tuple[float, float]] = deque(maxlen=_MOST_LATENCIES)

    def on_samples(self, received: int, missing: int) -> None:
        """Count samples, and those missing before them."""
        second = int(self._clock())
        if self._samples and self._samples[-1][0] == second:
            _, before, missed = self._samples.pop()
            received, missing = before + received, missed + missing
        self._samples.append((second, received, missing))
        while self._samples[0][0] <= second - MINUTE_SECONDS:
            self._samples.popleft()

    def delivered(self, seconds: float) -> None:
        """Add the time in seconds from a window's end to the writing of its prediction."""
        self._latencies.append((self._clock(), seconds))

    @property
    def deficit(self) -> Deficit:
        """The sample counts of the last minute."""
        since = int(self._clock()) - MINUTE_SECONDS
        kept = [item for item in self._samples if item[0] > since]
        return Deficit(sum(item[1] for item in kept), sum(item[2] for item in kept))

    def latency(self, percent: float) -> float | None:
        """Return a percentile of the last minute's latencies in seconds; None if there are none."""
        since = self._clock() - MINUTE_SECONDS
        kept = [seconds for when, seconds in self._latencies if when > since]
        return float(np.percentile(kept, percent)) if kept else None
