"""Brings what waits in the outbox to one target, in order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from eeg_emotion.alarms.delivery.sender import Refusal, Retry, Sender
from eeg_emotion.alarms.store.store import Delivery, EventStore, StoreError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 300.0
_GIVEN_UP_SECONDS = 86_400.0  # an event that is a day old warns nobody any more
_STORE_RETRY_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 3600.0  # a receiver may ask for so long a pause; not for a longer one


class DeliveryWorker:
    """Takes the oldest event of a target, and goes on to the next once it is over.

    So events arrive in order, and an alarm's end never before its beginning. What a crash
    interrupts is sent again, with the same id. An attempt that failed is repeated after 1 s, 2 s,
    4 s and so on to 5 minutes, each shortened by chance to between half of it and all, or later
    where the other side asks for it; a day after the event it is given up.

    Parameters
    ----------
    sender
        Sends to the target.
    store
        Has the outbox.
    observe
        Called with the target and what came of an attempt: delivered, retried, refused or given
        up.
    utc
        Unix seconds.
    sleep
        Waits for so many seconds.
    chance
        Gives a number from 0 to 1.
    """

    def __init__(
        self,
        sender: Sender,
        store: EventStore,
        *,
        observe: Callable[[str, str], None],
        utc: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.target = sender.target
        self.wants = sender.wants
        self._sender = sender
        self._store = store
        self._observe = observe
        self._utc = utc
        self._sleep = sleep
        self._chance = chance
        self._new = asyncio.Event()

    def wake(self) -> None:
        """Say that something new waits."""
        self._new.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                try:
                    await self._next()
                except StoreError as error:
                    # What was sent and could not be noted is sent again: its id tells.
                    logger.error("deliveries wait", target=self.target, why=str(error))
                    await self._sleep(_STORE_RETRY_SECONDS)
        finally:
            await self._sender.aclose()

    async def _next(self) -> None:
        self._new.clear()
        delivery = await asyncio.to_thread(self._store.next_delivery, self.target)
        if delivery is None:
            await self._new.wait()
            return
        # No longer than any pause, should the clock have been set back.
        wait = min(delivery.due - self._utc(), _LONGEST_WAIT_SECONDS)
        if wait > 0:
            await self._sleep(wait)
        try:
            await self._sender.send(delivery.event)
        except Retry as error:
            await self._retry(delivery, error)
        except Refusal as error:
            await self._give_up(delivery, "refused", str(error))
        else:
            await asyncio.to_thread(
                self._store.delivered, self.target, delivery.number, self._utc()
            )
            self._observe(self.target, "delivered")

    async def _retry(self, delivery: Delivery, error: Retry) -> None:
        now = self._utc()
        if now - delivery.event.time > _GIVEN_UP_SECONDS:
            await self._give_up(delivery, "given up", str(error))
            return
        doublings = min(delivery.attempts, 20)
        full = min(_FIRST_RETRY_SECONDS * 2.0**doublings, _LONGEST_RETRY_SECONDS)
        # Who asks for no pause at all, or for one that is over, is not asked without end.
        pause = max(full * (1 + self._chance()) / 2, error.after_seconds or 0.0)
        await asyncio.to_thread(
            self._store.postponed, self.target, delivery.number, now + pause, str(error)
        )
        self._observe(self.target, "retried")
        logger.warning(
            "delivery failed",
            target=self.target,
            id=delivery.event.id,
            attempt=delivery.attempts + 1,
            again_in_seconds=round(pause, 1),
            why=str(error),
        )

    async def _give_up(self, delivery: Delivery, outcome: str, why: str) -> None:
        await asyncio.to_thread(
            self._store.given_up, self.target, delivery.number, self._utc(), why
        )
        self._observe(self.target, outcome)
        logger.error(
            "delivery given up", target=self.target, id=delivery.event.id, outcome=outcome, why=why
        )
