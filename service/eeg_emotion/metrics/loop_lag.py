"""The event loop's lag: everything that is sent and answered waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_PERIOD_SECONDS = 0.25


class LoopLag:
    """Sleeps repeatedly, and measures how late each sleep ends.

    Parameters
    ----------
    observe
        Called with each measured lag, seconds.
    clock
        Measures; seconds.
    sleep
        Waits in the event loop.
    """

    def __init__(
        self,
        observe: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._measured = 0.0
        self._due: float | None = None

    @property
    def seconds(self) -> float:
        """Return the last lag in seconds, or the current one if that is already longer."""
        overdue = 0.0 if self._due is None else self._clock() - self._due
        return max(self._measured, overdue)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due = self._clock() + _PERIOD_SECONDS
            await self._sleep(_PERIOD_SECONDS)
            self._measured = max(0.0, self._clock() - self._due)
            self._observe(self._measured)
