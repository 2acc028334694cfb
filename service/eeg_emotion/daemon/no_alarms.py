"""What a process that reads headsets has in place of alarms where they are not installed."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from eeg_emotion.api.no_alarms import NoAlarmsPart
from eeg_emotion.fleet.status import NoAlarms


class NotAlarming:
    """Raises nothing; see `daemon.alarming.Alarming`.

    Attributes
    ----------
    alarms, event_store, part
        That none is raised; that there is no store; the endpoints that say so.
    """

    event_store = None

    def __init__(self) -> None:
        self.alarms = NoAlarms()
        self.part = NoAlarmsPart()

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return what is to run until the process ends: nothing."""
        return []
