"""What Prometheus is told. No label names a headset or a person: there may be any number."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import eeg_emotion
from eeg_emotion.codes import State
from eeg_emotion.metrics.broker_traffic import Traffic
from eeg_emotion.metrics.recent import RollingStats
from eeg_emotion.publish.alarms import Alarm, AlarmChange, Severity
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.messages import Prediction, Reason

TRANSPORTS = ("websocket", "sse")
"""How a subscriber may be connected."""

REFUSALS = ("draining", "connection_cap", "origin", "credentials", "scope")
"""Why a request or a connection may be refused."""

# From a fraction of a window's cost here to well beyond the time for which a result is of use.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The service's counters, in a registry of their own.

    Parameters
    ----------
    clock
        Tells what belongs to the last minute; seconds.

    Attributes
    ----------
    delivered
        Counts messages written to subscribers' sockets.
    conflated
        Counts messages that were replaced by newer ones before they could be written.
    lately
        The last minute, for people.
    subscribers
        How many are connected, by transport.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.lately = RollingStats(clock)
        self.subscribers = dict.fromkeys(TRANSPORTS, 0)
        self.registry = registry = CollectorRegistry()
        self._samples = Counter(
            "emotion_eeg_samples", "Samples received from all headsets.", registry=registry
        )
        self._missing = Counter(
            "emotion_eeg_samples_missing",
            "Samples that never came, as the gaps between stamps tell.",
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
            "Windows that were not judged as a newer one was complete already.",
            registry=registry,
        )
        self._inference = Histogram(
            "emotion_inference_duration_seconds",
            "Time in the model for one valid window.",
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
            "From a window's last sample to the writing of its prediction to subscribers, once for "
            "each slice of them.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._headsets = Gauge(
            "emotion_headsets", "Headsets by state.", ["state"], registry=registry
        )
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
            "Messages of any kind replaced by newer ones, as their subscriber took them slowly.",
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
        self._alarms = Counter(
            "emotion_alarms",
            "Changes of alarms that were told.",
            ["severity", "change"],
            registry=registry,
        )
        self._deliveries = Counter(
            "emotion_deliveries",
            "Attempts to deliver changes of alarms, by where to and what came of it.",
            ["target", "outcome"],
            registry=registry,
        )
        self._undelivered = Gauge(
            "emotion_events_undelivered",
            "Changes of alarms that wait to be delivered.",
            ["target"],
            registry=registry,
        )
        self._unwritten = Gauge(
            "emotion_events_unwritten",
            "Changes of alarms that the event store does not have yet; 0 unless it fails.",
            registry=registry,
        )
        self._lag = Histogram(
            "emotion_event_loop_lag_seconds",
            "By how much too late the event loop is, measured four times a second.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._model = Gauge(
            "emotion_model_info",
            "The model that is served.",
            ["name", "version", "sha256"],
            registry=registry,
        )
        build = Gauge(
            "emotion_build_info", "This program.", ["version", "python"], registry=registry
        )
        build.labels(eeg_emotion.__version__, platform.python_version()).set(1)
        ProcessCollector(registry=registry)
        # A series that begins with its first event has lost that one for `rate`.
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

    def heard(self, *, samples: int, missing: int, superseded: int) -> None:
        """Count what a headset brought, and what it did not."""
        self._samples.inc(samples)
        self._missing.inc(missing)
        self._superseded.inc(superseded)
        self.lately.heard(samples, missing)

    def observe(self, prediction: Prediction) -> None:
        """Count one prediction."""
        self._windows.labels("valid" if prediction.valid else prediction.reasons[0]).inc()
        self._window_latency.observe(max(0.0, prediction.latency_ms.total / 1e3))
        if prediction.valid:
            self._inference.observe(prediction.latency_ms.inference / 1e3)

    def observe_delivery(self, seconds: float) -> None:
        """Take the time from a window's end to the writing of its prediction."""
        seconds = max(0.0, seconds)  # the wearer's clock may be ahead of ours by a little
        self._latency.observe(seconds)
        self.lately.delivered(seconds)

    def told(self, alarm: Alarm) -> None:
        """Count a change of an alarm."""
        self._alarms.labels(alarm.severity, alarm.change).inc()

    def delivered_to(self, target: str, outcome: str) -> None:
        """Count an attempt to deliver one."""
        self._deliveries.labels(target, outcome).inc()

    def show_events(self, *, undelivered: Mapping[str, int], unwritten: int) -> None:
        """Show how many changes of alarms wait, and for what."""
        for target, count in undelivered.items():
            self._undelivered.labels(target).set(count)
        self._unwritten.set(unwritten)

    def observe_lag(self, seconds: float) -> None:
        """Take a measured lag of the event loop."""
        self._lag.observe(seconds)

    def show(self, states: Mapping[State, int]) -> None:
        """Show how many headsets are in each state."""
        for state in State:
            self._headsets.labels(state).set(states.get(state, 0))

    def watch_broker(self, read: Callable[[], Traffic]) -> None:
        """Tell of the broker too, as a function reads it."""
        self.registry.register(_BrokerCollector(read))

    def show_model(self, *, name: str, version: str, sha256: str) -> None:
        """Show which model is served."""
        self._model.labels(name, version, sha256).set(1)

    def connected(self, transport: str, by: int) -> None:
        """Count subscribers in, or with a negative number out."""
        self.subscribers[transport] += by
        self._connected.labels(transport).set(self.subscribers[transport])

    def refused(self, reason: str) -> None:
        """Count a request or a connection that was refused."""
        self._refused.labels(reason).inc()

    def closed(self, reason: str) -> None:
        """Count a connection that ended."""
        self._closed.labels(reason).inc()


class _BrokerCollector(Collector):
    """What is read only when it is asked for."""

    def __init__(self, read: Callable[[], Traffic]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        traffic = self._read()
        for name, text, value in (
            ("connected", "Whether the broker is there: 1 or 0.", float(traffic.connected)),
            ("ingests", "Ingests that are there, as a gateway sees it.", traffic.ingests),
        ):
            yield GaugeMetricFamily(f"emotion_broker_{name}", text, value)
        for name, text, value in (
            ("messages_sent", "Messages given to the broker.", traffic.sent),
            ("messages_heard", "Messages taken from the broker.", traffic.heard),
            ("messages_dropped", "Messages that it could not be given in time.", traffic.dropped),
            (
                "predictions_refetched",
                "Predictions that were missed and asked for.",
                traffic.refetched,
            ),
            (
                "holes",
                "How often missed predictions could not be had any more.",
                traffic.holes,
            ),
        ):
            yield CounterMetricFamily(f"emotion_broker_{name}", text, value)
