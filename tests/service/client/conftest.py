"""A service that follows a script, sleeps that are over at once, and the API's own fixtures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from eeg_emotion.access.grants import EVERYTHING
from eeg_emotion.api.service import Service
from eeg_emotion.client import connection
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import PROTOCOL, Subscribed, Welcome


class Soon(Random):
    """Draws no delay."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


@pytest.fixture
def soon() -> Random:
    return Soon()


class Naps:
    """Sleeps that are asked for: they are over at once, and are kept."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def naps() -> Naps:
    return Naps()


HASTE = 20


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what counts as quiet pass that much faster."""
    monkeypatch.setattr(connection, "_QUIET_SECONDS", connection._QUIET_SECONDS / HASTE)


class Peer:
    """The service's end of one connection, in a test's hands."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def next_message(self) -> dict[str, Any]:
        """Receive what the client says next."""
        return dict(json.loads(await asyncio.wait_for(self.socket.recv(), 60)))

    async def say(self, *messages: Message | str) -> None:
        for message in messages:
            await self.socket.send(message if isinstance(message, str) else message.encode())

    async def close(self, code: int, reason: str = "") -> None:
        await self.socket.close(code, reason)


class Script:
    """A service whose every connection is a test's to answer."""

    def __init__(self, welcome: Welcome) -> None:
        self.address = ""
        self.welcome = welcome
        self.answer: Callable[[ServerConnection, Request], Response | None] | None = None
        """Answers a request before it becomes a connection."""
        self.peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def connected(self) -> Peer:
        """Wait for the next connection."""
        return await asyncio.wait_for(self.peers.get(), 60)

    async def greeted(self) -> tuple[Peer, dict[str, Any]]:
        """Wait for the next connection and its hello; welcome it and answer its subscriptions."""
        peer = await self.connected()
        hello = await peer.next_message()
        answers = [
            Subscribed(headset=name, recovered=None, missed=0) for name in hello["subscribe"]
        ]
        await peer.say(self.welcome, *answers)
        return peer, hello

    async def take(self, socket: ServerConnection) -> None:
        """Hand a connection to the test, and let it live until it is closed."""
        await self.peers.put(Peer(socket))
        await socket.wait_closed()

    def judge(self, socket: ServerConnection, request: Request) -> Response | None:
        return self.answer(socket, request) if self.answer else None


@pytest.fixture
async def script(service: Service) -> AsyncIterator[Script]:
    script = Script(service.welcome(EVERYTHING))
    async with serve(
        script.take,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol(PROTOCOL)],
        process_request=script.judge,
        close_timeout=1,
    ) as server:
        script.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script
