"""Replaces alarms in a process that reads headsets without the extra `alarms`."""

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
        No raised alarms, no store, and the endpoints that name the missing extra.
    """

    event_store = None

    def __init__(self) -> None:
        self.alarms = NoAlarms()
        self.part = NoAlarmsPart()

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return the tasks that run until the process ends: none."""
        return []
