"""How many markers of one headset are let through. Pure: time is passed in."""

from __future__ import annotations

from collections import deque

MOST_A_SECOND = 20
"""How many markers of a headset are published in any second."""

_SECOND = 1.0
_LONGEST_STRETCH_SECONDS = 60.0  # what never stops is told of now and then


class RateLimit:
    """Lets `MOST_A_SECOND` through in any second, and counts the others in stretches.

    A stretch ends when for a second none was left out, or after a minute.
    """

    def __init__(self) -> None:
        self._given: deque[float] = deque(maxlen=MOST_A_SECOND)
        self._left_out = 0
        self._began = self._newest = 0.0

    def take(self, now: float) -> bool:
        """Return whether one more may go through; `now` in seconds."""
        if len(self._given) == MOST_A_SECOND and now - self._given[0] < _SECOND:
            self.leave_out(1, now)
            return False
        self._given.append(now)
        return True

    def leave_out(self, number: int, now: float) -> None:
        """Count some that did not go through."""
        if not self._left_out:
            self._began = now
        self._left_out += number
        self._newest = now

    def stretch(self, now: float) -> int:
        """Return how many a stretch left out, once, when it is over; else 0."""
        if now - self._newest < _SECOND and now - self._began < _LONGEST_STRETCH_SECONDS:
            return 0
        left_out, self._left_out = self._left_out, 0
        return left_out
