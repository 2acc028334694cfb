"""The numbers for Prometheus: names, types, labels, and that they count what they say."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import websockets
from httpx_sse import aconnect_sse
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from tests.support.needs import the_program
from tests.support.service import Service

import eeg_emotion
from eeg_emotion.codes import Reason, State
from eeg_emotion.metrics.broker import Traffic
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.metrics.recent import Deficit, RollingStats
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.messages import Prediction, Status

# Names as the documentation has them, less `_total`, which the parser takes off.
EXPECTED = {
    "emotion_eeg_samples": "counter",
    "emotion_eeg_samples_missing": "counter",
    "emotion_windows": "counter",
    "emotion_windows_superseded": "counter",
    "emotion_headsets_without_score": "gauge",
    "emotion_headsets_overloaded": "gauge",
    "emotion_inference_duration_seconds": "histogram",
    "emotion_window_latency_seconds": "histogram",
    "emotion_end_to_end_latency_seconds": "histogram",
    "emotion_headsets": "gauge",
    "emotion_subscribers_connected": "gauge",
    "emotion_messages_delivered": "counter",
    "emotion_messages_conflated": "counter",
    "emotion_connections_refused": "counter",
    "emotion_subscribers_closed": "counter",
    "emotion_alarms": "counter",
    "emotion_deliveries": "counter",
    "emotion_events_undelivered": "gauge",
    "emotion_events_unwritten": "gauge",
    "emotion_event_loop_lag_seconds": "histogram",
    "emotion_model_info": "gauge",
    "emotion_build_info": "gauge",
    "emotion_broker_connected": "gauge",
    "emotion_broker_ingests": "gauge",
    "emotion_broker_messages_sent": "counter",
    "emotion_broker_messages_heard": "counter",
    "emotion_broker_messages_dropped": "counter",
    "emotion_broker_predictions_refetched": "counter",
    "emotion_broker_holes": "counter",
}
LABELS = {
    "outcome", "state", "transport", "reason", "le", "severity", "change", "target",
    "name", "version", "sha256", "python",
}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> Metrics:
    return Metrics(clock)


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def families(metrics: Metrics) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text(metrics))}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_name_has_its_type_a_help_and_known_labels(
    metrics: Metrics, prediction: Callable[..., Prediction]
) -> None:
    metrics.show_model(name="demo-simulated", version="1", sha256="ab")
    metrics.observe(prediction())
    metrics.refused("draining")
    metrics.closed("slow")
    metrics.delivered_to("mqtt", "delivered")
    assert not any(name.startswith("emotion_broker") for name in families(metrics))
    metrics.watch_broker(lambda: Traffic(True, sent=1, received=2, dropped=3, holes=4, ingests=5))
    assert value(metrics, "emotion_broker_connected") == 1
    assert value(metrics, "emotion_broker_messages_dropped_total") == 3
    assert value(metrics, "emotion_broker_ingests") == 5
    found = families(metrics)
    own = {name: family.type for name, family in found.items() if name.startswith("emotion_")}
    assert own == EXPECTED
    assert {"process_cpu_seconds", "process_resident_memory_bytes"} <= found.keys()
    assert all(family.documentation for family in found.values())
    labels = {
        label for family in found.values() for item in family.samples for label in item.labels
    }
    assert labels == LABELS


def test_the_reference_lists_each_with_its_type_and_labels(metrics: Metrics) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(emotion_\w+?)(_total)?(\{[^}]*\})?` \| (\w+) \|", page, re.MULTILINE)
    assert {name: kind for name, _, _, kind in rows} == EXPECTED
    assert all(bool(total) == (kind == "counter") for _, total, _, kind in rows)
    labels = {label for _, _, given, _ in rows for label in re.findall(r"\w+", given)}
    assert labels == LABELS - {"le"}


def test_what_headsets_bring_is_counted(
    metrics: Metrics, prediction: Callable[..., Prediction]
) -> None:
    metrics.on_samples(samples=640, missing=0, superseded=0)
    metrics.on_samples(samples=60, missing=100, superseded=2)
    metrics.observe(prediction())
    metrics.observe(prediction(valid=False, reasons=(Reason.GAP, Reason.POOR_CONTACT)))
    metrics.show({State.LIVE: 2, State.STALE: 1})
    metrics.show({State.LIVE: 1})
    assert value(metrics, "emotion_eeg_samples_total") == 700
    assert value(metrics, "emotion_eeg_samples_missing_total") == 100
    assert value(metrics, "emotion_windows_superseded_total") == 2
    assert value(metrics, "emotion_windows_total", outcome="valid") == 1
    assert value(metrics, "emotion_windows_total", outcome="gap") == 1
    assert value(metrics, "emotion_windows_total", outcome="poor_contact") == 0
    assert value(metrics, "emotion_headsets", state="live") == 1
    assert value(metrics, "emotion_headsets", state="stale") == 0
    # Only the valid window went through the model; both have a latency.
    assert value(metrics, "emotion_inference_duration_seconds_count") == 1
    assert value(metrics, "emotion_window_latency_seconds_count") == 2
    assert value(metrics, "emotion_window_latency_seconds_sum") == pytest.approx(2 * 0.073)


def test_a_series_that_an_alert_needs_is_there_before_its_first_event(metrics: Metrics) -> None:
    """Prometheus' `rate` sees no rise where a series begins with its first event."""
    for outcome in ("valid", *Reason):
        assert value(metrics, "emotion_windows_total", outcome=outcome) == 0
    for state in State:
        assert value(metrics, "emotion_headsets", state=state) == 0
    for transport in ("websocket", "sse"):
        assert value(metrics, "emotion_subscribers_connected", transport=transport) == 0
    for reason in ("draining", "connection_cap", "origin", "credentials", "scope"):
        assert value(metrics, "emotion_connections_refused_total", reason=reason) == 0
    for reason in ("left", *(code.name.lower() for code in CloseCode)):
        assert value(metrics, "emotion_subscribers_closed_total", reason=reason) == 0


