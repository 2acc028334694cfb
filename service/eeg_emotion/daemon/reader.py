"""Reads headsets: the fleet, and the rest baselines of their people."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from random import SystemRandom
from typing import Any

from eeg_emotion.api.baselines import BaselinesPart
from eeg_emotion.api.parts import Part
from eeg_emotion.api.routes import QualityPart
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.daemon.preparation import Prepared
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.fleet.status import RaisedAlarms
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus


class Reader:
    """Follows headsets, and publishes their messages on a bus.

    Attributes
    ----------
    fleet
        The headsets.
    parts
        The endpoints that only the process which reads a headset can answer.
    """

    def __init__(
        self, prepared: Prepared, bus: Bus, metrics: Metrics, alarms: RaisedAlarms
    ) -> None:
        settings, model = prepared.settings, prepared.model
        baselines = Baselines(
            model,
            bus,
            ProfileStore(settings.profiles),
            clock=time.monotonic,
            utc=time.time,
            random=SystemRandom(),
        )
        self.fleet = Fleet(
            model, prepared.path, settings.headset_filter(), bus, metrics, baselines, alarms
        )
        baselines.attach(self.fleet)
        self.parts: list[Part] = [
            QualityPart(self.fleet, model.contract.path.window_seconds),
            BaselinesPart(self.fleet, baselines, model),
        ]

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return the tasks that run until the process ends."""
        return [self.fleet.run()]
