"""Real receivers: a web server that answers as it is told, and mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.alarms.store.conftest import alarm as alarm
from tests.support.needs import the_program

from eeg_emotion.alarms.store.store import EventStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(f"sqlite:///{tmp_path / 'events.db'}")
    yield store
    store.close()


class Receiver:
    """Takes requests and answers each by the next of its answers, the last one for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0
        self._answering: set[asyncio.Task[Any]] = set()

    @contextlib.asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}/hook/secret-path"
        finally:
            server.close()
            for task in self._answering:
                task.cancel()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._answering.add(task)
        gone = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
        with contextlib.closing(writer), contextlib.suppress(*gone):
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                pairs = [line.split(": ", 1) for line in lines]
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((first, headers, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == "hang up":
                    return
                if answer == "say nothing":
                    await asyncio.sleep(3600)
                writer.write(f"HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()


@pytest.fixture
def mosquitto() -> str:
    return the_program("mosquitto")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def broker(
    mosquitto: str, tmp_path: Path
) -> Callable[..., contextlib.AbstractContextManager[subprocess.Popen[bytes]]]:
    """Run the broker on a loopback port until the context ends."""

    @contextlib.contextmanager
    def run(port: int, *lines: str) -> Iterator[subprocess.Popen[bytes]]:
        config = tmp_path / "mosquitto.conf"
        config.write_text("\n".join([f"listener {port} 127.0.0.1", *lines, "user root", ""]))
        with (tmp_path / "mosquitto.log").open("ab") as log:
            process = subprocess.Popen([mosquitto, "-c", config], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                assert process.poll() is None, (tmp_path / "mosquitto.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()
            process.wait(60)

    return run


@contextlib.asynccontextmanager
async def running(courier: Any) -> AsyncIterator[None]:
    """Run a courier until the context ends."""
    task = asyncio.create_task(courier.run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  # other processes and threads say nothing to wait for
            await asyncio.sleep(0.01)
