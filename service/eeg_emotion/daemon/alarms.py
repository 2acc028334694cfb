"""The alarms of a process that reads headsets. It is imported where their extra is installed."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from typing import Any

from eeg_emotion.alarms.alarms import Alarms, Target
from eeg_emotion.alarms.delivery.mqtt import Mqtt
from eeg_emotion.alarms.delivery.sender import Sender
from eeg_emotion.alarms.delivery.webhook import Webhook
from eeg_emotion.alarms.delivery.worker import DeliveryWorker
from eeg_emotion.alarms.retention import Retention
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.inference.model import Model
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.settings import Settings


class AlarmParts:
    """Judges what a bus carries by rules, keeps what follows, and delivers it.

    Attributes
    ----------
    alarms, events
        Its parts, as the endpoints see them.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model,
        rules: Rules,
        events: EventStore,
        bus: Bus,
        metrics: Metrics,
    ) -> None:
        self.events = events
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
            observe=metrics.told,
            utc=time.time,
            clock=time.monotonic,
        )
        self._retention = Retention(
            events,
            retention_days=settings.retention_days,
            targets=[delivery.target for delivery in self._deliveries],
            show=lambda waiting: metrics.show_events(
                undelivered=waiting, unwritten=self.alarms.unwritten
            ),
            utc=time.time,
        )

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return what is to run until the process ends."""
        deliveries = [delivery.run() for delivery in self._deliveries]
        return [self.alarms.run(), self._retention.run(), *deliveries]


def _senders(settings: Settings) -> list[Sender]:
    senders: list[Sender] = [Webhook(webhook) for webhook in settings.webhook]
    if settings.mqtt is not None:
        senders.append(Mqtt(settings.mqtt))
    return senders
