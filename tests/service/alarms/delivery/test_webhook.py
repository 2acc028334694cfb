from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import standardwebhooks
from pydantic import SecretStr
from tests.support.delivery import Receiver
from tests.support.messages import alarm

from eeg_emotion.alarms.delivery import webhook
from eeg_emotion.alarms.delivery.sender import Refusal, Retry
from eeg_emotion.alarms.delivery.settings import WebhookSettings
from eeg_emotion.alarms.delivery.webhook import Webhook, WebhookError

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def made(url: str, *headsets: str) -> Webhook:
    settings = WebhookSettings(
        name="control-room",
        url=SecretStr(url),
        secret=SecretStr(SECRET),
        headsets=headsets or ("*",),
    )
    return Webhook(settings)


async def sent(*answers: str) -> Receiver:
    """Send one event to a receiver with these answers."""
    receiver = Receiver(*answers)
    async with receiver.listening() as url:
        hook = made(url)
        try:
            await hook.send(alarm())
        finally:
            await hook.aclose()
    return receiver


async def test_an_event_is_posted_unchanged_with_a_signature_that_the_library_verifies() -> None:
    receiver = await sent("204 No Content")

    ((first, headers, body),) = receiver.requests
    assert first == "POST /hook/secret-path HTTP/1.1"
    assert body.decode() == alarm().encode()
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == alarm().id
    verifier = standardwebhooks.Webhook(SECRET)
    assert verifier.verify(body, headers)["headset"] == "ward-1"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verifier.verify(body.replace(b"ward-1", b"ward-2"), headers)


@pytest.mark.parametrize("status", ["408 x", "425 x", "429 x", "500 x", "503 x"])
async def test_temporary_failures_are_retried(status: str) -> None:
    with pytest.raises(Retry, match=rf"found the answer {status[:3]}, expected 2xx"):
        await sent(status)


@pytest.mark.parametrize(
    "status",
    [
        "301 x\r\nlocation: /elsewhere",
        "302 x\r\nlocation: http://[::1",
        "307 x\r\nlocation: http://xn--a/",
        "400 x",
        "404 x",
        "410 x",
    ],
)
async def test_permanent_failures_are_refused_and_redirects_are_not_followed(status: str) -> None:
    with pytest.raises(Refusal, match=rf"found the answer {status[:3]}"):
        await sent(status)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999", 3600.0),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", None),
    ],
)
async def test_a_requested_pause_is_passed_on_up_to_an_hour(
    header: str, seconds: float | None
) -> None:
    with pytest.raises(Retry) as reported:
        await sent(f"429 x\r\nretry-after: {header}")
    assert reported.value.after_seconds == seconds


async def test_a_requested_pause_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    with pytest.raises(Retry) as reported:
        await sent(f"503 x\r\nretry-after: {date}")
    assert reported.value.after_seconds == pytest.approx(60, abs=5)


async def test_a_receiver_that_hangs_up_is_retried() -> None:
    with pytest.raises(Retry, match=r"found no answer"):
        await sent("hang up")


async def test_a_silent_receiver_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(Retry, match=r"found no answer \(\w*Timeout"):
        await sent("say nothing")


async def test_a_missing_receiver_is_retried_and_its_url_is_not_shown() -> None:
    receiver = Receiver("204 x")
    async with receiver.listening() as url:
        pass
    hook = made(url)
    with pytest.raises(Retry) as reported:
        await hook.send(alarm())
    await hook.aclose()
    assert "secret-path" not in str(reported.value)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert len((await sent("200 OK")).requests) == 1


async def test_only_events_of_its_headsets_are_sent() -> None:
    hook = made("http://localhost/", "ward-*", "lab")
    assert hook.wants(alarm(headset="ward-7"))
    assert not hook.wants(alarm(headset="laboratory"))
    assert hook.target == "webhook:control-room"
    await hook.aclose()


def test_an_address_that_nothing_can_be_posted_to_is_refused_without_its_words() -> None:
    with pytest.raises(WebhookError) as refusal:
        made("http://h/secret\x01")
    assert str(refusal.value) == (
        "the webhook control-room: found no address of a webhook, expected http://… or https://…"
    )