def test_it_says_which_program_and_model_it_is(metrics: Metrics) -> None:
    metrics.show_model(name="demo-simulated", version="1", sha256="ab")
    build = families(metrics)["emotion_build_info"].samples[0]
    assert (build.labels["version"], build.value) == (eeg_emotion.__version__, 1)
    model = families(metrics)["emotion_model_info"].samples[0]
    assert model.labels == {"name": "demo-simulated", "version": "1", "sha256": "ab"}
    assert model.value == 1


def test_a_delivery_ahead_of_our_clock_counts_as_none_at_all(metrics: Metrics) -> None:
    metrics.observe_delivery(0.2)
    metrics.observe_delivery(-0.5)
    assert value(metrics, "emotion_end_to_end_latency_seconds_count") == 2
    assert value(metrics, "emotion_end_to_end_latency_seconds_sum") == pytest.approx(0.2)


async def test_fifty_headsets_and_their_subscribers_make_no_series_of_their_own(
    serving: Callable[..., contextlib.AbstractAsyncContextManager[str]],
    service: Service,
    prediction: Callable[..., Prediction],
) -> None:
    """1. One headset and one subscriber. 2. Fifty of each, over real connections. Result: the same.

    Counted through the running service, so that an id in a label is found.
    """

    def take(number: int) -> None:
        name = f"secret-{number}"
        service.bus.publish(Status(headset=service.headsets.add(name)))
        service.metrics.on_samples(samples=8, missing=1, superseded=1)
        service.metrics.observe(prediction(name))
        service.bus.publish(prediction(name))

    async with asyncio.timeout(100), serving() as address:
        counts = []
        for numbers in (range(1), range(1, 50)):
            for number in numbers:
                stream = f"ws://{address}/v1/stream?headset=secret-{number}"
                async with websockets.connect(stream, proxy=None) as subscriber:
                    while '"subscribed"' not in await subscriber.recv():
                        pass
                    take(number)
                    await subscriber.recv()
            await service.bus.until_subscribers(0)
            async with httpx.AsyncClient(trust_env=False) as http:
                shown = (await http.get(f"http://{address}/metrics")).text
            counts.append(sum(not line.startswith("#") for line in shown.splitlines()))
            assert "secret" not in shown
    assert value(service.metrics, "emotion_eeg_samples_total") == 8 * 50
    assert value(service.metrics, "emotion_subscribers_closed_total", reason="left") == 50
    assert counts[0] == counts[1]


