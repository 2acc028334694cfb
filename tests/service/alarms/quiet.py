"""Alarms for tests that are about something else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from eeg_emotion.alarms.alarms import Alarms
from eeg_emotion.publish.alarms import RaisedAlarm
from eeg_emotion.publish.bus import Bus
from eeg_emotion.rules.rule import Rules
from eeg_emotion.store.store import EventStore


class NoAlarms:
    """Nothing is raised."""

    def raised(self, headset: str) -> tuple[RaisedAlarm, ...]:
        return ()

    def forget(self, headset: str) -> None:
        pass


def alarms_in(folder: Path, bus: Bus, *rules: dict[str, Any]) -> tuple[Alarms, EventStore]:
    """Make alarms by these rules, and the store of their events in a folder."""
    store = EventStore(f"sqlite:///{folder / 'events.db'}")
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
