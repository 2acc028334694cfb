"""The WebSocket over real sockets: order, the newest to survive, caps, and an announced end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Any

import httpx
import pytest
from tests.support.service import Service
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.frames import CloseCode

from eeg_emotion.api.request_connection import RequestConnection
from eeg_emotion.api.subscribers import (
    FAREWELL_SECONDS,
    SPREAD_EACH_SECONDS,
    Subscriber,
    Subscribers,
)
from eeg_emotion.codes import State
from eeg_emotion.publish.bus import Published
from eeg_emotion.publish.messages import PROTOCOL, Prediction, Status
from eeg_emotion.publish.outbox import CREDITS
from eeg_emotion.publish.session import STALLED_SECONDS

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
# More than the buffers between a server and a client that does not read can hold.
MANY = 400


def say(**message: Any) -> str:
    return json.dumps(message)


@contextlib.asynccontextmanager
async def subscriber(
    address: str, headsets: Sequence[str] = ("*",), *, acknowledges: bool = False, **options: Any
) -> AsyncIterator[ClientConnection]:
    """Connect as a client does, and receive the welcome and the answers to the subscriptions."""
    async with connect(f"ws://{address}/v1/stream", proxy=None, **options) as client:
        assert '"type":"welcome"' in await receive(client)
        hello = say(type="hello", acknowledges=acknowledges, subscribe=list(headsets))
        await client.send(hello)
        for _ in headsets:
            assert '"type":"subscribed"' in await receive(client)
        yield client


@contextlib.asynccontextmanager
async def sleeper(address: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connect with so little room that a client that does not read is noticed soon."""
    host, port = address.split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((host, int(port)))
    async with subscriber(
        address, sock=small, max_queue=1, ping_interval=None, **options
    ) as client:
        yield client


async def receive(client: ClientConnection) -> str:
    text = await asyncio.wait_for(client.recv(), 60)
    assert isinstance(text, str)
    return text


async def drain(client: ClientConnection, until: str) -> list[str]:
    """Receive up to and including the text."""
    texts = [await receive(client)]
    while texts[-1] != until:
        texts.append(await receive(client))
    return texts


