"""Publishes the headsets' states and alarms as they change, and their counts now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.codes import State
from eeg_emotion.fleet.connection import HeadsetConnection
from eeg_emotion.logs import get_logger
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.alarms import RaisedAlarm
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Headset, Status
from eeg_emotion.stream.link import WARNED_SECONDS

logger = get_logger(__name__)

COUNTS_SECONDS = 5.0
"""How old the counts of samples and gaps may be on a page."""


class RaisedAlarms(Protocol):
    """The raised alarms; see `alarms.alarms.Alarms`."""

    def raised(self, headset: str) -> tuple[RaisedAlarm, ...]:
        """Return a headset's raised alarms."""
        ...

    def forget(self, headset: str) -> None:
        """Forget a headset that is no longer listed."""
        ...


class NoAlarms:
    """The raised alarms of a process without rules: none."""

    def raised(self, headset: str) -> tuple[RaisedAlarm, ...]:
        """Return none."""
        return ()

    def forget(self, headset: str) -> None:
        """Do nothing, since nothing is kept."""


class StatusPublisher:
    """Publishes what has changed about the headsets.

    Parameters
    ----------
    bus
        Where it is published.
    metrics
        The counters.
    baselines
        Notified when a headset is lost or forgotten.
    alarms
        The raised alarms of each headset.
    """

    def __init__(
        self, bus: Bus, metrics: Metrics, baselines: Baselines, alarms: RaisedAlarms
    ) -> None:
        self._bus = bus
        self._metrics = metrics
        self._baselines = baselines
        self._alarms = alarms
        self._published: dict[str, tuple[State, str, tuple[RaisedAlarm, ...]]] = {}
        self._warned: set[str] = set()
        self._counts_published = 0.0

    def describe(self, connection: HeadsetConnection, now: float) -> Headset:
        """Return everything that subscribers may know of a headset."""
        return connection.describe(now, self._alarms.raised(connection.id))

    def publish(self, connections: Mapping[str, HeadsetConnection], now: float) -> None:
        """Publish new states and alarms, and the counts of live headsets when they are due."""
        counts_due = now - self._counts_published >= COUNTS_SECONDS
        if counts_due:
            self._counts_published = now
        states: Counter[State] = Counter()
        for identifier in sorted(connections):
            connection = connections[identifier]
            state, detail = connection.state(now), connection.detail(now)
            alarms = self._alarms.raised(identifier)
            states[state] += 1
            before = self._published.get(identifier)
            if before is None or before[:2] != (state, detail):
                if state is State.LOST:
                    self._baselines.lost(identifier)
                logger.info("headset state", headset=identifier, state=state, detail=detail)
            if before != (state, detail, alarms) or (counts_due and state is State.LIVE):
                # Recorded first: publishing it may raise an alarm immediately.
                self._published[identifier] = state, detail, alarms
                self._bus.publish(Status(headset=connection.describe(now, alarms)))
        without = sum(connection.without_score(now) for connection in connections.values())
        overloaded = sum(connection.overloaded(now) for connection in connections.values())
        self._metrics.show(states, without_score=without, overloaded=overloaded)

    def warn(self, connections: Mapping[str, HeadsetConnection], now: float) -> None:
        """Log each silence once, before it makes a headset stale."""
        for connection in connections.values():
            silent = (
                connection.active is not None
                and connection.quarantine is None
                and (connection.link.silent_seconds(now) >= WARNED_SECONDS)
            )
            if not silent:
                self._warned.discard(connection.id)
            elif connection.id not in self._warned and not connection.link.closed:
                self._warned.add(connection.id)
                logger.warning("headset silent", headset=connection.id, seconds=WARNED_SECONDS)

    def forget(self, identifier: str) -> None:
        """Forget a headset that is no longer listed."""
        self._published.pop(identifier, None)
        self._warned.discard(identifier)
        self._bus.forget(identifier)
        self._baselines.forget(identifier)
        self._alarms.forget(identifier)
