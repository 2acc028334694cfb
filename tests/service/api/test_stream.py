"""The WebSocket over real sockets: order, the newest to survive, and an end that is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import CloseCode

from eeg_emotion.api.service import Service
from eeg_emotion.headset.link import State
from eeg_emotion.publish.messages import PROTOCOL, GoingAway, Prediction, Status

Serving = Callable[..., contextlib.AbstractAsyncContextManager[str]]
# More than the buffers between a server and a client that does not read can hold.
MANY = 400


@contextlib.asynccontextmanager
async def subscriber(address: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connect as the page does, and take the welcome."""
    async with connect(f"ws://{address}/v1/stream", proxy=None, **options) as client:
        assert '"type":"welcome"' in await receive(client)
        yield client


def sleeper(address: str) -> contextlib.AbstractAsyncContextManager[ClientConnection]:
    """Connect with so little room that a client that does not read is noticed soon."""
    host, port = address.split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((host, int(port)))
    return subscriber(address, sock=small, max_queue=1, ping_interval=None)


async def receive(client: ClientConnection) -> str:
    text = await asyncio.wait_for(client.recv(), 10)
    assert isinstance(text, str)
    return text


async def drain(client: ClientConnection, until: str) -> list[str]:
    """Receive up to and including the text."""
    texts = [await receive(client)]
    while texts[-1] != until:
        texts.append(await receive(client))
    return texts


def value(service: Service, name: str) -> float:
    found = service.metrics.registry.get_sample_value(name)
    assert found is not None
    return found


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


async def test_what_is_published_before_the_welcome_is_read_comes_after_it(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with connect(f"ws://{address}/v1/stream", proxy=None) as client:
        await service.bus.until_subscribers(1)
        service.bus.publish(prediction())
        assert '"type":"welcome"' in await receive(client)
        assert await receive(client) == prediction().encode()


async def test_predictions_and_states_follow_in_order(
    address: str,
    service: Service,
    prediction: Callable[..., Prediction],
    strict_json: Callable[[str], Any],
) -> None:
    live = Status(headset=service.headsets.add("h1"))
    lost = Status(headset=service.headsets.add("h1", State.LOST))
    # Of each kind and headset one at a time: nothing here may be replaced.
    rounds = [
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
    assert value(service, "emotion_messages_delivered_total") == 5
    assert value(service, "emotion_predictions_conflated_total") == 0


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
        await service.bus.until_subscribers(1, seconds=5)
    await service.bus.until_subscribers(0, seconds=5)


async def test_a_subscriber_that_does_not_read_gets_the_newest_and_harms_nobody(
    address: str,
    service: Service,
    prediction: Callable[..., Prediction],
    strict_json: Callable[[str], Any],
) -> None:
    async with sleeper(address) as slow, subscriber(address) as quick:
        for seq in range(MANY):
            messages = [prediction("h1", seq), prediction("h2", seq)]
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
    conflated = value(service, "emotion_predictions_conflated_total")
    assert conflated == 2 * MANY + 1 - len(frames)


async def test_the_end_is_told_and_then_the_connection_closed(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    emptied = asyncio.Event()
    async with subscriber(address) as first, subscriber(address) as second:
        service.bus.publish(prediction())
        service.bus.publish(GoingAway(reconnect_after_ms=1000))
        service.bus.close(emptied.set)
        for client in (first, second):
            assert await receive(client) == prediction().encode()
            assert await receive(client) == '{"type":"going_away","reconnect_after_ms":1000}'
            with pytest.raises(ConnectionClosed) as closed:
                await receive(client)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "shutdown")
        await asyncio.wait_for(emptied.wait(), 5)
    assert service.bus.subscribers == 0


async def test_a_subscriber_that_does_not_read_is_told_the_end_when_it_does(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    emptied = asyncio.Event()
    async with sleeper(address) as slow, subscriber(address) as quick:
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await receive(quick)
        going_away = GoingAway(reconnect_after_ms=1000)
        service.bus.publish(going_away)
        service.bus.close(emptied.set)
        assert await receive(quick) == going_away.encode()
        await service.bus.until_subscribers(1)
        assert not emptied.is_set()
        texts = await drain(slow, until=going_away.encode())
        with pytest.raises(ConnectionClosed) as closed:
            await receive(slow)
        await asyncio.wait_for(emptied.wait(), 5)
    assert texts[-2] == prediction(seq=MANY - 1).encode()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001


async def test_a_subscriber_that_comes_after_the_end_is_told_so(
    address: str, service: Service
) -> None:
    service.bus.close(lambda: None)
    async with subscriber(address) as late:
        with pytest.raises(ConnectionClosed) as closed:
            await receive(late)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001
    assert service.bus.subscribers == 0


async def test_without_subscribers_the_end_is_there_at_once(service: Service) -> None:
    emptied = asyncio.Event()
    service.bus.close(emptied.set)
    assert emptied.is_set()


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


async def test_what_a_client_says_within_the_limit_is_dropped(
    address: str, service: Service, prediction: Callable[..., Prediction]
) -> None:
    async with subscriber(address) as client:
        for message in ("x" * 4096, b"\x00", '{"type":"hello"}'):
            await client.send(message)
        # The pong tells that the server has read what came before the ping.
        await asyncio.wait_for(await client.ping(), 5)
        service.bus.publish(prediction())
        assert await receive(client) == prediction().encode()


async def test_a_dead_subscriber_is_let_go_of_however_much_waits_for_it(
    serving: Serving, service: Service, prediction: Callable[..., Prediction]
) -> None:
    """It neither reads nor answers pings, as after a pulled cable, and its buffers are full.

    1. Publish more than they hold while a live subscriber reads along.
    2. Two ping times later the dead one is unsubscribed.

    Result: the live one, which answers its pings, goes on.
    """
    async with (
        serving(ping_seconds=0.5) as address,
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
        async with asyncio.timeout(20), serving() as address:
            slow = await stack.enter_async_context(sleeper(address))
            quick = await stack.enter_async_context(subscriber(address))
            for seq in range(MANY):
                service.bus.publish(prediction(seq=seq))
                await receive(quick)
            await quick.close()
            loop = asyncio.get_running_loop()
            begin = loop.time()
        assert loop.time() - begin < 8  # the daemon has 10 s, 2 of them to say goodbye
        assert service.bus.subscribers == 0
        slow.transport.abort()
