"""Two ingests and two gateways over a real broker; each of them is killed once.

The tests share them: each begins with all of them alive, whatever the one before has killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.support.broker import Broker
from tests.support.browser import background, first_line, program
from tests.support.headset import headset_process
from tests.support.waiting import until
from tests.support.watch import Watch, has_more, is_whole

from eeg_emotion.recordings.simulation import SimulatedPerson

# The first test starts them all.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

HOP = ("--hop-seconds", "0.5")
AWAY = 5.0


@dataclass
class Site:
    """The processes, by name."""

    broker: Broker
    session: str
    folder: Path
    stack: contextlib.AsyncExitStack
    processes: dict[str, Process] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    async def start(self, name: str, role: str, *options: str) -> None:
        command = (sys.executable, "-m", "eeg_emotion", role, "--quiet", "--port", "0", *options)
        bus = ("--bus", self.broker.url, *HOP)
        process = await self.stack.enter_async_context(program(*command, *bus, stdout=PIPE))
        self.processes[name] = process
        self.addresses[name] = await first_line(process.stdout, "ready ")

    async def ingest(self, number: int) -> None:
        store = f"sqlite:///{self.folder / f'events-{number}.db'}"
        await self.start(
            f"i{number}", "ingest", "--site", "here", "--name", f"i{number}",
            "--session-id", self.session, "--match", f"simulated-2026-{number}",
            "--event-store", store,
        )  # fmt: skip

    async def gateway(self, number: int) -> None:
        await self.start(f"g{number}", "gateway")

    async def be_whole(self) -> None:
        """Start what is not there, and wait until both gateways have both headsets."""
        dead = [name for name in ("i1", "i2", "g1", "g2") if self.is_dead(name)]
        roles = {"i": self.ingest, "g": self.gateway}
        await asyncio.gather(*(roles[name[0]](int(name[1])) for name in dead))
        for name in ("g1", "g2"):
            await self.ready(name)
            await self.live(name)

    def is_dead(self, name: str) -> bool:
        return name not in self.processes or self.processes[name].returncode is not None

    async def live(self, name: str) -> None:
        """Wait until both headsets are live at a gateway."""
        async with httpx.AsyncClient(base_url=self.addresses[name]) as client, asyncio.timeout(100):
            states: list[str] = []
            while states != ["live", "live"]:
                found = (await client.get("/v1/headsets")).json()
                states = [headset["state"] for headset in found]
                await asyncio.sleep(0.05)

    async def ready(self, name: str) -> None:
        """Wait as a balancer would."""
        async with httpx.AsyncClient(base_url=self.addresses[name]) as client, asyncio.timeout(100):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def kill(self, name: str) -> None:
        os.killpg(self.processes[name].pid, signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def watch(
        self, name: str, resume: dict[str, dict[str, Any]] | None = None
    ) -> AsyncIterator[Watch]:
        watch = Watch()
        async with background(watch.listen(self.addresses[name], resume)):
            yield watch


ONE, TWO = "simulated-2026-1", "simulated-2026-2"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    nats_server: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """Two ingests with a headset each, and two gateways."""
    folder = tmp_path_factory.mktemp("roles")
    broker = Broker(nats_server, folder)
    person = SimulatedPerson(5, 1).run(0, 128.0).next(60 * 128, 0.5, -0.5)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(broker.kill)
        broker.start()
        site = Site(broker, f"roles-{uuid.uuid4().hex}", folder, stack)
        for source_id in (ONE, TWO):
            stack.enter_context(headset_process(site.session, source_id, person))
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def site(started: Site) -> Site:
    """The same for each test, with all of it alive."""
    await started.be_whole()
    return started


async def test_a_gateway_that_is_killed_costs_its_subscribers_nothing(site: Site) -> None:
    async with site.watch("g1") as first, site.watch("g2") as second:
        await until(lambda: len(first.of(ONE)) > 2 and len(first.of(TWO)) > 2, 100)
        site.kill("g1")
        await until(lambda: first.over)
        stood = first.newest()
        async with site.watch("g2", stood) as moved:
            await until(lambda: len(moved.of(ONE)) > 3 and len(moved.of(TWO)) > 3)
        reported = {each["headset"]: each["recovered"] for each in moved.subscribed}
        assert reported[ONE] is True
        assert reported[TWO] is True
        for headset in (ONE, TWO):
            assert is_whole(first.of(headset) + moved.of(headset))
            assert is_whole(second.of(headset))
        assert {state for _, state, _ in second.states} <= {"connecting", "live"}


async def test_an_ingest_that_is_killed_loses_its_own_headsets_alone(site: Site) -> None:
    async with site.watch("g1") as watch:
        await until(lambda: len(watch.of(ONE)) > 2 and len(watch.of(TWO)) > 2, 100)
        stood = watch.newest()
        site.kill("i1")
        lost = (ONE, "lost")
        await until(lambda: lost in [reported[:2] for reported in watch.states], AWAY + 10)
        detail = next(reported[2] for reported in watch.states if reported[:2] == lost)
        assert "until the ingest 'i1' of the site 'here' is back" in detail
        before = len(watch.of(TWO))
        await site.ingest(1)
        epoch = watch.of(ONE)[-1][0]
        await until(lambda: watch.of(ONE)[-1][0] != epoch, 100)
        assert len(watch.of(TWO)) > before
        assert is_whole(watch.of(TWO))
        assert (TWO, "lost") not in [reported[:2] for reported in watch.states]
        # Whether the last one before its death arrived cannot be known.
        async with site.watch("g2", stood) as moved:
            await until(lambda: len(moved.subscribed) >= 2)
        reported = {each["headset"]: each["recovered"] for each in moved.subscribed}
        assert reported[ONE] is False
        assert reported[TWO] is True


async def test_a_broker_that_is_killed_costs_no_prediction(site: Site) -> None:
    async with site.watch("g1") as watch:
        await until(lambda: len(watch.of(ONE)) > 2 and len(watch.of(TWO)) > 2, 100)
        stood = watch.newest()
        site.broker.kill()
        lost = {(ONE, "lost"), (TWO, "lost")}
        await until(lambda: lost <= {reported[:2] for reported in watch.states}, AWAY + 10)
        assert "until the broker is back" in watch.states[-1][2]
        before = len(watch.of(ONE))
        site.broker.start()
        await until(lambda: len(watch.of(ONE)) > before + 1 and watch.states[-1][1] == "live")
        assert is_whole(watch.of(ONE)), "those who stayed get what was made meanwhile"
        # What was made meanwhile is available on request, without a hole.
        async with site.watch("g1", stood) as again, site.watch("g2", stood) as moved:
            for resumed in (again, moved):
                await until(partial(has_more, resumed, {ONE: 0, TWO: 0}))
                stated = {each["headset"]: each["recovered"] for each in resumed.subscribed}
                assert stated == {ONE: True, TWO: True, "*": None}
                for headset in (ONE, TWO):
                    place = stood[headset]
                    assert is_whole([(place["epoch"], place["seq"]), *resumed.of(headset)])


async def test_a_gateway_has_each_ingest_answer_for_its_own_until_it_is_upgraded(
    site: Site,
) -> None:
    async with site.watch("g1") as watch:
        await until(lambda: watch.of(ONE) and watch.of(TWO), 100)
    async with httpx.AsyncClient(base_url=site.addresses["g1"]) as client:
        for headset in (ONE, TWO):
            quality = (await client.get(f"/v1/headsets/{headset}/quality")).json()
            assert quality["headset"] == headset
            assert len(quality["channels"]) == 32
            baseline = await client.get(f"/v1/headsets/{headset}/baseline")
            assert baseline.json()["state"] == "none"
            # A refusal is the ingest's own.
            refused = await client.put(f"/v1/headsets/{headset}/baseline", json={"profile": "p07"})
            assert (refused.status_code, refused.json()["detail"]) != (502, "")
        several = await client.get("/v1/rules")
        assert several.status_code == 409
        assert "here/i1, here/i2" in several.json()["detail"]
        rules = await client.get("/v1/rules", params={"ingest": "here/i2"})
        assert rules.json() == {"rules": []}
        page = await client.get("/")
        assert page.status_code == 200
        ready = await client.get("/readyz", params={"verbose": ""})
        assert ready.json()["checks"]["broker"]["ok"] is True
        metrics = await client.get("/metrics")
        assert "emotion_broker_ingests 2.0" in metrics.text
    async with httpx.AsyncClient(base_url=site.addresses["i1"]) as client:
        while (await client.get("/livez")).status_code != 200:
            pass  # a busy machine may hold up the event loop for a moment
        assert (await client.get("/readyz")).status_code == 200
        assert "emotion_broker_connected 1.0" in (await client.get("/metrics")).text
        assert (await client.get("/v1/headsets")).status_code == 404
    # It drains, and a new one takes over what it had.
    async with site.watch("g1") as watch:
        await until(lambda: watch.of(ONE) and watch.of(TWO))
        site.processes["g1"].terminate()
        await until(lambda: watch.over)
    assert await asyncio.wait_for(site.processes["g1"].wait(), 60) == 0
    await site.gateway(3)
    await site.ready("g3")
    async with site.watch("g3", watch.newest()) as moved:
        await until(lambda: moved.of(ONE) and moved.of(TWO))
    reported = {each["headset"]: each["recovered"] for each in moved.subscribed}
    assert reported == {ONE: True, TWO: True, "*": None}
    for headset in (ONE, TWO):
        assert is_whole(watch.of(headset) + moved.of(headset))
    site.kill("g3")
