"""A rate limit: a bucket of tokens that fills over time."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Allows a mean rate, and a burst after a pause.

    Parameters
    ----------
    per_second
        The mean rate.
    at_once
        The largest burst.
    clock
        Monotonic; seconds.
    """

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = float(at_once)
        self._clock = clock
        self._tokens = float(at_once)
        self._seen = clock()

    def acquire(self) -> bool:
        """Remove a token, and return whether there was one."""
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._seen) * self._per_second)
        self._seen = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
