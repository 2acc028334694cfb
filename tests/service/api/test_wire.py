"""What a WebSocket's peer can do without a message: not read, close halfway, ping without end."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from tests.support.service import Service
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode

from eeg_emotion.api.wire import Wire
from eeg_emotion.publish.messages import Prediction

# More than the buffers between a server and a client that does not read can hold.
MANY = 400
HELLO = json.dumps({"type": "hello", "subscribe": ["*"]}).encode()


def masked(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


def upgrade(address: str) -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@contextlib.asynccontextmanager
async def raw(address: str) -> AsyncIterator[socket.socket]:
    """Connect with little room for what is not read."""
    host, port = address.split(":")
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, (host, int(port)))
        yield peer


async def read_until(peer: socket.socket, text: bytes) -> None:
    got = b""
    async with asyncio.timeout(60):
        while text not in got:
            some = await asyncio.get_running_loop().sock_recv(peer, 4096)
            assert some, f"closed before {text!r}"
            got += some


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the server has released a socket."""
    event, connection_lost = asyncio.Event(), Wire.connection_lost

    def reported(wire: Wire, error: Exception | None) -> None:
        connection_lost(wire, error)
        event.set()

    monkeypatch.setattr(Wire, "connection_lost", reported)
    return event


async def test_what_comes_together_with_the_upgrade_is_received(address: str) -> None:
    async with raw(address) as peer:
        await asyncio.get_running_loop().sock_sendall(
            peer, upgrade(address) + masked(Opcode.TEXT, HELLO)
        )
        await read_until(peer, b'"type":"subscribed"')


@pytest.mark.parametrize("way", ["half-closed", "closed", "too large a message"])
async def test_one_that_begins_to_close_and_reads_nothing_is_gone_in_seconds(
    service: Service,
    address: str,
    prediction: Callable[..., Prediction],
    lost: asyncio.Event,
    way: str,
) -> None:
    loop = asyncio.get_running_loop()
    async with raw(address) as peer:
        await loop.sock_sendall(peer, upgrade(address))
        await read_until(peer, b'"type":"welcome"')
        await loop.sock_sendall(peer, masked(Opcode.TEXT, HELLO))
        await read_until(peer, b'"type":"subscribed"')
        for seq in range(MANY):
            service.bus.publish(prediction(seq=seq))
            await asyncio.sleep(0)
        match way:
            case "half-closed":
                peer.shutdown(socket.SHUT_WR)
            case "closed":
                await loop.sock_sendall(peer, masked(Opcode.CLOSE, Close(1000, "").serialize()))
            case _:
                await loop.sock_sendall(peer, masked(Opcode.TEXT, bytes(5000)))
        async with asyncio.timeout(30):  # without a ping's help, which comes after 40 s
            await lost.wait()
        assert service.bus.subscribers == 0


async def pings(client: ClientConnection) -> None:
    await client.ping()


async def pongs(client: ClientConnection) -> None:
    await client.pong()


async def parts(client: ClientConnection) -> None:
    await client.send(["{", *[""] * 30])


@pytest.mark.parametrize("say", [pings, pongs, parts])
async def test_frames_that_are_no_message_are_a_flood_as_well(
    address: str, say: Callable[[ClientConnection], asyncio.Future[None]]
) -> None:
    async with connect(f"ws://{address}/v1/stream", proxy=None) as client:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(30):
                await say(client)
        with contextlib.suppress(ConnectionClosed):
            async for _ in client:
                pass
        assert client.close_code == 4013


async def test_an_unread_ping_flood_is_answered_no_further_than_the_socket_takes(
    service: Service, address: str, lost: asyncio.Event
) -> None:
    loop = asyncio.get_running_loop()
    async with raw(address) as peer:
        await loop.sock_sendall(peer, upgrade(address))
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(peer, masked(Opcode.PING, bytes(125)) * 20_000)
        async with asyncio.timeout(30):  # without a ping's help, which comes after 40 s
            await lost.wait()
        assert service.bus.subscribers == 0
