"""Alarms in a process that reads headsets: rules, the store of events, and their delivery."""

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
from eeg_emotion.alarms.routes import AlarmsPart
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.daemon.preparation import Prepared
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.settings import Settings


class Alarming:
    """Raises alarms over what a bus carries, keeps them, and delivers them.

    Attributes
    ----------
    alarms
        Which are raised.
    part
        Their endpoints.
    """

    def __init__(self, prepared: Prepared, events: EventStore, bus: Bus, metrics: Metrics) -> None:
        settings = prepared.settings
        self._deliveries = [
            DeliveryWorker(sender, events, observe=metrics.delivered_to)
            for sender in _senders(settings)
        ]
        self.alarms = Alarms(
            prepared.rules,
            events,
            bus,
            targets=[
                Target(delivery.target, delivery.wants, delivery.wake)
                for delivery in self._deliveries
            ],
            model_simulated=prepared.model.contract.trained_on.simulated,
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
        self.part = AlarmsPart(self.alarms, events)

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return what is to run until the process ends."""
        parts = [self.alarms.run(), self._retention.run()]
        return parts + [delivery.run() for delivery in self._deliveries]


def _senders(settings: Settings) -> list[Sender]:
    senders: list[Sender] = [Webhook(webhook) for webhook in settings.webhook]
    if settings.mqtt is not None:
        senders.append(Mqtt(settings.mqtt))
    return senders