async def take_all(client: ClientConnection) -> AsyncIterator[str]:
    """Receive until the connection is closed, however it is."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            yield await receive(client)


async def closing(client: ClientConnection) -> tuple[int, str]:
    """Receive until the connection is closed; return why."""
    async for _ in take_all(client):
        pass
    assert client.close_code is not None
    assert client.close_reason is not None
    return client.close_code, client.close_reason


def value(service: Service, name: str, **labels: str) -> float:
    found = service.metrics.registry.get_sample_value(name, labels)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ([PROTOCOL], PROTOCOL),
        (["emotion.v9.json", PROTOCOL], PROTOCOL),
        (["emotion.v9.json"], None),
        (None, None),
    ],
)
async def test_the_subprotocol_is_agreed_on_if_it_is_offered(
    address: str, offered: list[str] | None, agreed: str | None
) -> None:
    async with subscriber(address, subprotocols=offered) as client:
        assert client.subprotocol == agreed


async def test_compression_is_not_agreed_on(address: str) -> None:
    async with subscriber(address, compression="deflate") as client:
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers


async def test_all_subscribers_get_the_same_text(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(subscriber(address)) for _ in range(20)]
        assert service.bus.subscribers == 20
        service.bus.publish(prediction(seq=3))
        texts = {await receive(client) for client in clients}
    assert texts == {prediction(seq=3).encode()}


@pytest.mark.parametrize("farewell", ["closes", "vanishes"])
async def test_a_subscriber_that_leaves_is_gone_at_once_with_nothing_sent(
    address: str, service: Service, farewell: str
) -> None:
    async with subscriber(address) as leaving, subscriber(address):
        assert service.bus.subscribers == 2
        if farewell == "closes":
            await leaving.close()
        else:
            leaving.transport.abort()
        # Well before the ping after 20 s, and without a prediction that could not be sent.
        await service.bus.until_subscribers(1, seconds=15)
    await service.bus.until_subscribers(0, seconds=15)


async def test_a_subscriber_that_does_not_read_gets_the_newest_and_harms_nobody(
    address: str,
    service: Service,
    prediction: Callable[..., Prediction],
    strict_json: Callable[[str], Any],
) -> None:
    async with sleeper(address) as slow, subscriber(address) as quick:
        for seq in range(MANY):
            messages: list[Published] = [prediction("h1", seq), prediction("h2", seq)]
            if seq == MANY // 2:
                messages.append(Status(headset=service.headsets.add("h3", State.LOST)))
            for message in messages:
                service.bus.publish(message)
            # The quick one gets each at once, every one, whatever the slow one does.
            for message in messages:
                assert await receive(quick) == message.encode()
        texts = await drain(slow, until=prediction("h2", MANY - 1).encode())
        await slow.close()
        await service.bus.until_subscribers(1)
    frames = [strict_json(text) for text in texts]
    for headset in ("h1", "h2"):
        seqs = [frame["seq"] for frame in frames if frame.get("headset") == headset]
        assert seqs == sorted(set(seqs))
        assert seqs[-1] == MANY - 1
        # What it missed is one hole; before it are those that were on their way.
        stale = max(index for index, seq in enumerate(seqs) if index == seq) + 1
        assert stale < 120
        assert len(seqs) - stale < 5
    # The only state of its headset is no older news of something else, so it survives.
    assert [frame["headset"]["id"] for frame in frames if frame["type"] == "status"] == ["h3"]
    conflated = value(service, "emotion_messages_conflated_total")
    assert conflated == 2 * MANY + 1 - len(frames)


@pytest.mark.parametrize("message", ["x" * 4097, b"x" * 4097, "x" * 2_000_000])
async def test_a_client_that_says_too_much_is_closed_and_harms_nobody(
    address: str,
    service: Service,
    prediction: Callable[..., Prediction],
    message: str | bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with subscriber(address) as talker, subscriber(address) as other:
        with contextlib.suppress(ConnectionClosed):  # it may be closed while it is still sending
            await talker.send(message)
        with pytest.raises(ConnectionClosedError):
            await receive(talker)
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction())
        assert await receive(other) == prediction().encode()
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "WARNING"}]


async def test_the_close_code_of_too_much_is_the_standard_one(address: str) -> None:
    async with subscriber(address) as talker:
        await talker.send("x" * 4097)
        with pytest.raises(ConnectionClosedError) as closed:
            await receive(talker)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == CloseCode.MESSAGE_TOO_BIG


async def test_a_dead_subscriber_is_let_go_of_however_much_waits_for_it(
    serving: Serving, service: Service, prediction: Callable[..., Prediction]
) -> None:
    """It neither reads nor answers pings, as after a pulled cable, and its buffers are full.

    1. Publish more than they hold while a live subscriber reads along.
    2. Two ping times later the dead one is unsubscribed.

    Result: the live one, which answers its pings, goes on.
    """
    async with (
        serving(ping_seconds=2.0) as address,
        sleeper(address) as dead,
        subscriber(address) as live,
    ):
        dead.transport.pause_reading()
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await receive(live)
        assert service.bus.subscribers == 2
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction(seq=MANY))
        assert await receive(live) == prediction(seq=MANY).encode()
        dead.transport.abort()


async def test_a_stopping_server_does_not_wait_for_a_subscriber_that_does_not_read(
    serving: Serving, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        # Without a ping's help, which comes after 40 s.
        async with asyncio.timeout(35), serving() as address:
            slow = await stack.enter_async_context(sleeper(address))
            quick = await stack.enter_async_context(subscriber(address))
            for seq in range(MANY):
                service.bus.publish(prediction(seq=seq))
                await receive(quick)
            await quick.close()
        assert service.bus.subscribers == 0
        slow.transport.abort()


async def test_the_welcome_comes_first_and_describes_model_and_headsets(
    address: str, service: Service, strict_json: Callable[[str], Any]
) -> None:
    service.headsets.add("h1")
    async with connect(f"ws://{address}/v1/stream", proxy=None) as client:
        welcome = strict_json(await receive(client))
    assert (welcome["type"], welcome["protocol"]) == ("welcome", "emotion.v1.json")
    assert welcome["model"]["simulated"] is True
    assert welcome["model"]["hop_seconds"] == 1.0
    assert [(item["id"], item["state"]) for item in welcome["headsets"]] == [("h1", "live")]


async def test_predictions_and_states_follow_in_order(
    address: str,
    service: Service,
    prediction: Callable[..., Prediction],
    strict_json: Callable[[str], Any],
) -> None:
    live = Status(headset=service.headsets.add("h1"))
    lost = Status(headset=service.headsets.add("h1", State.LOST))
    # Of each kind and headset one at a time: nothing here may be replaced.
    rounds: list[list[Published]] = [
        [live, prediction(seq=0), prediction("h2", seq=7)],
        [prediction(seq=1, valid=False, arousal={"probability": None, "label": None}), lost],
    ]
    async with subscriber(address) as client:
        for messages in rounds:
            for message in messages:
                service.bus.publish(message)
            for message in messages:
                text = await receive(client)
                assert text == message.encode()
                strict_json(text)
    assert value(service, "emotion_messages_delivered_total") >= 5
    assert value(service, "emotion_messages_conflated_total") == 0


async def test_nothing_comes_before_something_is_subscribed_to(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with subscriber(address, []) as client:
        service.bus.publish(prediction())
        await client.send(say(type="subscribe", headsets=["h1"]))
        assert json.loads(await receive(client)) == {
            "type": "subscribed", "headset": "h1", "recovered": None, "missed": 0,
        }  # fmt: skip
        # The newest comes at once: no page begins blank.
        assert await receive(client) == prediction().encode()
        await client.send(say(type="unsubscribe", headsets=["h1"]))
        await asyncio.wait_for(await client.ping(), 60)
        service.bus.publish(prediction(seq=1))
        await client.send(say(type="ping"))
        assert await receive(client) == '{"type":"pong"}'


async def test_an_address_may_name_what_to_subscribe_to(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    url = f"ws://{address}/v1/stream?headset=h1&headset=h2"
    async with connect(url, proxy=None) as client:
        assert '"type":"welcome"' in await receive(client)
        for name in ("h1", "h2"):
            assert json.loads(await receive(client))["headset"] == name
        for name in ("h3", "h2", "h1"):
            service.bus.publish(prediction(name))
        assert await receive(client) == prediction("h2").encode()
        assert await receive(client) == prediction("h1").encode()


async def test_a_client_that_stops_acknowledging_finds_one_window_of_credits_and_then_the_present(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with subscriber(address, acknowledges=True) as client:
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await asyncio.sleep(0)  # the fan-out's turn
        # The answer to the subscription has taken one credit.
        stale = [json.loads(await receive(client))["seq"] for _ in range(CREDITS - 1)]
        assert stale == list(range(CREDITS - 1))
        await client.send(say(type="ack", received=CREDITS))
        assert json.loads(await receive(client))["seq"] == MANY - 1
        service.bus.publish(prediction(seq=MANY))
        assert json.loads(await receive(client))["seq"] == MANY


async def test_a_client_that_acknowledges_gets_every_one(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with subscriber(address, acknowledges=True) as client:
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            assert json.loads(await receive(client))["seq"] == seq
            if seq % 16 == 0:
                await client.send(say(type="ack", received=seq + 2))
    assert value(service, "emotion_messages_conflated_total") == 0


class Known(Subscribers):
    """Subscribers that a test can inspect, in the order of their arrival."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.all: list[Any] = []

    def add(self, subscriber: Subscriber) -> None:
        self.all.append(subscriber)
        super().add(subscriber)


