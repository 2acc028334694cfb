"""The half that reads headsets: their lines, their people's rest, and the alarms of both."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from random import SystemRandom
from typing import Any

from eeg_emotion.alarms.alarms import Alarms, Target
from eeg_emotion.alarms.delivery.mqtt import Mqtt
from eeg_emotion.alarms.delivery.sender import Sender
from eeg_emotion.alarms.delivery.webhook import Webhook
from eeg_emotion.alarms.delivery.worker import DeliveryWorker
from eeg_emotion.alarms.retention import Retention
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.inference.model import Model
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.settings import Settings


class Reader:
    """Follows headsets and tells a bus.

    Attributes
    ----------
    fleet, baselines, alarms, events
        Its parts, as the endpoints see them.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        path: PathSettings,
        rules: Rules,
        events: EventStore,
        bus: Bus,
        metrics: Metrics,
    ) -> None:
        self.events = events
        self.baselines = Baselines(
            model,
            bus,
            ProfileStore(settings.profiles),
            clock=time.monotonic,
            utc=time.time,
            random=SystemRandom(),
        )
        self._deliveries = [
            DeliveryWorker(sender, events, observe=metrics.delivered_to)
            for sender in _senders(settings)
        ]
        self.alarms = Alarms(
            rules,
            events,
            bus,
            targets=[
                Target(delivery.target, delivery.wants, delivery.wake)
                for delivery in self._deliveries
            ],
            model_simulated=model.contract.trained_on.simulated,
            observe=metrics.on_alarm,
            utc=time.time,
            clock=time.monotonic,
        )
        self._upkeep = Retention(
            events,
            retention_days=settings.retention_days,
            targets=[delivery.target for delivery in self._deliveries],
            show=lambda waiting: metrics.show_events(
                undelivered=waiting, unwritten=self.alarms.unwritten
            ),
            utc=time.time,
        )
        self.fleet = Fleet(
            model, path, settings.reception(), bus, metrics, self.baselines, self.alarms
        )
        self.baselines.attach(self.fleet)

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return what is to run until the process ends, in its own order."""
        parts = [self.fleet.run(), self.alarms.run(), self._upkeep.run()]
        return parts + [delivery.run() for delivery in self._deliveries]


def _senders(settings: Settings) -> list[Sender]:
    senders: list[Sender] = [Webhook(webhook) for webhook in settings.webhook]
    if settings.mqtt is not None:
        senders.append(Mqtt(settings.mqtt))
    return senders
