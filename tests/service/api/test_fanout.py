from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from eeg_emotion.api.fanout import Fanout
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import Pong, Prediction
from eeg_emotion.publish.outbox import Outbox


class FakeCarrier:
    """Records what it is given; raises `trouble` instead if set."""

    def __init__(self, fanout: Fanout, trouble: Exception | None = None, *, open_: bool = True):
        self.outbox = Outbox(lambda: fanout.mark(self))
        self.written: list[Frame] = []
        self.failed = False
        self.trouble, self.open = trouble, open_

    def write(self, frames: list[Frame]) -> bool:
        if self.trouble is not None:
            raise self.trouble
        self.written += frames
        return self.open

    def fail(self) -> None:
        self.failed = True


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def fanout(metrics: Metrics) -> AsyncIterator[Fanout]:
    fanout = Fanout(metrics, utc=lambda: 1e9 + 5.25)
    running = asyncio.create_task(fanout.run())
    yield fanout
    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_others_get_their_turn_between_slices(fanout: Fanout) -> None:
    carriers = [FakeCarrier(fanout) for _ in range(1000)]
    for carrier in carriers:
        carrier.outbox.put(Frame("reply", "", Pong()))
    seen = set()
    for _ in range(20):
        await asyncio.sleep(0)
        seen.add(sum(bool(carrier.written) for carrier in carriers))
    assert seen >= {200, 400, 600, 800, 1000}


async def test_one_subscribers_trouble_is_not_the_others(
    fanout: Fanout, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = FakeCarrier(fanout, ValueError("no such thing")), FakeCarrier(fanout)
    for _ in range(2):
        for carrier in (bad, good):
            carrier.outbox.put(Frame("reply", "", Pong()))
        await turns()
    assert (bad.failed, good.failed, len(good.written)) == (True, False, 2)
    assert "no such thing" in caplog.text


async def test_what_a_closing_connection_drops_was_not_delivered(
    fanout: Fanout, metrics: Metrics, prediction: Callable[..., Prediction]
) -> None:
    def delivered() -> float | None:
        return metrics.registry.get_sample_value("emotion_messages_delivered_total")

    for carrier in (FakeCarrier(fanout), FakeCarrier(fanout, open_=False)):
        carrier.outbox.put(Frame("prediction", "h1", prediction()))
        await turns()
        assert delivered() == 1


async def test_the_age_is_of_what_is_new_alone(
    fanout: Fanout, metrics: Metrics, prediction: Callable[..., Prediction]
) -> None:
    new = Frame("prediction", "h1", prediction())
    ages = []
    for frame in (new, new.as_past()):
        FakeCarrier(fanout).outbox.put(frame)
        await turns()
        ages.append(metrics.registry.get_sample_value("emotion_end_to_end_latency_seconds_sum"))
    assert ages == [0.25, 0.25]
