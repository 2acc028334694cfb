"""Server-Sent Events over real connections: the same outbox, the browser's way to resume."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse
from tests.support.service import Service

from eeg_emotion.access.access import Access
from eeg_emotion.access.audit import Audit
from eeg_emotion.access.grants import EVERYTHING, Grant
from eeg_emotion.api import sse
from eeg_emotion.api.arrivals import Arrivals
from eeg_emotion.api.subscribers import Subscriber, Subscribers
from eeg_emotion.codes import State
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.messages import Prediction, Status

MANY = 400


class Known(Subscribers):
    """Subscribers, of which a test can inspect the last."""

    last: Subscriber

    def add(self, subscriber: Subscriber) -> None:
        super().add(subscriber)
        self.last = subscriber


class NotedAudit(Audit):
    """An audit whose events are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, str | None]] = []

    def note(
        self,
        event: str,
        grant: Grant | None,
        *,
        client: str | None = None,
        headset: str | None = None,
        **facts: object,
    ) -> None:
        self.noted.append((event, headset))


class Events:
    """A stream of events to be asked for the next."""

    def __init__(self, source: AsyncIterator[ServerSentEvent]) -> None:
        self._source = source

    async def next(self) -> ServerSentEvent:
        return await asyncio.wait_for(anext(self._source), 60)


@contextlib.asynccontextmanager
async def follow(
    address: str, headset: str = "h1", last_event_id: str | None = None
) -> AsyncIterator[Events]:
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
        aconnect_sse(
            client, "GET", f"http://{address}/v1/headsets/{headset}/stream", headers=headers
        ) as source,
    ):
        events = Events(source.aiter_sse())
        assert (await events.next()).retry == 2000
        yield events


async def subscribed(events: Events) -> dict[str, object]:
    event = await events.next()
    assert event.event == "subscribed"
    found: dict[str, object] = event.json()
    return found