@pytest.mark.parametrize("acknowledges", [True, False])
async def test_a_subscriber_without_progress_for_30_s_is_closed_with_its_own_code(
    serving: Serving,
    service: Service,
    prediction: Callable[..., Prediction],
    acknowledges: bool,
) -> None:
    """A subscriber does not read.

    1. Messages are published until no buffer takes more. No time passes.
    2. Time passes. Whenever the kernel still takes something, the 30 s begin again.

    Result: it is closed once nothing has been taken for 30 s, and the others are not.
    """
    passed = moved = 0.0
    progress, passing = 0, False

    async def sleep(seconds: float) -> None:
        nonlocal passed, moved, progress
        await asyncio.sleep(0.02)
        if not passing:
            return
        passed += seconds
        # Something waits for it always: it is the newest that conflation leaves, and no more.
        service.bus.publish(prediction(seq=MANY + round(passed)))
        outbox = known.all[0].outbox
        if outbox.progress != progress:
            moved, progress = passed, outbox.progress

    service.clock = lambda: passed
    service.subscribers = known = Known(sleep=sleep)
    async with (
        serving() as address,
        sleeper(address, acknowledges=acknowledges) as slow,
        subscriber(address) as quick,
    ):
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await receive(quick)
        assert service.bus.subscribers == 2
        progress, passing = known.all[0].outbox.progress, True
        await service.bus.until_subscribers(1)
        assert passed - moved >= STALLED_SECONDS
        assert value(service, "emotion_subscribers_closed_total", reason="slow") == 1
        # What it finds when it wakes is little, and is followed by the reason where it can be.
        found = [text async for text in take_all(slow)]
        assert len(found) < MANY // 2


