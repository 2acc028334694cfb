from __future__ import annotations

import asyncio
import contextlib
from random import Random

import pytest

from eeg_emotion.api import subscribers as subscribers_
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.publish.close_codes import CloseCode


class FakeSubscriber:
    """Records its calls; one with trouble raises instead."""

    def __init__(self, everyone: Subscribers, trouble: str = "", *, stays: bool = False) -> None:
        self.everyone, self.trouble, self.stays = everyone, trouble, stays
        self.calls: list[str] = []
        self.again = 0.0
        self.failed = False
        everyone.add(self)

    def record(self, what: str) -> None:
        if what == self.trouble:
            raise ValueError(f"no {what} today")
        self.calls.append(what)

    def tick(self) -> None:
        self.record("tick")

    def leave(self, reconnect_after_ms: int) -> None:
        self.again = reconnect_after_ms / 1e3
        self.record("leave")

    def end(self, code: CloseCode, reason: str) -> None:
        assert code is CloseCode.SHUTDOWN
        self.record("end")
        if not self.stays:
            self.everyone.remove(self)

    def fail(self) -> None:
        self.failed = True


@pytest.fixture
def everyone() -> Subscribers:
    return Subscribers(random=Random(1))


@pytest.mark.parametrize("trouble", ["leave", "end"])
async def test_one_that_cannot_be_sent_away_keeps_nobody_else(
    everyone: Subscribers, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = FakeSubscriber(everyone, trouble), FakeSubscriber(everyone)
    await everyone.drain()
    assert good.calls == ["leave", "end"]
    assert (bad.failed, good.failed) == (True, False)
    assert f"no {trouble} today" in caplog.text


async def test_one_that_cannot_look_at_the_time_keeps_nobody_else(
    everyone: Subscribers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subscribers_, "_TICK_SECONDS", 0.0)
    bad, good = FakeSubscriber(everyone, "tick"), FakeSubscriber(everyone)
    running = asyncio.create_task(everyone.run())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert (bad.failed, good.failed) == (True, False)
    assert len(good.calls) > 1
    assert caplog.text.count("no tick today") == 1


async def test_nobody_is_asked_to_come_again_before_the_last_has_gone(
    everyone: Subscribers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers_, "FAREWELL_SECONDS", 0.5)
    leaving = [FakeSubscriber(everyone, stays=True) for _ in range(30)]
    await everyone.drain()
    longest = 30 * subscribers_.SPREAD_EACH_SECONDS + 0.5
    assert min(one.again for one in leaving) > longest
    assert len({one.again for one in leaving}) > 20
