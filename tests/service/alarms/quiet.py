"""Alarms for tests that are about something else."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eeg_emotion.alarms.alarms import Alarms
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.publish.bus import Bus


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
