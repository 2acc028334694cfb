"""Retention in the event store: delete old events, and count pending deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from eeg_emotion.alarms.store.purging import Purged
from eeg_emotion.alarms.store.store import StoreError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

_DAY_SECONDS = 86_400.0
_PURGE_SECONDS = 3600.0
_COUNT_SECONDS = 10.0


class Kept(Protocol):
    """The part of `store.store.EventStore` used here."""

    def purge(self, before: float | None, headset: str | None) -> Purged:
        """Delete events older than a time, or of one headset."""
        ...

    def keep_targets(self, targets: Collection[str], time: float) -> int:
        """Abandon pending deliveries to any other target; return how many."""
        ...

    def renew(self) -> None:
        """Make sure that this instance still has its name."""
        ...

    def waiting(self) -> dict[str, int]:
        """Count the pending deliveries, by target."""
        ...


class Retention:
    """Applies the retention period while the service runs.

    Parameters
    ----------
    store
        The event store.
    retention_days
        How long events are kept.
    targets
        The targets in use; deliveries pending for any other are given up at each purge.
    show
        Called every 10 s with the number of pending deliveries by target.
    utc
        Returns the time, Unix seconds.
    """

    def __init__(
        self,
        store: Kept,
        *,
        retention_days: float,
        targets: Collection[str],
        show: Callable[[Mapping[str, int]], None],
        utc: Callable[[], float],
    ) -> None:
        self._store = store
        self._retention_seconds = retention_days * _DAY_SECONDS
        self._targets = targets
        self._show = show
        self._utc = utc

    async def run(self) -> None:
        """Purge and count, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._each(_PURGE_SECONDS, self._purge))
            tasks.create_task(self._each(_COUNT_SECONDS, self._count))

    async def _each(self, seconds: float, work: Callable[[], None]) -> None:
        while True:
            try:
                await asyncio.to_thread(work)
            except StoreError as error:
                # `Alarms` reports the same failure and retries; here the next round retries.
                logger.error("event store not kept up", why=str(error))
            await asyncio.sleep(seconds)

    def _purge(self) -> None:
        now = self._utc()
        if (over := self._store.keep_targets(self._targets, now)) > 0:
            logger.warning("deliveries given up: their targets are no longer set", deliveries=over)
        deleted = self._store.purge(now - self._retention_seconds, None).deleted
        if deleted:
            logger.info("old events deleted", events=deleted)

    def _count(self) -> None:
        self._store.renew()
        self._show(dict.fromkeys(self._targets, 0) | self._store.waiting())
