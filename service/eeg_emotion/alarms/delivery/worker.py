"""Delivers pending events to one target, in order."""

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
_GIVEN_UP_SECONDS = 86_400.0  # a day-old event no longer warns anybody
_STORE_RETRY_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 3600.0  # the longest pause that a receiver may ask for


class DeliveryWorker:
    """Delivers the oldest pending event of a target, then the next.

    So events arrive in order, and an alarm is never cleared before it is raised. A delivery
    interrupted by a crash is repeated under the same id. A failed attempt is retried after 1 s,
    2 s, 4 s and so on up to 5 minutes, each with random jitter of up to half of it downwards, or
    later if the receiver asks for that; a day after the event the delivery is given up.

    Parameters
    ----------
    sender
        Sends to the target.
    store
        Holds the pending deliveries.
    observe
        Called with the target and the outcome of each attempt: delivered, retried, refused or
        given up.
    utc
        Returns the time, Unix seconds.
    sleep
        Sleeps for a number of seconds.
    chance
        Returns a random number from 0 to 1.
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
        """Signal that a new delivery is pending."""
        self._new.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                try:
                    await self._next()
                except StoreError as error:
                    # An event that was sent but not recorded is sent again, under the same id.
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
        # Bounded, in case the clock was set back.
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
        # A receiver that asks for no pause, or one in the past, still gets the full backoff.
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