async def test_open_connections_are_counted_by_transport(address: str, service: Service) -> None:
    service.headsets.add("h1")

    def connected() -> tuple[float | None, float | None]:
        name = "emotion_subscribers_connected"
        return (
            value(service.metrics, name, transport="websocket"),
            value(service.metrics, name, transport="sse"),
        )

    stream = f"ws://{address}/v1/stream"
    events = f"http://{address}/v1/headsets/h1/stream"
    async with asyncio.timeout(100), httpx.AsyncClient(trust_env=False) as http:
        async with (
            websockets.connect(stream, proxy=None) as first,
            websockets.connect(stream, proxy=None) as second,
            aconnect_sse(http, "GET", events) as source,
        ):
            await first.recv()
            await second.recv()
            await anext(source.aiter_sse())
            assert connected() == (2, 1)
        await service.bus.until_subscribers(0)
        while connected() != (0, 0):  # noqa: ASYNC110 - nothing reports the end
            await asyncio.sleep(0.01)
        # An ordinary request is no subscriber, nor is one that was refused.
        service.subscribers.draining = True
        await http.get(f"http://{address}/livez")
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(stream, proxy=None)
        assert connected() == (0, 0)
    assert value(service.metrics, "emotion_connections_refused_total", reason="draining") == 1


async def test_the_time_to_the_socket_is_measured_from_the_windows_end(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    stream = f"ws://{address}/v1/stream?headset=*"
    async with asyncio.timeout(100), websockets.connect(stream, proxy=None) as subscriber:
        while '"subscribed"' not in await subscriber.recv():
            pass
        now = service.utc()
        service.bus.publish(prediction(window={"start": now - 7, "end": now - 2}))
        assert '"prediction"' in await subscriber.recv()
    assert value(service.metrics, "emotion_end_to_end_latency_seconds_count") == 1
    taken = value(service.metrics, "emotion_end_to_end_latency_seconds_sum")
    assert taken is not None
    assert 2 <= taken < 3
    assert service.metrics.recent.latency(50) == pytest.approx(taken)


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_to_object_to(
    metrics: Metrics, prediction: Callable[..., Prediction]
) -> None:
    metrics.observe(prediction())
    metrics.show_model(name="demo-simulated", version="1", sha256="ab")
    metrics.refused("draining")
    metrics.closed("slow")
    done = subprocess.run(
        [the_program("promtool"), "check", "metrics"],
        input=text(metrics),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# -- the last minute ---------------------------------------------------------------------------


def test_the_deficit_is_that_of_the_last_minute(clock: Clock) -> None:
    recent = RollingStats(clock)
    assert (recent.deficit, recent.deficit.share) == (Deficit(0, 0), 0.0)
    recent.on_samples(100, 100)
    clock.now += 0.25
    recent.on_samples(28, 0)
    assert recent.deficit == Deficit(128, 100)
    clock.now += 30
    recent.on_samples(1152, 28)
    assert recent.deficit == Deficit(1280, 128)
    assert recent.deficit.share == pytest.approx(1 / 11)
    clock.now += 31  # the first is older than a minute, and nothing came since
    assert recent.deficit == Deficit(1152, 28)
    clock.now += 30
    assert recent.deficit == Deficit(0, 0)


def test_what_is_kept_of_the_past_does_not_grow(clock: Clock) -> None:
    recent = RollingStats(clock)
    for _ in range(20_000):
        clock.now += 0.25
        recent.on_samples(32, 0)
        recent.delivered(0.1)
    # Whole seconds are kept, and the newest has just begun.
    assert recent.deficit == Deficit((59 * 4 + 1) * 32, 0)
    assert len(recent._samples) <= 61
    assert len(recent._latencies) <= 4096


def test_percentiles_are_those_of_the_last_minute(clock: Clock) -> None:
    recent = RollingStats(clock)
    assert recent.latency(50) is None
    recent.delivered(9.0)
    clock.now += 61
    for hundredths in range(101):
        recent.delivered(hundredths / 100)
    assert recent.latency(50) == pytest.approx(0.5)
    assert recent.latency(99) == pytest.approx(0.99)
