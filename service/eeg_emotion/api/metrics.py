"""What Prometheus is told. No label names a headset or a person: there may be any number."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from eeg_emotion.headset.link import State
from eeg_emotion.publish.messages import Prediction

# From a fraction of a window's cost here to well beyond the time for which a result is of use.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The service's counters, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.samples = Counter(
            "emotion_eeg_samples", "Samples received from all headsets.", registry=self.registry
        )
        self._windows = Counter(
            "emotion_windows",
            "Windows by outcome: valid, or the first reason why not.",
            ["outcome"],
            registry=self.registry,
        )
        self._inference = Histogram(
            "emotion_inference_duration_seconds",
            "Time in the model for one valid window.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._latency = Histogram(
            "emotion_end_to_end_latency_seconds",
            "From a window's last sample to its prediction.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._headsets = Gauge(
            "emotion_headsets", "Headsets by state.", ["state"], registry=self.registry
        )
        self._missing = Gauge(
            "emotion_eeg_samples_missing",
            "Samples missing in the gaps of the present connections.",
            registry=self.registry,
        )
        self._subscribers = Gauge(
            "emotion_subscribers_connected", "Open subscriptions.", registry=self.registry
        )
        self.delivered = Counter(
            "emotion_messages_delivered",
            "Messages handed to subscribers' sockets.",
            registry=self.registry,
        )
        self.conflated = Counter(
            "emotion_predictions_conflated",
            "Messages replaced by newer ones because their subscriber read slowly.",
            registry=self.registry,
        )
        self._model = Gauge(
            "emotion_model_info",
            "The model that is served.",
            ["name", "version", "sha256"],
            registry=self.registry,
        )

    def observe(self, prediction: Prediction) -> None:
        """Count one prediction."""
        self._windows.labels("valid" if prediction.valid else prediction.reasons[0]).inc()
        self._latency.observe(max(0.0, prediction.latency_ms.total / 1e3))
        if prediction.valid:
            self._inference.observe(prediction.latency_ms.inference / 1e3)

    def show(self, *, states: Mapping[State, int], missing: int, subscribers: int) -> None:
        """Show the present numbers."""
        for state in State:
            self._headsets.labels(state).set(states.get(state, 0))
        self._missing.set(missing)
        self._subscribers.set(subscribers)

    def show_model(self, *, name: str, version: str, sha256: str) -> None:
        """Show which model is served."""
        self._model.labels(name, version, sha256).set(1)
