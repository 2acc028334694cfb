"""Alarms in a process that reads headsets: rules, the event store, and deliveries."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from eeg_emotion.alarms.alarms import Alarms
from eeg_emotion.alarms.delivery.mqtt import Mqtt
from eeg_emotion.alarms.delivery.sender import Sender
from eeg_emotion.alarms.delivery.webhook import Webhook
from eeg_emotion.alarms.delivery.worker import DeliveryWorker
from eeg_emotion.alarms.event_sink import Target
from eeg_emotion.alarms.retention import Retention
from eeg_emotion.alarms.routes import AlarmsPart
from eeg_emotion.alarms.rules.presets import read_all_rules
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.settings import Settings


@dataclass(frozen=True, slots=True)
class AlarmSources:
    """The rules of the settings, and the event store."""

    rules: Rules
    events: EventStore


@contextlib.contextmanager
def open_alarms(settings: Settings) -> Iterator[AlarmSources]:
    """Read the rules that the settings name, and open the store until the context is left.

    Until then no other process may use the same name on the same store.

    Raises
    ------
    EegEmotionError
        If a rule is invalid, or the store cannot be opened.
    """
    rules = read_all_rules(settings.rules)
    url = settings.event_store.get_secret_value()
    with contextlib.closing(EventStore(url, settings.instance)) as events:
        yield AlarmSources(rules, events)


class Alarming:
    """Raises alarms from the messages of a bus, stores them, and delivers them.

    Attributes
    ----------
    alarms
        Which are raised.
    event_store
        How the store of events is.
    part
        Their endpoints.
    """

    def __init__(
        self,
        settings: Settings,
        sources: AlarmSources,
        bus: Bus,
        metrics: Metrics,
        *,
        model_simulated: bool,
    ) -> None:
        events = sources.events
        self._deliveries = [
            DeliveryWorker(sender, events, observe=metrics.delivered_to)
            for sender in _senders(settings)
        ]
        self.alarms = Alarms(
            sources.rules,
            events,
            bus,
            targets=[
                Target(delivery.target, delivery.wants, delivery.wake)
                for delivery in self._deliveries
            ],
            model_simulated=model_simulated,
            observe=metrics.on_alarm,
            utc=time.time,
            clock=time.monotonic,
            instance=settings.instance,
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
        self.event_store = self.alarms
        self.part = AlarmsPart(self.alarms, events)

    def running(self) -> list[Coroutine[Any, Any, None]]:
        """Return the tasks that run until the process ends."""
        parts = [self.alarms.run(), self._retention.run()]
        return parts + [delivery.run() for delivery in self._deliveries]


def _senders(settings: Settings) -> list[Sender]:
    senders: list[Sender] = [Webhook(webhook) for webhook in settings.webhook]
    if settings.mqtt is not None:
        senders.append(Mqtt(settings.mqtt))
    return senders
