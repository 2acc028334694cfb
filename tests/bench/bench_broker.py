"""What the broker costs: latency, CPU per delivery, and the time to recover.

The measured process runs on CPU 1, everything else on CPU 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psutil
import pytest
from tests.support.needs import the_program
from tests.support.pinned_processes import (
    FARM,
    LOAD_CPU,
    SERVER_CPU,
    ask,
    live,
    process,
    stream,
    subscribers,
)
from tests.support.processes import line_of
from tests.support.report import Report
from websockets.asyncio.client import connect

HEADSETS, EACH, SECONDS = 32, 500, 30
NATS = shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = pytest.mark.skipif(NATS is None, reason="no NATS broker is installed here")


@dataclass
class Passed:
    """The work that a broker has done."""

    messages: int
    bytes: int
    cpu: float


class Broker:
    """A NATS server on loopback."""

    def __init__(self) -> None:
        with socket.socket() as free, socket.socket() as free_too:
            free.bind(("127.0.0.1", 0))
            free_too.bind(("127.0.0.1", 0))
            self.port, self.monitor = (each.getsockname()[1] for each in (free, free_too))
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()

    def passed(self) -> Passed:
        """Count messages in and out, their bytes, and CPU seconds."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/varz") as answer:
            found = json.load(answer)
        return Passed(
            found["in_msgs"] + found["out_msgs"],
            found["in_bytes"] + found["out_bytes"],
            sum(psutil.Process(self.process.pid).cpu_times()[:2]),
        )

    def start(self) -> None:
        ports = ("-p", str(self.port), "-m", str(self.monitor))
        self.process = subprocess.Popen(
            [the_program("nats-server"), "-a", "127.0.0.1", *ports], stderr=subprocess.DEVNULL
        )
        os.sched_setaffinity(self.process.pid, {LOAD_CPU})
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            assert self.process.poll() is None, "the NATS broker ended by itself"
            time.sleep(0.01)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.asynccontextmanager
async def broker() -> AsyncIterator[Broker]:
    running = Broker()
    try:
        yield running
    finally:
        running.kill()


