"""Load for the push benches: a server of one kind, or many subscribers, each in its own process.

`push_load.py serve KIND COUNT SECONDS` runs a server that publishes as fast as it can once so many
subscribers are there, and prints what it delivered and the CPU that took. `push_load.py subscribe
URL COUNT own|plain` connects so many subscribers; `own` ones say hello and acknowledge. Each line
on standard input asks for a line of figures since the one before: frames, and percentiles of the
time from their window's end. Frames are found by their length and not parsed as JSON, so that one
core of subscribers keeps up with one core of the server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import secrets
import socket
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import numpy as np

if TYPE_CHECKING:
    from starlette.websockets import WebSocket
    from websockets.asyncio.server import ServerConnection

    from eeg_emotion.publish.messages import Prediction

ACK_EVERY = 16


def allow_many_files() -> None:
    """Raise the soft limit of open files to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def masked(text: str) -> bytes:
    """Return a client's frame, with a mask of zeros."""
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


class Subscriber(asyncio.Protocol):
    """One subscriber: connects, says hello, counts frames, acknowledges."""

    def __init__(self, host: str, path: str, hello: str | None, acknowledge: bool) -> None:
        self._host, self._path = host, path
        self._hello = hello
        self._acknowledge = acknowledge
        self._upgraded = False
        self._rest = b""
        self.frames = -1 if hello else 0  # the welcome does not count
        self._acked = 0
        self.ready = asyncio.get_running_loop().create_future()
        self.closed = asyncio.get_running_loop().create_future()
        self.on_frame: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: emotion.v1.json\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if not self._upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            assert b" 101 " in head, head
            self._upgraded = True
            if self._hello:
                self.transport.write(masked(self._hello))
            self.ready.set_result(None)
        place, end = 0, len(data)
        while end - place >= 2:
            opcode, length, header = data[place] & 0x0F, data[place + 1], 2
            if length == 126:
                if end - place < 4:
                    break
                length, header = int.from_bytes(data[place + 2 : place + 4]), 4
            if end - place < header + length:
                break
            if opcode == 1:
                self.frames += 1
                if self.on_frame is not None:
                    self.on_frame(data[place + header : place + header + length])
            elif opcode == 9:
                payload = data[place + header : place + header + length]
                self.transport.write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
            place += header + length
        self._rest = data[place:]
        if self._acknowledge and self.frames - self._acked >= ACK_EVERY:
            self._acked = self.frames
            self.transport.write(masked(f'{{"type":"ack","received":{self.frames}}}'))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def connect(url: str, *, acknowledge: bool = True, hello: bool = True) -> Subscriber:
    """Open one subscription."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    said = json.dumps({"type": "hello", "acknowledges": acknowledge, "subscribe": ["*"]})
    _, subscriber = await asyncio.get_running_loop().create_connection(
        lambda: Subscriber(parts.netloc, parts.path, said if hello else None, acknowledge),
        parts.hostname,
        parts.port or 80,
    )
    await subscriber.ready
    return subscriber


class Ages:
    """The age of windows when their predictions arrive, ms."""

    def __init__(self) -> None:
        self._found = array("d")

    def receive(self, data: bytes) -> None:
        """Record a prediction's age, found in its bytes."""
        if data.startswith(b'{"type":"prediction"'):
            place = data.index(b'"end":') + 6
            end = float(data[place : data.index(b"}", place)])
            self._found.append((time.time() - end) * 1e3)

    def take(self) -> dict[str, float]:
        """Return the ages since the last call."""
        found, self._found = np.array(self._found), array("d")
        middle, high = np.percentile(found, [50, 99]) if len(found) else (0.0, 0.0)
        return {"predictions": len(found), "p50": float(middle), "p99": float(high)}


async def subscribe(url: str, count: int, own: bool) -> None:
    """Connect many, print that, and print figures for each line that is read."""
    ages, subscribers = Ages(), []
    for _ in range(count):
        subscriber = await connect(url, acknowledge=own, hello=own)
        if own:
            subscriber.on_frame = ages.receive
        subscribers.append(subscriber)
    print("connected", flush=True)
    before = 0
    while await asyncio.to_thread(sys.stdin.readline):
        frames = sum(subscriber.frames for subscriber in subscribers)
        closed = sum(subscriber.closed.done() for subscriber in subscribers)
        counts = {"frames": frames, "frames_since": frames - before, "closed": closed}
        before = frames
        print(json.dumps({**counts, **ages.take()}), flush=True)


# -- servers of three kinds, each delivering the same bytes -------------------------------------


