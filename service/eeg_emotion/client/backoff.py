"""The time to wait before the next attempt to connect."""

from __future__ import annotations

from random import Random

_FIRST_SECONDS, _LONGEST_SECONDS = 0.5, 20.0


class Backoff:
    """Exponential back-off with full jitter: from up to 0.5 s to up to 20 s.

    The time is uniform up to the limit, so that clients that lost a server at the same moment
    return to it evenly spread.

    Parameters
    ----------
    random
        Source of the times.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._limit = _FIRST_SECONDS

    def next(self) -> float:
        """Return the time to wait in seconds, and double the limit for the next one."""
        wait = self._random.uniform(0, self._limit)
        self._limit = min(2 * self._limit, _LONGEST_SECONDS)
        return wait

    def reset(self) -> None:
        """Start over, after a connection that lasted."""
        self._limit = _FIRST_SECONDS
