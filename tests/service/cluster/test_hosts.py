"""Ingests, gateways and the broker on hosts of their own, whose links are cut."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import secrets
import socket
import subprocess
import sys
import uuid
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.browser import background, first_line, program
from tests.support.waiting import until
from tests.support.watch import Watch, has_more, is_lost, is_whole

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ONE, TWO = "simulated-2026-1", "simulated-2026-2"
CLONE_NEWNET = 0x40000000


def ip(*words: str) -> None:
    command = ("ip", *words)
    subprocess.run(command, check=True, capture_output=True, text=True)


class Lan:
    """Hosts on one switch, each a network namespace with an address of its own."""

    def __init__(self) -> None:
        self._name = f"eeg-{secrets.token_hex(3)}"
        self._spaces = [f"{self._name}-switch"]
        self.addresses: dict[str, str] = {}
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self._switch, "link", "set", "br0", "up")

    @property
    def _switch(self) -> str:
        return self._spaces[0]

    def _space(self, host: str) -> str:
        return f"{self._name}-{host}"

    def add(self, host: str) -> None:
        space = self._space(host)
        self.addresses[host] = f"10.77.0.{len(self._spaces)}"
        ip("netns", "add", space)
        self._spaces.append(space)
        ends = ("link", "add", "eth0", "netns", space, "type", "veth")
        ip(*ends, "peer", "name", host, "netns", self._switch)
        ip("-n", self._switch, "link", "set", host, "master", "br0", "up")
        ip("-n", space, "addr", "add", f"{self.addresses[host]}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        ip("-n", space, "link", "set", "lo", "up")

    def cut(self, host: str) -> None:
        ip("-n", self._switch, "link", "set", host, "down")

    def mend(self, host: str) -> None:
        ip("-n", self._switch, "link", "set", host, "up")

    def remove(self) -> None:
        for space in self._spaces:
            ip("netns", "del", space)

    def run(
        self, host: str, *command: str, stdout: int = PIPE
    ) -> contextlib.AbstractAsyncContextManager[Process]:
        return program("ip", "netns", "exec", self._space(host), *command, stdout=stdout)

    def dial(self, host: str, address: str) -> socket.socket:
        """Connect as that host would."""

        def connect() -> socket.socket:
            # Of this thread alone, which ends with it; the socket stays where it was made.
            with Path("/run/netns", self._space(host)).open() as space:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(space.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            where = urlsplit(address)
            return socket.create_connection((where.hostname, where.port), timeout=60)

        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(connect).result()

    @contextlib.asynccontextmanager
    async def watch(
        self, address: str, resume: dict[str, dict[str, Any]] | None = None
    ) -> AsyncIterator[Watch]:
        watch = Watch()
        dialled = self.dial("viewer", address)
        async with background(watch.listen(address, resume, sock=dialled)):
            yield watch


@pytest.fixture
def lan() -> Iterator[Lan]:
    made = Lan()
    try:
        for host in ("broker", "i1", "i2", "g1", "g2", "viewer"):
            made.add(host)
        yield made
    finally:
        made.remove()


async def test_a_host_that_is_cut_off_is_reported_and_its_predictions_of_that_time_are_recovered(
    lan: Lan, nats_server: str, tmp_path: Path
) -> None:
    """Two ingests and two gateways; first an ingest's link is cut, then a gateway's."""
    bus = ("--bus", f"nats://{lan.addresses['broker']}:4222", "--hop-seconds", "0.5")
    session = f"hosts-{uuid.uuid4().hex}"
    python = (sys.executable, "-m", "eeg_emotion")

    async def ingest(number: int) -> None:
        host = f"i{number}"
        await stack.enter_async_context(
            lan.run(
                host, *python, "ingest", "--quiet", "--port", "0", *bus, "--site", "here",
                "--name", host, "--session-id", session,
                "--event-store", f"sqlite:///{tmp_path / host}.db",
            )
        )  # fmt: skip
        replay = ("replay", "--simulate", str(number), "--session-id", session)
        await stack.enter_async_context(lan.run(host, *python, *replay, stdout=DEVNULL))

    async def gateway(host: str) -> str:
        where = ("--host", lan.addresses[host], "--allow-open", "--port", "0")
        running = await stack.enter_async_context(
            lan.run(host, *python, "gateway", "--quiet", *where, *bus)
        )
        return await first_line(running.stdout, "ready ")

    async with contextlib.AsyncExitStack() as stack:
        broker = lan.run("broker", nats_server, "-a", lan.addresses["broker"], stdout=DEVNULL)
        await stack.enter_async_context(broker)
        async with asyncio.timeout(100):
            _, _, first, second = await asyncio.gather(
                ingest(1), ingest(2), gateway("g1"), gateway("g2")
            )
        async with lan.watch(first) as one, lan.watch(second) as two:
            for watch in (one, two):
                await until(partial(has_more, watch, {ONE: 2, TWO: 2}), 100)
            stood = one.newest()

            lan.cut("i1")
            for watch in (one, two):
                await until(partial(is_lost, watch, ONE))
            before = len(two.of(TWO))
            lan.mend("i1")
            for watch in (one, two):
                await until(partial(has_more, watch, {ONE: len(watch.of(ONE))}), 100)
            assert len(two.of(TWO)) > before
            for watch in (one, two):
                assert is_whole(watch.of(TWO))
                assert {reported[1] for reported in watch.states if reported[0] == TWO} <= {
                    "connecting",
                    "live",
                }

            # Those of a gateway that is cut off go to the other, and miss nothing of all this.
            lan.cut("g1")
            async with lan.watch(second, stood) as moved:
                await until(lambda: moved.of(ONE) and moved.of(TWO))
            reported = {each["headset"]: each["recovered"] for each in moved.subscribed}
            assert reported == {ONE: True, TWO: True, "*": None}
            for headset in (ONE, TWO):
                place = stood[headset]
                assert is_whole([(place["epoch"], place["seq"]), *moved.of(headset)])