def own_messages() -> Iterator[Prediction]:
    """Return predictions of some headset, whose JSON has about 400 bytes."""
    from eeg_emotion.publish.messages import Latency, Prediction, Score, WindowSpan

    score = Score(probability=0.123456, label="high")
    seq = 0
    while True:
        now = time.time()
        message = Prediction(
            headset="h1",
            epoch="e" * 16,
            seq=seq,
            window=WindowSpan(start=now - 5, end=now),
            arousal=score,
            valence=score,
            valid=True,
            reasons=(),
            quality=1.0,
            latency_ms=Latency(
                resampler=0.0, filter=60.0, arrival=70.0, path=2.0, inference=1.0, total=73.0
            ),
            model="demo-simulated 1",
        )
        yield message
        seq += 1


async def _own(count: int, seconds: float) -> None:
    """Deliver through the whole path: bus, credits, conflation, fan-out, our uvicorn."""

    from eeg_emotion.access.access import Access
    from eeg_emotion.api.app import create_app
    from eeg_emotion.api.fanout import Fanout
    from eeg_emotion.api.push import Push
    from eeg_emotion.api.server import make_server
    from eeg_emotion.api.stream import StreamPart
    from eeg_emotion.api.subscribers import Subscribers
    from eeg_emotion.api.welcome import Greeter
    from eeg_emotion.inference.model import demo_model_path, load_model
    from eeg_emotion.metrics.metrics import Metrics
    from eeg_emotion.publish.bus import Bus
    from eeg_emotion.publish.model_card import model_card

    model = load_model(demo_model_path())
    card = model_card(model.contract, sha256=model.sha256, hop_seconds=1.0)
    bus, metrics = Bus(), Metrics()
    push = Push(bus, Subscribers(), Fanout(metrics), metrics)
    app = create_app([StreamPart(push, Greeter(card, _Nobody()))], Access(), metrics)
    server = make_server(app)
    messages = own_messages()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            carrying = tasks.create_task(push.run())
            await server.answering.wait()
            print(f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/stream", flush=True)
            while bus.subscribers < count:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)

            def delivered() -> float:
                return float(next(iter(metrics.delivered.collect())).samples[0].value)

            begun, cpu, end = delivered(), time.process_time(), time.monotonic() + seconds
            while time.monotonic() < end:
                bus.publish(next(messages))
                # Until everything is written, so that the next message does not replace it.
                while push.fanout._ready:
                    await asyncio.sleep(0)
                await asyncio.sleep(0)
            found = delivered() - begun, time.process_time() - cpu
            print(json.dumps(found), flush=True)
            carrying.cancel()
            server.should_exit = True


async def _broadcast(count: int, seconds: float) -> None:
    """Deliver by `websockets.broadcast`, which has neither credits nor conflation."""
    from websockets.asyncio.server import broadcast, serve

    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    messages = own_messages()
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"ws://127.0.0.1:{port}/", flush=True)
        while len(connections) < count:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        sent, cpu, end = 0, time.process_time(), time.monotonic() + seconds
        while time.monotonic() < end:
            broadcast(connections, next(messages).encode())
            sent += count
            await asyncio.sleep(0)
        print(json.dumps((sent, time.process_time() - cpu)), flush=True)
        os._exit(0)


async def _starlette(count: int, seconds: float) -> None:
    """Deliver by a loop over Starlette's own send, on the same uvicorn."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    sockets: list[WebSocket] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        sockets.append(websocket)
        await websocket.receive()

    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[WebSocketRoute("/", endpoint)]), log_config=None, lifespan="off",
            ws="websockets-sansio", ws_per_message_deflate=False,
        )
    )  # fmt: skip
    messages = own_messages()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        print(f"ws://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        while len(sockets) < count:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        sent, cpu, end = 0, time.process_time(), time.monotonic() + seconds
        while time.monotonic() < end:
            text = next(messages).encode()
            for websocket in sockets:
                await websocket.send_text(text)
            sent += count
            await asyncio.sleep(0)
        print(json.dumps((sent, time.process_time() - cpu)), flush=True)
        serving.cancel()
        os._exit(0)


class _Nobody:
    """No headsets."""

    source: Literal["lsl"] = "lsl"
    following = True

    def headsets(self) -> tuple[()]:
        return ()

    def headset(self, identifier: str) -> None:
        return None

    def quality(self, identifier: str) -> None:
        return None


def main() -> None:
    allow_many_files()
    match sys.argv[1:]:
        case ["subscribe", url, count, own]:
            asyncio.run(subscribe(url, int(count), own == "own"))
        case ["serve", kind, count, seconds]:
            run = {"own": _own, "broadcast": _broadcast, "starlette": _starlette}[kind]
            asyncio.run(run(int(count), float(seconds)))


if __name__ == "__main__":
    main()
