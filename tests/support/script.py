"""A service that follows a test's script, and sleeps that are over at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Subscribed, Welcome


class Soon(Random):
    """Draws no delay."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


class Naps:
    """Records requested sleeps, which end at once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class Peer:
    """The service's end of one connection, in a test's hands."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket

    async def next_message(self) -> dict[str, Any]:
        """Receive the client's next message."""
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
        """Pass a connection to the test, and keep it open until the test closes it."""
        await self.peers.put(Peer(socket))
        await socket.wait_closed()

    def judge(self, socket: ServerConnection, request: Request) -> Response | None:
        return self.answer(socket, request) if self.answer else None
