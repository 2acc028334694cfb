from __future__ import annotations

import asyncio
import base64
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial

import pytest
from pydantic import SecretStr
from tests.support.delivery import Receiver, running
from tests.support.messages import alarm
from tests.support.waiting import until

from eeg_emotion.alarms.delivery.sender import Refusal, Retry
from eeg_emotion.alarms.delivery.settings import WebhookSettings
from eeg_emotion.alarms.delivery.webhook import Webhook
from eeg_emotion.alarms.delivery.worker import DeliveryWorker
from eeg_emotion.alarms.store.store import EventStore, StoreError
from eeg_emotion.publish.alarms import Alarm, AlarmChange

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
DAY = 86_400.0


@dataclass
class Target:
    """A target that fails on request, and its clock."""

    failures: list[Exception] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    now: float = 100.0
    closed: bool = False
    target: str = "t"

    def wants(self, event: Alarm) -> bool:
        return True

    async def send(self, event: Alarm) -> None:
        self.sent.append(event.id)
        if self.failures:
            raise self.failures.pop(0)

    async def aclose(self) -> None:
        self.closed = True

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def courier(self, store: EventStore, chance: float = 1.0) -> DeliveryWorker:
        return DeliveryWorker(
            self,
            store,
            observe=lambda _, outcome: self.outcomes.append(outcome),
            utc=lambda: self.now,
            sleep=self.sleep,
            chance=lambda: chance,
        )


async def test_events_are_sent_in_order_and_a_failed_one_delays_the_next(
    store: EventStore,
) -> None:
    target = Target(failures=[Retry("busy"), Retry("busy")])
    store.record([alarm(), alarm(change=AlarmChange.CLEARED)], ["t"], 100.0)
    async with running(target.courier(store)):
        await until(lambda: target.outcomes.count("delivered") == 2)
    assert target.sent == ["a1.raised"] * 3 + ["a1.cleared"]
    assert target.outcomes == ["retried", "retried", "delivered", "delivered"]
    assert target.closed


@pytest.mark.parametrize(("chance", "share"), [(1.0, 1.0), (0.0, 0.5)])
async def test_pauses_double_from_a_second_to_five_minutes(
    store: EventStore, chance: float, share: float
) -> None:
    target = Target(failures=[Retry("busy")] * 11)
    store.record([alarm()], ["t"], 100.0)
    async with running(target.courier(store, chance)):
        await until(lambda: target.outcomes[-1:] == ["delivered"])
    full = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert target.slept == pytest.approx([seconds * share for seconds in full])


async def test_a_requested_pause_is_respected(store: EventStore) -> None:
    target = Target(failures=[Retry("busy", 1234.0)])
    store.record([alarm()], ["t"], 100.0)
    async with running(target.courier(store)):
        await until(lambda: target.outcomes[-1:] == ["delivered"])
    assert target.slept == pytest.approx([1234.0])


async def test_a_request_for_no_pause_does_not_cause_a_busy_loop(store: EventStore) -> None:
    target = Target(failures=[Retry("busy", 0.0)] * 4)
    store.record([alarm()], ["t"], 100.0)
    async with running(target.courier(store)):
        await until(lambda: target.outcomes[-1:] == ["delivered"])
    assert target.slept == pytest.approx([1.0, 2.0, 4.0, 8.0])


async def test_a_pause_survives_a_restart(store: EventStore) -> None:
    store.record([alarm()], ["t"], 100.0)
    number = store.next_delivery("t")
    assert number is not None
    store.postponed("t", number.number, 160.0, "busy")
    target = Target()
    async with running(target.courier(store)):
        await until(lambda: target.outcomes == ["delivered"])
    assert target.slept == pytest.approx([60.0])


async def test_a_clock_that_was_set_back_delays_a_delivery_by_an_hour_at_most(
    store: EventStore,
) -> None:
    store.record([alarm()], ["t"], 100.0 + 10 * DAY)
    target = Target()
    async with running(target.courier(store)):
        await until(lambda: target.outcomes == ["delivered"])
    assert target.slept == [3600.0]


async def test_a_refused_or_day_old_event_is_given_up_and_the_next_is_sent(
    store: EventStore,
) -> None:
    store.record([alarm("a1"), alarm("a2"), alarm("a3", time=100.0 + DAY)], ["t"], 100.0)
    target = Target(failures=[Refusal("gone"), Retry("busy")], now=101.0 + DAY)
    async with running(target.courier(store)):
        await until(lambda: target.outcomes[-1:] == ["delivered"])
    assert target.outcomes == ["refused", "given up", "delivered"]
    assert target.sent == ["a1.raised", "a2.raised", "a3.raised"]
    assert store.waiting() == {}


