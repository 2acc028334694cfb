"""The broker's numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Traffic:
    """What has passed between a process and the broker since it started.

    Attributes
    ----------
    connected
        Whether the broker is there now.
    sent, heard
        Messages given to it, and taken from it.
    dropped
        Messages that it could not be given in time.
    refetched, holes
        Predictions that were missed and asked for; how often some could not be had any more.
    ingests
        Those that are there, as a gateway sees it.
    """

    connected: bool
    sent: int = 0
    heard: int = 0
    dropped: int = 0
    refetched: int = 0
    holes: int = 0
    ingests: int = 0


class BrokerCollector(Collector):
    """What is read only when it is asked for."""

    def __init__(self, read: Callable[[], Traffic]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Return the broker's numbers as they are now."""
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
