"""A limit on how many markers of one headset are published. Pure: time is passed in."""

from __future__ import annotations

from collections import deque

MOST_A_SECOND = 20
"""The most markers of a headset that are published in any second."""

_SECOND = 1.0
_LONGEST_STRETCH_SECONDS = 60.0  # a stretch that never ends is reported this often


class RateLimit:
    """Allows `MOST_A_SECOND` in any second, and counts the others in stretches.

    A stretch ends when none was left out for a second, or after a minute.
    """

    def __init__(self) -> None:
        self._given: deque[float] = deque(maxlen=MOST_A_SECOND)
        self._left_out = 0
        self._began = self._newest = 0.0

    def acquire(self, now: float) -> bool:
        """Return whether one more is allowed, and count it; `now` in seconds."""
        if len(self._given) == MOST_A_SECOND and now - self._given[0] < _SECOND:
            self.leave_out(1, now)
            return False
        self._given.append(now)
        return True

    def leave_out(self, number: int, now: float) -> None:
        """Count some that were left out."""
        if not self._left_out:
            self._began = now
        self._left_out += number
        self._newest = now

    def stretch(self, now: float) -> int:
        """Return how many a finished stretch left out, once; 0 otherwise."""
        if now - self._newest < _SECOND and now - self._began < _LONGEST_STRETCH_SECONDS:
            return 0
        left_out, self._left_out = self._left_out, 0
        return left_out
