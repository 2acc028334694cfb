"""The Prometheus metrics. No label names a headset or a person: there may be any number."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

import eeg_emotion
from eeg_emotion.codes import Reason, State
from eeg_emotion.metrics.broker import BrokerCollector, Traffic
from eeg_emotion.metrics.recent import RollingStats
from eeg_emotion.publish.alarms import Alarm, AlarmChange, Severity
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.messages import Prediction

TRANSPORTS = ("websocket", "sse")
"""The transports of subscribers."""

REFUSALS = (
    *("draining", "connection_cap", "origin", "credentials", "scope"),
    *("malformed", "timeout", "unread", "crowded"),  # of connections, by `Arrivals`
)
"""Why a request or a connection may be refused."""

# From a fraction of a window's cost to well beyond the time for which a result is useful.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The service's metrics, in their own registry.

    Parameters
    ----------
    clock
        Monotonic seconds, for the statistics of the last minute.

    Attributes
    ----------
    delivered
        Counts messages written to subscribers' sockets.
    conflated
        Counts messages that were replaced by newer ones before they could be written.
    recent
        Statistics of the last minute.
    subscribers
        How many are connected, by transport.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.recent = RollingStats(clock)
        self.subscribers = dict.fromkeys(TRANSPORTS, 0)
        self.registry = CollectorRegistry()
        self._add_signal(self.registry)
        self._add_subscribers(self.registry)
        self._add_alarms(self.registry)
        self._add_process(self.registry)
        self._begin_series()

    def _add_signal(self, registry: CollectorRegistry) -> None:
        self._samples = Counter(
            "emotion_eeg_samples", "Samples received from all headsets.", registry=registry
        )
        self._missing = Counter(
            "emotion_eeg_samples_missing",
            "Samples that never arrived, from the gaps between stamps.",
            registry=registry,
        )
        self._windows = Counter(
            "emotion_windows",
            "Windows by outcome: valid, or the first reason why not.",
            ["outcome"],
            registry=registry,
        )
        self._superseded = Counter(
            "emotion_windows_superseded",
            "Windows that were not assessed because a newer one was complete.",
            registry=registry,
        )
        self._inference = Histogram(
            "emotion_inference_duration_seconds",
            "Time spent in the model for one valid window.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._window_latency = Histogram(
            "emotion_window_latency_seconds",
            "From a window's last sample to its prediction.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._latency = Histogram(
            "emotion_end_to_end_latency_seconds",
            "From a window's last sample to the writing of its prediction to subscribers, once per "
            "slice of subscribers.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._headsets = Gauge(
            "emotion_headsets", "Headsets by state.", ["state"], registry=registry
        )
        self._overloaded = Gauge(
            "emotion_headsets_overloaded",
            "Headsets whose samples this process loses, or takes too late, by itself.",
            registry=registry,
        )
        self._without_score = Gauge(
            "emotion_headsets_without_score",
            "Live headsets without a valid window for 30 s.",
            registry=registry,
        )

    def _add_subscribers(self, registry: CollectorRegistry) -> None:
        self._connected = Gauge(
            "emotion_subscribers_connected",
            "Open connections of subscribers by transport.",
            ["transport"],
            registry=registry,
        )
        self.delivered = Counter(
            "emotion_messages_delivered",
            "Messages written to subscribers' sockets; nearly all are predictions.",
            registry=registry,
        )
        self.conflated = Counter(
            "emotion_messages_conflated",
            "Messages of any kind replaced by newer ones because their subscriber was slow.",
            registry=registry,
        )
        self._refused = Counter(
            "emotion_connections_refused",
            "Requests and connections that were refused, by reason.",
            ["reason"],
            registry=registry,
        )
        self._closed = Counter(
            "emotion_subscribers_closed",
            "Connections of subscribers that ended, by reason: left, or why the service closed it.",
            ["reason"],
            registry=registry,
        )

    def _add_alarms(self, registry: CollectorRegistry) -> None:
        self._alarms = Counter(
            "emotion_alarms",
            "Changes of alarms that were published.",
            ["severity", "change"],
            registry=registry,
        )
        self._deliveries = Counter(
            "emotion_deliveries",
            "Attempts to deliver changes of alarms, by target and outcome.",
            ["target", "outcome"],
            registry=registry,
        )
        self._undelivered = Gauge(
            "emotion_events_undelivered",
            "Changes of alarms waiting to be delivered.",
            ["target"],
            registry=registry,
        )
        self._unwritten = Gauge(
            "emotion_events_unwritten",
            "Changes of alarms not yet in the event store; 0 unless it fails.",
            registry=registry,
        )

    def _add_process(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "emotion_event_loop_lag_seconds",
            "How late the event loop is, measured four times a second.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._model = Gauge(
            "emotion_model_info",
            "The model being served.",
            ["name", "version", "sha256"],
            registry=registry,
        )
        build = Gauge(
            "emotion_build_info", "This program.", ["version", "python"], registry=registry
        )
        build.labels(eeg_emotion.__version__, platform.python_version()).set(1)
        ProcessCollector(registry=registry)

    def _begin_series(self) -> None:
        # A series that only begins with its first event loses that event for `rate`.
        for outcome in ("valid", *Reason):
            self._windows.labels(outcome)
        for reason in REFUSALS:
            self._refused.labels(reason)
        for reason in ("left", *(code.name.lower() for code in CloseCode)):
            self._closed.labels(reason)
        for severity in Severity:
            for change in AlarmChange:
                self._alarms.labels(severity, change)
        for transport in TRANSPORTS:
            self.connected(transport, 0)
        self.show({})

    def on_samples(self, *, samples: int, missing: int, superseded: int) -> None:
        """Count received and missing samples, and superseded windows, of a headset."""
        self._samples.inc(samples)
        self._missing.inc(missing)
        self._superseded.inc(superseded)
        self.recent.on_samples(samples, missing)

    def observe(self, prediction: Prediction) -> None:
        """Count one prediction."""
        self._windows.labels("valid" if prediction.valid else prediction.reasons[0]).inc()
        self._window_latency.observe(max(0.0, prediction.latency_ms.total / 1e3))
        if prediction.valid:
            self._inference.observe(prediction.latency_ms.inference / 1e3)

    def observe_delivery(self, seconds: float) -> None:
        """Add the time in seconds from a window's end to the writing of its prediction."""
        seconds = max(0.0, seconds)  # the wearer's clock may be ahead of ours by a little
        self._latency.observe(seconds)
        self.recent.delivered(seconds)

    def on_alarm(self, alarm: Alarm) -> None:
        """Count a change of an alarm."""
        self._alarms.labels(alarm.severity, alarm.change).inc()

    def delivered_to(self, target: str, outcome: str) -> None:
        """Count an attempt to deliver a change of an alarm."""
        self._deliveries.labels(target, outcome).inc()

    def show_events(self, *, undelivered: Mapping[str, int], unwritten: int) -> None:
        """Set how many changes of alarms wait to be delivered, by target, and to be stored."""
        for target, count in undelivered.items():
            self._undelivered.labels(target).set(count)
        self._unwritten.set(unwritten)

    def observe_lag(self, seconds: float) -> None:
        """Add a measured lag of the event loop, seconds."""
        self._lag.observe(seconds)

    def show(
        self, states: Mapping[State, int], *, without_score: int = 0, overloaded: int = 0
    ) -> None:
        """Set how many headsets are in each state, get no score, or suffer from overload."""
        self._overloaded.set(overloaded)
        self._without_score.set(without_score)
        for state in State:
            self._headsets.labels(state).set(states.get(state, 0))

    def watch_broker(self, read: Callable[[], Traffic]) -> None:
        """Export the broker's counts too, as returned by a function."""
        self.registry.register(BrokerCollector(read))

    def show_model(self, *, name: str, version: str, sha256: str) -> None:
        """Set which model is served."""
        self._model.labels(name, version, sha256).set(1)

    def connected(self, transport: str, by: int) -> None:
        """Add subscribers, or with a negative number remove them."""
        self.subscribers[transport] += by
        self._connected.labels(transport).set(self.subscribers[transport])

    def refused(self, reason: str) -> None:
        """Count a request or a connection that was refused."""
        self._refused.labels(reason).inc()

    def closed(self, reason: str) -> None:
        """Count a connection that ended."""
        self._closed.labels(reason).inc()