@contextlib.asynccontextmanager
async def role(name: str, *options: str, cpu: int) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Run one role; return its address and process."""
    async with process(
        "-m", "eeg_emotion", name, "--port", "0", "--quiet", *options, cpu=cpu
    ) as started:
        address = (await line_of(started)).split()[1]
        yield address, psutil.Process(started.pid)


@contextlib.asynccontextmanager
async def farm(session: str, count: int) -> AsyncIterator[None]:
    async with process(FARM, session, str(count), cpu=LOAD_CPU) as headsets:
        assert await line_of(headsets) == "ready"
        yield


@dataclass
class Figures:
    """Ages in ms; CPU seconds without subscribers, and the ms that 1,000 deliveries add."""

    p50: float
    p99: float
    idle: float
    added: float


async def measure(server: psutil.Process, addresses: list[str]) -> Figures:
    async with asyncio.timeout(90):
        while await live(addresses[0]) < HEADSETS:
            await asyncio.sleep(0.5)
    await asyncio.sleep(12)  # until all have scores
    idle = await cpu(server, SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        loads = [
            await stack.enter_async_context(subscribers(stream(address), EACH))
            for address in addresses
        ]
        await asyncio.sleep(2)
        for load in loads:
            await ask(load)
        used = await cpu(server, SECONDS)
        found = await ask(loads[0])
    assert found["closed"] == 0
    added = (used - idle) * 1e6 / found["frames_since"]
    return Figures(found["p50"], found["p99"], idle, added)


async def cpu(server: psutil.Process, seconds: float) -> float:
    before = sum(server.cpu_times()[:2])
    await asyncio.sleep(seconds)
    return float(sum(server.cpu_times()[:2]) - before)


def test_broker_latency(report: Report) -> None:
    async def alone() -> Figures:
        session = secrets.token_hex(8)
        async with (
            role("serve", "--session-id", session, cpu=SERVER_CPU) as (address, server),
            farm(session, HEADSETS),
        ):
            return await measure(server, [address])

    async def apart() -> tuple[Figures, Passed]:
        session = secrets.token_hex(8)
        async with broker() as nats, contextlib.AsyncExitStack() as stack:
            bus = ("--bus", nats.url)
            ingest = ("--session-id", session, "--site", "bench", *bus)
            await stack.enter_async_context(role("ingest", *ingest, cpu=LOAD_CPU))
            first, server = await stack.enter_async_context(role("gateway", *bus, cpu=SERVER_CPU))
            second, _ = await stack.enter_async_context(role("gateway", *bus, cpu=LOAD_CPU))
            await stack.enter_async_context(farm(session, HEADSETS))
            return await measure(server, [first, second]), nats.passed()

    here, (far, passed) = asyncio.run(alone()), asyncio.run(apart())
    report("one process, 500 subscribers: p50 / p99", f"{here.p50:.1f} / {here.p99:.1f} ms")
    report("ingest, broker, two gateways, 500 each: p50 / p99", f"{far.p50:.1f} / {far.p99:.1f} ms")
    report("added", f"{far.p50 - here.p50:+.1f} / {far.p99 - here.p99:+.1f} ms")
    report("CPU that 1,000 deliveries add, one process", f"{here.added:.1f} ms")
    report("CPU that 1,000 deliveries add, gateway", f"{far.added:.1f} ms")
    report("gateway / one process", f"{far.added / here.added:.2f}")
    mirrored = 1e6 * far.idle / (HEADSETS * SECONDS)
    report("CPU for 1,000 predictions taken up, gateway", f"{mirrored:.0f} ms")
    report("CPU for 1,000 messages, broker", f"{1e6 * passed.cpu / passed.messages:.0f} ms")
    report("bytes of a message", f"{passed.bytes / passed.messages:.0f}")


def test_time_to_full_service(report: Report) -> None:
    """Measure from a kill to the next valid prediction, restarting the process at once."""

    async def next_valid(address: str, after: float) -> float:
        async with asyncio.timeout(120):
            return await first_valid(address, after)

    async def first_valid(address: str, after: float) -> float:
        while True:
            with contextlib.suppress(OSError):
                async with connect(stream(address) + "?headset=*", proxy=None) as socket:
                    async for text in socket:
                        message = json.loads(text)
                        if message["type"] == "prediction" and message["valid"]:
                            end = message["window"]["end"]
                            if end > after:
                                return time.time() - after
            await asyncio.sleep(0.05)

    async def measure_kills() -> dict[str, float]:
        session = secrets.token_hex(8)
        found = {}
        async with broker() as nats, contextlib.AsyncExitStack() as stack:
            bus = ("--bus", nats.url)
            reading = ("--session-id", session, "--site", "bench", "--name", "i1", *bus)
            await stack.enter_async_context(farm(session, 1))
            ingest = await stack.enter_async_context(role("ingest", *reading, cpu=LOAD_CPU))
            gateway = await stack.enter_async_context(role("gateway", *bus, cpu=SERVER_CPU))
            await next_valid(gateway[0], time.time())

            nats.kill()
            killed = time.time()
            nats.start()
            found["broker"] = await next_valid(gateway[0], killed)

            ingest[1].send_signal(signal.SIGKILL)
            killed = time.time()
            await stack.enter_async_context(role("ingest", *reading, cpu=LOAD_CPU))
            found["ingest"] = await next_valid(gateway[0], killed)

            gateway[1].send_signal(signal.SIGKILL)
            killed = time.time()
            gateway = await stack.enter_async_context(role("gateway", *bus, cpu=SERVER_CPU))
            found["gateway"] = await next_valid(gateway[0], killed)
        return found

    for name, seconds in asyncio.run(measure_kills()).items():
        report(f"kill -9 of the {name}: valid predictions again", f"{seconds:.1f} s")
