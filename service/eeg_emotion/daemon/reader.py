"""The half that reads headsets: their lines, their people's rest, and alarms if installed."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.fleet.status import NoAlarms
from eeg_emotion.inference.model import Model
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.settings import Settings

if TYPE_CHECKING:
    from eeg_emotion.alarms.store.store import EventStore
    from eeg_emotion.daemon.alarms import AlarmParts


class Reader:
    """Follows headsets and tells a bus.

    Attributes
    ----------
    fleet, baselines, alarms
        Its parts, as the endpoints see them; `alarms` is None where it has no event store.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        path: PathSettings,
        rules: Rules,
        events: EventStore | None,
        bus: Bus,
        metrics: Metrics,
    ) -> None:
        self.baselines = Baselines(
            model,
            bus,
            ProfileStore(settings.profiles),
            clock=time.monotonic,
            utc=time.time,
            random=SystemRandom(),
        )
        self.alarms: AlarmParts | None = None
        if events is not None:
            from eeg_emotion.daemon.alarms import AlarmParts

            self.alarms = AlarmParts(settings, model, rules, events, bus, metrics)
        raised = NoAlarms() if self.alarms is None else self.alarms.alarms
        self.fleet = Fleet(model, path, settings.reception(), bus, metrics, self.baselines, raised)
        self.baselines.attach(self.fleet)

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return what is to run until the process ends, in its own order."""
        return [self.fleet.run(), *([] if self.alarms is None else self.alarms.running())]
