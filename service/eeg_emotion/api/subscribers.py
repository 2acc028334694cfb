"""All connected subscribers: counted against the cap, checked each second, closed at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Protocol

from eeg_emotion.logs import get_logger
from eeg_emotion.publish.close_codes import CloseCode

logger = get_logger(__name__)

_TICK_SECONDS = 1.0

SPREAD_SECONDS = 5.0
"""Over which closes are spread at most, so that 500 clients do not return as one."""

SPREAD_EACH_SECONDS = 0.01
"""Over which closes are spread for each subscriber, so that few subscribers take little time."""

RETURN_SECONDS = (0.5, 3.0)
"""The earliest and the latest time for a client to reconnect, after the last has been closed."""

FAREWELL_SECONDS = 2.0
"""For the last subscribers to receive what is pending and answer their close."""


class Subscriber(Protocol):
    """One connection, whatever carries it."""

    def tick(self) -> None:
        """Check timeouts and credentials; called once a second."""
        ...

    def leave(self, reconnect_after_ms: int) -> None:
        """Announce that the service is stopping, and when to reconnect."""
        ...

    def end(self, code: CloseCode, reason: str) -> None:
        """Close the connection."""
        ...

    def fail(self) -> None:
        """Cut the connection."""
        ...


class Subscribers:
    """The open connections.

    Parameters
    ----------
    most
        The largest number allowed.
    random
        Spreads their closes over time.
    clock, sleep
        A monotonic clock in seconds, and the function that waits by it.
    """

    def __init__(
        self,
        most: int = 4000,
        random: Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._most = most
        self._random = random or Random()  # noqa: S311 - it only spreads closes
        self._clock = clock
        self._sleep = sleep
        self._open: set[Subscriber] = set()
        self.draining = False
        self._emptied = asyncio.Event()

    @property
    def most(self) -> int:
        """The largest number allowed."""
        return self._most

    @property
    def full(self) -> bool:
        """Return whether the cap is reached."""
        return len(self._open) >= self._most

    def add(self, subscriber: Subscriber) -> None:
        """Add a subscriber."""
        self._open.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """Remove a subscriber."""
        self._open.discard(subscriber)
        if not self._open:
            self._emptied.set()

    async def run(self) -> None:
        """Call `tick` of each subscriber once a second, until cancelled."""
        while True:
            await self._sleep(_TICK_SECONDS)
            for subscriber in list(self._open):
                self._guard(subscriber, subscriber.tick)

    async def drain(self) -> None:
        """Close all connections, spread over time; no new ones are accepted meanwhile.

        Each subscriber learns at once when to reconnect, which is after the last close. It gets
        its messages until its own close, and has a moment to answer that.
        """
        self.draining = True
        self._emptied.clear()
        spread = min(SPREAD_SECONDS, len(self._open) * SPREAD_EACH_SECONDS)
        ends = []
        for subscriber in list(self._open):
            ends.append((self._random.uniform(0, spread), subscriber))
            again = spread + FAREWELL_SECONDS + self._random.uniform(*RETURN_SECONDS)
            self._guard(subscriber, partial(subscriber.leave, round(again * 1e3)))
        ends.sort(key=lambda item: item[0])
        begin = self._clock()
        for end, subscriber in ends:
            if (wait := begin + end - self._clock()) > 0:
                await self._sleep(wait)
            self._guard(subscriber, partial(subscriber.end, CloseCode.SHUTDOWN, "shutdown"))
        if self._open:
            try:
                await asyncio.wait_for(self._emptied.wait(), FAREWELL_SECONDS)
            except TimeoutError:
                return  # the server's own shutdown aborts the connections that are left

    def _guard(self, subscriber: Subscriber, act: Callable[[], None]) -> None:
        """Call a function of one subscriber, so that its failure does not affect the others."""
        try:
            act()
        except Exception:
            logger.exception("subscriber failed")
            self.remove(subscriber)
            subscriber.fail()
