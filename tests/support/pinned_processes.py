"""Processes that keep to one core: a server under measurement, and what loads it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import urllib.request
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.support.processes import line_of

SERVER_CPU, LOAD_CPU = 1, 0
FARM = str(Path(__file__).parents[1] / "bench" / "headset_farm.py")
LOAD = str(Path(__file__).with_name("push_load.py"))


@contextlib.asynccontextmanager
async def process(*arguments: str, cpu: int) -> AsyncIterator[Process]:
    """Run Python on one core, and end it with the context."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    os.sched_setaffinity(started.pid, {cpu})  # before it starts threads, which inherit it
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGCONT)
            started.terminate()
        await started.communicate(b"")


async def ask(load: asyncio.subprocess.Process) -> dict[str, Any]:
    """Return the subscribers' figures since the last call."""
    assert load.stdin is not None
    load.stdin.write(b"\n")
    await load.stdin.drain()
    return dict(json.loads(await line_of(load)))


async def live(address: str) -> int:
    def get() -> int:
        with urllib.request.urlopen(f"{address}v1/headsets") as response:
            return sum(headset["state"] == "live" for headset in json.load(response))

    return await asyncio.to_thread(get)


def stream(address: str) -> str:
    return f"{address.replace('http', 'ws', 1)}v1/stream"


@contextlib.asynccontextmanager
async def subscribers(url: str, count: int, kind: str = "own") -> AsyncIterator[Process]:
    async with process(LOAD, "subscribe", url, str(count), kind, cpu=LOAD_CPU) as load:
        async with asyncio.timeout(60):
            assert await line_of(load) == "connected"
        yield load