async def test_one_connection_too_many_is_refused_before_the_upgrade(
    serving: Serving, service: Service
) -> None:
    service.subscribers = Subscribers(most=2)
    async with serving() as address, httpx.AsyncClient(trust_env=False) as http:
        async with subscriber(address), subscriber(address):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{address}/v1/stream", proxy=None)
            response = refused.value.response
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
            assert response.headers["Content-Type"] == "application/problem+json"
            assert json.loads(response.body)["detail"].startswith("found 2 connections")
            assert (await http.get(f"http://{address}/livez")).status_code == 200
            assert value(service, "emotion_connections_refused_total", reason="connection_cap") == 1
        await service.bus.until_subscribers(0)
        async with subscriber(address):  # there is room again
            pass


async def test_a_client_that_talks_too_much_is_closed_but_not_for_acknowledging(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with subscriber(address, acknowledges=True) as client:
        for seq in range(60):
            service.bus.publish(prediction(seq=seq))
            await receive(client)
            await client.send(say(type="ack", received=seq + 2))
        for _ in range(60):
            await client.send(say(type="ping"))
        code, reason = await closing(client)
    assert code == 4013
    assert "messages a second" in reason


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[]", "object"),
        ("{", "JSON"),
        (b"{}", "text"),
        ('{"type":"hello"}', "second"),
        ('{"type":"ack","received":999}', "acknowledgement of 999"),
        ('{"type":"sing"}', "sing"),
        ('{"type":"ping","loud":true}', "loud"),
    ],
)
async def test_what_is_no_message_of_the_protocol_closes_the_connection_and_says_why(
    address: str, service: Service, said: str | bytes, words: str
) -> None:
    async with subscriber(address) as client, subscriber(address):
        await client.send(said)
        code, reason = await closing(client)
        assert code == 4501
        assert words in reason
        await service.bus.until_subscribers(1)  # nobody else is harmed


