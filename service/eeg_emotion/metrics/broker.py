"""The broker's numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class Traffic:
    """Counts of the traffic between a process and the broker since the process started.

    Attributes
    ----------
    connected
        Whether the broker is connected now.
    sent, received
        Messages sent to the broker, and received from it.
    dropped
        Messages that could not be sent in time.
    refetched, holes
        Predictions that were missed and fetched again; how often some were no longer available.
    ingests
        The number of ingests that a gateway currently sees.
    """

    connected: bool
    sent: int = 0
    received: int = 0
    dropped: int = 0
    refetched: int = 0
    holes: int = 0
    ingests: int = 0


class BrokerCollector(Collector):
    """Metrics that are read only when scraped."""

    def __init__(self, read: Callable[[], Traffic]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Return the broker's numbers as they are now."""
        traffic = self._read()
        for name, text, value in (
            ("connected", "Whether the broker is connected: 1 or 0.", float(traffic.connected)),
            ("ingests", "Ingests that a gateway currently sees.", traffic.ingests),
        ):
            yield GaugeMetricFamily(f"emotion_broker_{name}", text, value)
        for name, text, value in (
            ("messages_sent", "Messages sent to the broker.", traffic.sent),
            ("messages_heard", "Messages received from the broker.", traffic.received),
            ("messages_dropped", "Messages that could not be sent in time.", traffic.dropped),
            (
                "predictions_refetched",
                "Predictions that were missed and fetched again.",
                traffic.refetched,
            ),
            (
                "holes",
                "How often missed predictions were no longer available.",
                traffic.holes,
            ),
        ):
            yield CounterMetricFamily(f"emotion_broker_{name}", text, value)