async def test_an_idle_worker_waits_until_it_is_woken(store: EventStore) -> None:
    target = Target()
    courier = target.courier(store)
    async with running(courier):
        await asyncio.sleep(0.1)
        assert target.sent == []
        store.record([alarm()], ["t"], 100.0)
        courier.wake()
        await until(lambda: target.outcomes == ["delivered"])


async def test_a_failed_store_is_retried_and_an_unrecorded_delivery_is_repeated(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record([alarm()], ["t"], 100.0)
    real = store.delivered
    failed: list[int] = []

    def fail_once(target: str, number: int, time: float) -> None:
        if not failed:
            failed.append(number)
            raise StoreError("no disk")
        real(target, number, time)

    monkeypatch.setattr(store, "delivered", fail_once)
    target = Target()
    async with running(target.courier(store)):
        await until(lambda: target.outcomes == ["delivered"])
    assert target.sent == ["a1.raised", "a1.raised"]
    assert target.slept == [5.0]


_DELIVER = """
import asyncio, sys
from pydantic import SecretStr
from eeg_emotion.alarms.delivery.worker import DeliveryWorker
from eeg_emotion.alarms.delivery.settings import WebhookSettings
from eeg_emotion.alarms.delivery.webhook import Webhook
from eeg_emotion.alarms.store.store import EventStore
url, path, secret = sys.argv[1:]
hook = Webhook(WebhookSettings(name="a", url=SecretStr(url), secret=SecretStr(secret)))
asyncio.run(DeliveryWorker(hook, EventStore(path), observe=lambda *_: None).run())
"""


async def test_a_service_killed_before_the_answer_resends_under_the_same_id(
    store: EventStore, tmp_path: object
) -> None:
    path = f"sqlite:///{tmp_path}/events.db"
    store.record([alarm()], ["webhook:a"], 100.0)
    receiver = Receiver("say nothing", "204 x")
    async with receiver.listening() as url:
        command = [sys.executable, "-c", _DELIVER, url, path, SECRET]

        def asked(times: int) -> bool:
            return len(receiver.requests) == times

        for round_ in (1, 2):
            with subprocess.Popen(command) as process:  # noqa: ASYNC220  # it is only started
                try:
                    await until(partial(asked, round_))
                    if round_ == 2:
                        await until(lambda: store.waiting() == {})
                finally:
                    process.kill()
    assert [headers["webhook-id"] for _, headers, _ in receiver.requests] == ["a1.raised"] * 2


async def test_a_receiver_that_dies_before_answering_gets_the_same_id_again(
    store: EventStore,
) -> None:
    receiver = Receiver("hang up", "204 x")
    target = Target()
    async with receiver.listening() as url:
        hook = Webhook(WebhookSettings(name="a", url=SecretStr(url), secret=SecretStr(SECRET)))
        courier = DeliveryWorker(
            hook,
            store,
            observe=lambda _, outcome: target.outcomes.append(outcome),
            utc=lambda: target.now,
            sleep=target.sleep,
        )
        store.record([alarm()], [hook.target], 100.0)
        async with running(courier):
            await until(lambda: target.outcomes == ["retried", "delivered"])
    assert [headers["webhook-id"] for _, headers, _ in receiver.requests] == ["a1.raised"] * 2


async def test_a_receiver_that_returns_gets_pending_events_and_no_secret_is_logged(
    store: EventStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)  # at which HTTP libraries log URLs
    monkeypatch.setattr("eeg_emotion.alarms.delivery.worker._FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr("eeg_emotion.alarms.delivery.worker._GIVEN_UP_SECONDS", float("inf"))
    receiver = Receiver("204 x")
    async with receiver.listening() as url:
        pass
    outcomes: list[str] = []
    settings = WebhookSettings(name="t", url=SecretStr(url), secret=SecretStr(SECRET))
    hook = Webhook(settings)
    courier = DeliveryWorker(hook, store, observe=lambda _, outcome: outcomes.append(outcome))
    store.record([alarm()], [hook.target], 0.0)
    async with running(courier):
        await until(lambda: "retried" in outcomes)
        async with receiver.listening(receiver.port):
            await until(lambda: "delivered" in outcomes)
    assert len(receiver.requests) == 1
    written = caplog.text
    assert "delivery failed" in written
    assert "secret-path" not in written
    assert SECRET not in written
    assert "secret-path" not in repr(settings)
    assert SECRET not in repr(settings)