async def test_predictions_come_with_their_place_and_states_without(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    live = Status(headset=service.headsets.add("h1"))
    async with follow(address) as events:
        assert (await subscribed(events))["recovered"] is None
        service.bus.publish(live)
        service.bus.publish(prediction("h2"))
        service.bus.publish(prediction(seq=7))
        first, second = await events.next(), await events.next()
    assert (first.event, first.data) == ("status", live.encode())
    assert (second.event, second.data) == ("prediction", prediction(seq=7).encode())
    assert second.id == "e0:7"


async def test_what_was_missed_comes_first_when_the_browser_returns(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    for seq in range(5):
        service.bus.publish(prediction(seq=seq))
    async with follow(address, last_event_id="e0:1") as events:
        answer = await subscribed(events)
        assert (answer["recovered"], answer["missed"]) == (True, 3)
        assert [(await events.next()).id for _ in range(3)] == ["e0:2", "e0:3", "e0:4"]
    async with follow(address, last_event_id="gone:1") as events:
        assert (await subscribed(events))["recovered"] is False
        assert (await events.next()).id == "e0:4"


@pytest.mark.parametrize(
    ("headset", "last_event_id", "status"),
    [("h9", None, 404), ("h1", "seven", 422), ("h1", "e0:-1", 422)],
)
async def test_what_cannot_be_followed_is_refused(
    address: str, service: Service, headset: str, last_event_id: str | None, status: int
) -> None:
    service.headsets.add("h1")
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{address}/v1/headsets/{headset}/stream"
        response = await client.get(url, headers=headers)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"


async def test_one_connection_too_many_is_refused(address: str, service: Service) -> None:
    service.headsets.add("h1")
    service.subscribers = Subscribers(most=1)
    async with follow(address), httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://{address}/v1/headsets/h1/stream")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


async def test_a_silent_stream_is_kept_alive_by_comments(
    address: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.headsets.add("h1")
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.05)
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("GET", f"http://{address}/v1/headsets/h1/stream") as response,
    ):
        lines = response.aiter_lines()
        comments = 0
        while comments < 3:
            comments += (await asyncio.wait_for(anext(lines), 60)).startswith(":")


async def test_one_who_leaves_is_gone_at_once(
    address: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 600.0)  # a comment would find it out as well
    service.headsets.add("h1")
    async with follow(address):
        await service.bus.until_subscribers(1)
    await service.bus.until_subscribers(0)


async def sleeper(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Request a headset's events, and read none."""
    host, port = address.split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((host, int(port)))
    reader, writer = await asyncio.open_connection(sock=small, limit=1024)
    writer.write(f"GET /v1/headsets/h1/stream HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    return reader, writer


async def test_one_who_does_not_read_gets_the_newest_and_is_given_up_after_30_s(
    address: str,
    service: Service,
    prediction: Callable[..., Prediction],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = 0.0
    monkeypatch.setattr(service, "clock", lambda: passed)
    service.headsets.add("h1")
    reader, writer = await sleeper(address)
    async with follow(address) as quick:
        await subscribed(quick)
        await service.bus.until_subscribers(2)
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            assert (await quick.next()).id == f"e0:{seq}"
        await asyncio.sleep(1.2)
        passed = 31.0
        await service.bus.until_subscribers(1)
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := await reader.read(65536):
            found += part
    writer.close()
    seqs = [
        json.loads(line[6:])["seq"]
        for line in found.split(b"\n")
        if line.startswith(b'data: {"type":"prediction"') and line.endswith(b"}")
    ]
    assert seqs == list(range(len(seqs)))
    assert len(seqs) < 120  # not hours of them
    assert (
        service.metrics.registry.get_sample_value(
            "emotion_subscribers_closed_total", {"reason": "slow"}
        )
        == 1
    )


async def test_one_who_wakes_in_time_finds_little_that_is_old_and_then_the_present(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    reader, writer = await sleeper(address)
    async with follow(address) as quick:
        await subscribed(quick)
        await service.bus.until_subscribers(2)
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await quick.next()
    found = b""
    while f'"seq":{MANY - 1},'.encode() not in found:
        found += await asyncio.wait_for(reader.read(65536), 60)
    writer.close()
    assert found.count(b"event: prediction") < 125


async def test_the_end_is_announced_and_then_the_stream_ends(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1", State.LIVE)
    async with follow(address) as events:
        await subscribed(events)
        service.subscribers.draining = True
        draining = asyncio.create_task(service.subscribers.drain())
        event = await events.next()
        assert event.event == "going_away"
        # A browser comes again after `retry`, and for good not any more if it is refused then.
        assert event.retry == event.json()["reconnect_after_ms"] > 2000
        with pytest.raises(StopAsyncIteration):
            await events.next()
        await draining


async def test_of_forty_at_once_no_more_are_let_in_than_may_be(
    address: str, service: Service
) -> None:
    service.headsets.add("h1")
    service.subscribers = Subscribers(most=5)
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))

        async def ask() -> int:
            url = f"http://{address}/v1/headsets/h1/stream"
            answer = await stack.enter_async_context(client.stream("GET", url))
            return answer.status_code

        codes = await asyncio.gather(*(ask() for _ in range(40)))
    assert (codes.count(200), codes.count(503)) == (5, 35)


async def test_one_who_does_not_read_holds_up_no_end(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    service.headsets.add("h1")
    _, writer = await sleeper(address)
    async with follow(address) as quick:
        await subscribed(quick)
        await service.bus.until_subscribers(2)
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await quick.next()
    await service.subscribers.drain()
    assert service.bus.subscribers == 0, "two seconds are the most that it waits"
    writer.close()


@pytest.mark.parametrize(("expires", "reason"), [(0.5, "credentials_expired"), (None, "left")])
async def test_it_ends_with_the_token(
    serving: Callable[..., contextlib.AbstractAsyncContextManager[str]],
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    expires: float | None,
    reason: str,
) -> None:
    now = 1e9
    monkeypatch.setattr(service, "utc", lambda: now)
    grant = Grant("visitor", EVERYTHING.scopes, None if expires is None else now + expires)
    monkeypatch.setattr(service.access, "grant_of", lambda header: grant)
    service.headsets.add("h1")
    async with serving() as address, follow(address) as events:
        await subscribed(events)
        now += 1
        service.bus.publish(Status(headset=service.headsets.add("h1")))
        assert (await events.next()).event == "status"
        if expires is not None:
            with pytest.raises(StopAsyncIteration):
                await events.next()
    await service.bus.until_subscribers(0)
    assert (
        service.metrics.registry.get_sample_value(
            "emotion_subscribers_closed_total", {"reason": reason}
        )
        == 1
    )


async def test_one_whose_response_never_begins_is_counted_until_then(service: Service) -> None:
    service.headsets.add("h1")
    service.subscribers = Subscribers(most=1)
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    assert isinstance(writer.transport, asyncio.Transport)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/headsets/h1/stream",
        "query_string": b"",
        "headers": [],
        "state": {"arrival": Arrivals().open(writer.transport)},
    }
    found: list[tuple[bool, int]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        found.append((service.subscribers.full, service.bus.subscribers))
        raise OSError("the peer is gone")

    with theirs:
        with pytest.raises(OSError, match="the peer is gone"):
            await service(scope, receive, send)
        writer.close()
        await writer.wait_closed()
    assert found[0] == (True, 1)
    assert (service.subscribers.full, service.bus.subscribers) == (False, 0)


async def test_the_first_reason_to_end_stays_and_the_connection_may_go_on(
    address: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended twice, a reader that takes everything is not cut off later."""
    monkeypatch.setattr(sse, "_END_SECONDS", 2.0)
    service.headsets.add("h1")
    service.subscribers = known = Known()
    async with httpx.AsyncClient(trust_env=False) as client:
        async with client.stream("GET", f"http://{address}/v1/headsets/h1/stream") as response:
            connection = response.extensions["network_stream"].get_extra_info("socket")
            known.last.end(CloseCode.SHUTDOWN, "first")
            known.last.end(CloseCode.SLOW, "second")
            async for _ in response.aiter_lines():
                pass
        await service.bus.until_subscribers(0)
        await asyncio.sleep(2.2)
        again = await client.get(f"http://{address}/livez")
        assert again.extensions["network_stream"].get_extra_info("socket") is connection
    value = service.metrics.registry.get_sample_value
    assert value("emotion_subscribers_closed_total", {"reason": "shutdown"}) == 1
    assert value("emotion_subscribers_closed_total", {"reason": "slow"}) == 0


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
async def test_a_peer_that_vanishes_is_not_waited_for_for_a_quarter_of_an_hour(
    address: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[asyncio.Transport] = []
    monkeypatch.setattr(sse, "narrow", found.append)
    service.headsets.add("h1")
    async with follow(address):
        connection = found[0].get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 45_000


async def test_whether_the_key_stands_is_looked_at_every_5_s(
    address: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute passes, then the key is revoked.

    Result: twelve looks; the audit says of whom and of which headset, and the stream ends.
    """
    passed, looks, stands = 0.0, 0, True

    def is_valid(grant: Grant) -> bool:
        nonlocal looks
        looks += 1
        return stands

    audit = NotedAudit()
    service.access = Access(audit=audit)
    monkeypatch.setattr(service.access, "is_valid", is_valid)
    monkeypatch.setattr(service, "clock", lambda: passed)
    service.headsets.add("h1")
    service.subscribers = known = Known()
    async with follow(address) as events:
        await subscribed(events)
        for _ in range(60):
            passed += 1
            known.last.tick()
        assert looks == 12
        stands = False
        passed += 5
        known.last.tick()
        known.last.tick()
        with pytest.raises(StopAsyncIteration):
            await events.next()
    assert audit.noted == [("subscribed", "h1"), ("credentials revoked", "h1")]


async def test_the_end_of_a_token_is_in_the_audit_once(
    address: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = NotedAudit()
    service.access = Access(audit=audit)
    grant = Grant("visitor", EVERYTHING.scopes, service.utc() + 3600)
    monkeypatch.setattr(service.access, "grant_of", lambda header: grant)
    service.headsets.add("h1")
    service.subscribers = known = Known()
    async with follow(address) as events:
        await subscribed(events)
        monkeypatch.setattr(service, "utc", lambda: grant.expires)
        known.last.tick()
        known.last.tick()
        with pytest.raises(StopAsyncIteration):
            await events.next()
    assert audit.noted == [("subscribed", "h1"), ("credentials expired", "h1")]


async def test_what_was_published_before_says_nothing_of_the_way(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    """Of a newest and of a missed prediction the delay is not taken, of a fresh one it is."""

    def taken() -> float | None:
        return service.metrics.registry.get_sample_value("emotion_end_to_end_latency_seconds_count")

    service.headsets.add("h1")
    for seq in range(2):
        service.bus.publish(prediction(seq=seq))
    for last_event_id in (None, "e0:0"):
        async with follow(address, last_event_id=last_event_id) as events:
            await subscribed(events)
            assert (await events.next()).id == "e0:1"
    assert taken() == 0
    async with follow(address, last_event_id="e0:1") as events:
        await subscribed(events)
        service.bus.publish(prediction(seq=2))
        assert (await events.next()).id == "e0:2"
    assert taken() == 1
