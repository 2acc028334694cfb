"""Alarms: none, quiet ones, and those over a store that can be made to fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.messages import prediction, status

from eeg_emotion.alarms.alarms import Alarms
from eeg_emotion.alarms.event_sink import Target
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.store.store import EventStore, Stored, StoreError
from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Score, WindowSpan


@cache
def _new_database() -> bytes:
    """Return an empty event store's file; making its tables costs more than most tests."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "events.db"
        EventStore(f"sqlite:///{file}").close()
        return file.read_bytes()


def alarms_in(folder: Path, bus: Bus, *rules: dict[str, Any]) -> tuple[Alarms, EventStore]:
    """Make alarms by these rules, and the store of their events in a folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "events.db"
    if not file.exists():
        file.write_bytes(_new_database())
        file.chmod(0o600)
    store = EventStore(f"sqlite:///{file}")
    alarms = Alarms(
        Rules.model_validate({"rule": rules}),
        store,
        bus,
        targets=(),
        model_simulated=True,
        observe=lambda _: None,
        utc=time.time,
        clock=time.monotonic,
    )
    return alarms, store


EXCITED = {
    "name": "excited",
    "text": "Excited, by the estimate.",
    "severity": "warning",
    "when": [{"of": "arousal", "above": 0.8}],
}


LOST = {
    "name": "lost",
    "text": "Signal lost.",
    "severity": "critical",
    "when": [{"of": "state", "is": ["lost"]}],
    "dwell_seconds": 1,
}


class TroubledStore(EventStore):
    """Fails or stalls on request."""

    def __init__(self, url: str, instance: str | None = None) -> None:
        super().__init__(url, instance)
        self.failing = False
        self.open = threading.Event()
        self.open.set()
        self.tried = 0

    def record(self, events: Sequence[Alarm], targets: Sequence[str], time: float) -> list[Stored]:
        self.tried += 1
        assert self.open.wait(60)
        if self.failing:
            raise StoreError("found no disk, expected one; buy one")
        return super().record(events, targets, time)


class World:
    """Alarms over a bus, with everything that is published."""

    def __init__(
        self, store: TroubledStore, rules: Sequence[dict[str, Any]], instance: str = ""
    ) -> None:
        self.store = store
        self.now = 1000.0
        self.bus = Bus()
        self.reported: list[Alarm] = []
        self.woken = 0
        self._changed = asyncio.Condition()
        self.alarms = Alarms(
            Rules.model_validate({"rule": rules}),
            store,
            self.bus,
            targets=[Target("hook", lambda event: event.rule != "private", self._wake)],
            model_simulated=False,
            observe=self.reported.append,
            utc=lambda: self.now,
            clock=lambda: asyncio.get_running_loop().time(),
            instance=instance,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """Run the alarms until the context ends."""
        task = asyncio.create_task(self.alarms.run())
        try:
            yield self
        finally:
            self.store.open.set()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), task.exception()

    def _wake(self) -> None:
        self.woken += 1

    def window(self, arousal: float, headset: str = "a") -> None:
        self.now += 1.0
        score = Score(probability=arousal, label="high" if arousal > 0.5 else "low")
        span = WindowSpan(start=self.now - 5, end=self.now)
        self.bus.publish(prediction(headset, int(self.now), window=span, arousal=score))

    def state(self, state: State, headset: str = "a") -> None:
        self.bus.publish(status(headset, state))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110  # the store's thread says nothing to wait for
                await asyncio.sleep(0.01)

    async def until_published(self, count: int) -> list[Alarm]:
        await self.until(lambda: len(self.reported) >= count)
        return self.reported[:count]

    def kept(self) -> list[Alarm]:
        """What the store has, oldest first."""
        found = self.store.events(
            may_read=lambda _: True, headset=None, raised=False, before=None, limit=100
        )
        return [stored.event for stored in reversed(found)]


Start = Callable[..., AbstractAsyncContextManager[World]]
