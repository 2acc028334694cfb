"""A real broker, and both sides of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.needs import the_program
from tests.support.ports import free_port

from eeg_emotion.cluster.connection import BrokerConnection
from eeg_emotion.cluster.gateway import GatewayBus
from eeg_emotion.cluster.ingest import Identity, IngestBus

MODEL = "a" * 64


HOP = 1.0


class Broker:
    """A NATS server on a loopback port, that may be killed and started again."""

    def __init__(self, binary: str, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._command = [binary, "-a", "127.0.0.1", "-p", str(self.port), *options]
        self._log = folder / "nats.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None


@contextlib.asynccontextmanager
async def running(*buses: Any) -> AsyncIterator[None]:
    """Run the buses' parts meanwhile."""
    async with asyncio.TaskGroup() as tasks:
        parts = [tasks.create_task(bus.run()) for bus in buses]
        try:
            yield
        finally:
            for part in parts:
                part.cancel()


def connecting(url: str, **options: Any) -> Callable[[Callable[[], None]], BrokerConnection]:
    return lambda connected: BrokerConnection(url, "a test", connected=connected, **options)


def ingest_bus(url: str, name: str = "i1", run: str = "r1", **options: Any) -> IngestBus:
    identity = Identity("here", name, run, options.pop("model", MODEL), HOP)
    return IngestBus(identity, connecting(url), **options)


def gateway_bus(url: str, *sites: str, **options: Any) -> GatewayBus:
    return GatewayBus(
        sites or ("*",),
        model_sha256=MODEL,
        hop_seconds=HOP,
        connect=connecting(url),
        **options,
    )


@pytest.fixture(scope="session")
def nats_server() -> str:
    return the_program("nats-server")