async def test_more_subscriptions_than_may_be_are_refused_and_the_connection_stays(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with subscriber(address, [f"h{number}" for number in range(200)]) as client:
        more = [f"i{number}" for number in range(57)]
        await client.send(say(type="subscribe", headsets=more))
        answers = [json.loads(await receive(client)) for _ in more]
        refused = [answer for answer in answers if answer["type"] == "refused"]
        assert [(item["headset"], item["reason"]) for item in refused] == [("i56", "too_many")]
        service.bus.publish(prediction("i55"))
        assert await receive(client) == prediction("i55").encode()


async def test_a_drain_tells_each_its_own_time_and_goes_on_until_its_close(
    serving: Serving, service: Service, prediction: Callable[..., Prediction]
) -> None:
    """Fifty subscribers are closed by a drain.

    1. Each learns when to reconnect.
    2. Meanwhile predictions go on; each gets every one until its own close.

    Result: the closes, and the times to come again, are spread; nobody new is let in.
    """
    now, published = 0.0, 0
    received: list[list[int]] = [[] for _ in range(50)]
    open_, news = set(range(50)), asyncio.Event()
    draining: asyncio.Task[None] | None = None

    async def sleep(seconds: float) -> None:
        """Advance time once every open subscriber has one more prediction."""
        nonlocal now, published
        if asyncio.current_task() is not draining:
            await asyncio.Event().wait()  # nobody's credentials or progress are looked at
        service.bus.publish(prediction(seq=published))
        published += 1
        while any(len(received[one]) < published for one in open_):
            news.clear()
            await news.wait()
        now += seconds

    async def listen(one: int, client: ClientConnection) -> tuple[int, int, float]:
        again = -1
        async for text in take_all(client):
            message = json.loads(text)
            if message["type"] == "going_away":
                again = message["reconnect_after_ms"]
            else:
                received[one].append(message["seq"])
                news.set()
        open_.remove(one)
        news.set()
        assert client.close_code is not None
        return client.close_code, again, now

    service.subscribers = Subscribers(random=Random(3), clock=lambda: now, sleep=sleep)
    async with serving() as address, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(subscriber(address)) for _ in range(50)]
        listening = [asyncio.create_task(listen(one, client)) for one, client in enumerate(clients)]
        draining = asyncio.create_task(service.subscribers.drain())
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{address}/v1/stream", proxy=None)
        assert refused.value.response.status_code == 503
        await draining
        reported = await asyncio.wait_for(asyncio.gather(*listening), 60)
    assert {code for code, *_ in reported} == {4001}
    for seqs in received:
        assert seqs == list(range(len(seqs)))  # none is lost before its close
    assert max(end for *_, end in reported) > 0.3
    # No bunch at the end: as predictions go on meanwhile, those who go later have more.
    assert len({len(seqs) for seqs in received}) > 25
    agains = [again for _, again, _ in reported]
    assert len(set(agains)) > 40
    assert min(agains) >= 1e3 * (50 * SPREAD_EACH_SECONDS + FAREWELL_SECONDS), "when all are gone"


async def test_what_a_subscriber_missed_comes_first_when_it_returns(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    for seq in range(5):
        service.bus.publish(prediction(seq=seq))
    async with subscriber(address, []) as client:
        await client.send(
            say(type="subscribe", headsets=["*"], resume={"h1": {"epoch": "e0", "seq": 1}})
        )
        answers = [json.loads(await receive(client)) for _ in range(2)]
        assert {(item["headset"], item["recovered"], item["missed"]) for item in answers} == {
            ("h1", True, 3),
            ("*", None, 0),
        }
        for seq in (2, 3, 4):
            assert await receive(client) == prediction(seq=seq).encode()
    async with subscriber(address, []) as client:
        await client.send(
            say(type="subscribe", headsets=["h1"], resume={"h1": {"epoch": "old", "seq": 1}})
        )
        answer = json.loads(await receive(client))
        assert (answer["recovered"], answer["missed"]) == (False, 0)
        assert await receive(client) == prediction(seq=4).encode()


async def test_an_answer_does_not_wait_for_the_peer_to_acknowledge_its_head(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its body would, as Nagle's algorithm has it, and each answer take 40 ms."""
    made: list[int] = []
    connection_made = RequestConnection.connection_made

    def noted(request: RequestConnection, transport: asyncio.Transport) -> None:
        connection_made(request, transport)
        connection = transport.get_extra_info("socket")
        made.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(RequestConnection, "connection_made", noted)
    async with httpx.AsyncClient(trust_env=False, base_url=f"http://{address}") as http:
        await http.get("/livez")
    assert made == [1]
