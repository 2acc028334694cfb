"""`calibrate` and `profiles` as users see them, against a real server in this process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.alarms import alarms_in
from tests.support.pipeline import FakePipeline
from tests.support.service import FakeHeadsets, FakeStream, Service, WatchedBus
from typer.testing import CliRunner

from eeg_emotion.api.server import make_server
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.cli.main import app
from eeg_emotion.codes import Reason, State
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    Headset,
    Latency,
    Prediction,
    Score,
    WindowSpan,
)

SFREQ = 128
SETTLE = 3


class WatchedBaselines(Baselines):
    """Baselines that count requests, so that a test can wait for them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.begun, self.asked = asyncio.Event(), asyncio.Event()

    def begin(self, identifier: str, seconds: int, profile: str | None) -> Baseline:
        self.begun.set()
        return super().begin(identifier, seconds, profile)

    def baseline(self, identifier: str) -> Baseline:
        self.asked.set()
        return super().baseline(identifier)


async def until(event: asyncio.Event) -> None:
    async with asyncio.timeout(100):
        await event.wait()


class Running(FakeHeadsets):
    """A service whose headsets and samples a test provides."""

    def __init__(self, model: Model, folder: Path, signal: NDArray[np.float64]) -> None:
        super().__init__()
        self.signal = signal
        self.url = ""
        self.bus = WatchedBus()
        self.store = ProfileStore(folder)
        self.baselines = WatchedBaselines(
            model, self.bus, self.store,
            # However slow this machine is, no collection times out.
            clock=lambda: 0.0, utc=time.time, random=Random(5),
        )  # fmt: skip
        self.baselines.attach(self)
        alarms = alarms_in(folder, self.bus)
        self.service = Service(model, self, self.bus, self.baselines, *alarms)

    def headsets(self) -> tuple[Headset, ...]:
        return tuple(
            Headset(id=name, name=name, state=State.LIVE, detail="here", simulated=True,
                    epoch="e0", sfreq=128.0)
            for name in self.streams
        )  # fmt: skip

    def headset(self, identifier: str) -> Headset | None:
        return next((item for item in self.headsets() if item.id == identifier), None)

    async def rest(self, identifier: str = "h1", *, bad: bool = False) -> None:
        """Provide seconds of rest once a collection starts, until it has ended."""
        await until(self.baselines.begun)
        self.bus.publish(self.prediction(identifier, 0, Reason.NO_BASELINE))
        pipeline = self.streams[identifier].pipeline
        for number in range(20 + SETTLE):
            if number == 10:
                self.baselines.asked.clear()
                await until(self.baselines.asked)
            part = self.signal[:, number * SFREQ : (number + 1) * SFREQ]
            pipeline.rest.feed(part * np.nan if bad else part)
            self.baselines.on_samples(identifier, None)
        self.baselines.on_samples(identifier, self.prediction(identifier, 1))

    def prediction(self, identifier: str, seq: int, *reasons: Reason) -> Prediction:
        now = time.time() + 60 * seq  # one before the baseline is applied, one after
        score = Score(probability=None if reasons else 0.71, label=None if reasons else "high")
        return Prediction(
            headset=identifier, epoch="e0", seq=seq, window=WindowSpan(start=now - 5, end=now),
            arousal=score, valence=score, valid=not reasons, reasons=reasons, quality=1.0,
            latency_ms=Latency(
                resampler=0, filter=60, arrival=0, path=0, inference=0, total=0
            ),
            model="m 1",
        )  # fmt: skip


@pytest.fixture
async def running(
    adapted: Callable[..., Model],
    tmp_path: Path,
    rest_signal: NDArray[np.float64],
    fake_pipeline: FakePipeline,
) -> AsyncIterator[Running]:
    service = Running(adapted(rest=True), tmp_path / "profiles", rest_signal)
    service.streams["h1"] = FakeStream(fake_pipeline)
    server = make_server(service.service)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service.url = "http://{}:{}".format(*listener.getsockname())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            await server.answering.wait()
            yield service
            server.should_exit = True


async def start(*arguments: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "eeg_emotion", *arguments,
        stdout=PIPE, stderr=PIPE, env=os.environ | {"COLUMNS": "400"} | environment,
    )  # fmt: skip


async def end(process: Process) -> tuple[int, str, str]:
    """Return the exit status, standard output and standard error."""
    try:
        async with asyncio.timeout(100):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert b"Traceback" not in errors
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """Make the processes that a test starts receive Ctrl-C, however the tests were started.

    A shell without job control, as of a script, has its background commands ignore it, and so does
    what they start.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command in a thread of this process, which takes a tenth of the time."""
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    if isinstance(done.exception, EegEmotionError):
        return 1, done.stdout, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


async def test_the_only_live_headset_is_calibrated_with_before_and_after(running: Running) -> None:
    # On a terminal the bar moves; elsewhere its final state is printed.
    process = await start(
        "calibrate", "--seconds", "20", "--profile", "p07", "--url", running.url, FORCE_COLOR="1"
    )
    await running.rest()
    status, output, errors = await end(process)
    assert status == 0
    first, before, after = output.splitlines()
    assert first.startswith("h1: profile p07 is in use: 20 s of clean rest")
    assert before == "before  no score: no_baseline"
    assert after == "after   arousal 0.71 high  valence 0.71 high"
    assert "7 of 20 s of clean rest; not counted: 3 s filters settling" in errors
    assert running.store.names() == ("p07",)


async def test_the_result_is_printed_as_json_and_nothing_else(running: Running) -> None:
    running.streams["h2"] = running.streams["h1"]
    rest = asyncio.create_task(running.rest("h2"))
    status, output, errors = await run(
        "calibrate", "h2", "--seconds", "20", "--json", "--url", running.url
    )
    await rest
    assert (status, errors) == (0, "")
    done = Baseline.model_validate_json(output)
    assert (done.headset, done.state, done.clean_seconds) == ("h2", BaselineState.APPLIED, 20)
    assert done.before is not None
    assert done.after is not None
    assert (done.before.seq, done.after.seq) == (0, 1)
    assert running.store.names() == (done.profile,)


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_failed_collection_is_reported_with_the_reasons(
    running: Running, as_json: bool
) -> None:
    options = ("--json",) if as_json else ()

    async def lose() -> None:
        await running.rest(bad=True)
        running.baselines.lost("h1")

    losing = asyncio.create_task(lose())
    status, output, errors = await run(
        "calibrate", "--seconds", "20", "--url", running.url, *options
    )
    await losing
    assert status == 1
    assert "the headset was lost" in (output if as_json else errors)
    if as_json:
        refused = json.loads(output)["refused"]
        assert refused == {"warming_up": SETTLE, "out_of_range": 20}
    else:
        assert output == ""


@pytest.mark.usefixtures("_ctrl_c_is_heard")
async def test_ctrl_c_cancels_the_collection(running: Running) -> None:
    process = await start("calibrate", "--seconds", "20", "--url", running.url)
    await until(running.baselines.begun)
    await until(running.baselines.asked)
    process.send_signal(signal.SIGINT)
    status, output, errors = await end(process)
    assert (status, output) == (1, "")
    assert "interrupted; the collection was cancelled; no profile is in use" in errors
    assert running.streams["h1"].pipeline.rest is None
    assert running.store.names() == ()


@pytest.mark.parametrize("count", [0, 2])
async def test_a_headset_must_be_named_unless_one_is_live(running: Running, count: int) -> None:
    line = running.streams.pop("h1")
    running.streams |= {f"x{number}": line for number in range(count)}
    status, output, errors = await run("calibrate", "--url", running.url)
    assert (status, output) == (1, "")
    assert f"found {count} live headsets" in errors
    assert "name the headset's id" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("calibrate", "h9"), "found no headset 'h9'; /v1/headsets lists them"),
        (("calibrate", "--seconds", "5"), "expected 20 to 600 s"),
        (("calibrate", "--profile", "Anna"), "never the person's own name"),
        (("profiles", "use", "p09"), "found no profile 'p09'; known: none"),
        (("profiles", "delete", "p09"), "found no profile 'p09'; known: none"),
    ],
)
async def test_the_services_refusal_is_shown_verbatim(
    running: Running, arguments: tuple[str, ...], said: str
) -> None:
    status, output, errors = await run(*arguments, "--url", running.url)
    assert (status, output) == (1, "")
    assert said in errors


async def test_profiles_are_listed_used_and_deleted(running: Running) -> None:
    listed = await run("profiles", "list", "--url", running.url)
    assert listed == (0, "no profiles are stored; 'eeg-emotion calibrate' makes one\n", "")
    running.baselines.begin("h1", 20, "p07")
    running.streams["h1"].pipeline.rest.feed(running.signal[:, : (20 + SETTLE) * SFREQ])
    running.baselines.on_samples("h1", None)
    other = running.store.load("p07").model_copy(update={"name": "p08", "model_sha256": "f" * 64})
    running.store.save(other)
    (running.store.folder / "p09.json").write_text("{")

    status, output, errors = await run("profiles", "list", "--url", running.url)
    assert status == 0
    seven, eight = output.splitlines()
    assert seven.startswith("p07: 20 s of clean rest, ")
    assert "p08 was made for the model" in eight
    assert errors.startswith("p09: ")
    status, output, _ = await run("profiles", "list", "--json", "--url", running.url)
    assert [item["name"] for item in json.loads(output)["profiles"]] == ["p07", "p08"]

    status, output, _ = await run("profiles", "use", "p07", "--url", running.url)
    assert status == 0
    assert output.startswith("h1: profile p07 is in use")
    status, _, errors = await run("profiles", "delete", "p07", "--url", running.url)
    assert status == 1
    assert "in use by headset h1" in errors
    deleted = await run("profiles", "delete", "p08", "--url", running.url)
    assert deleted == (0, "profile p08 is deleted\n", "")
    assert running.store.names() == ("p07", "p09")


async def test_without_a_service_the_remedy_is_printed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    status, output, errors = await run("profiles", "list", "--url", f"http://127.0.0.1:{port}")
    assert (status, output) == (1, "")
    assert f"found no eeg-emotion service at http://127.0.0.1:{port}" in errors
    assert "start it with 'eeg-emotion serve'" in errors


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "file:///etc/hosts", "http://"])
async def test_an_invalid_url_is_refused_with_an_example(url: str) -> None:
    status, _, errors = await run("profiles", "list", "--url", url)
    assert status == 1
    assert "expected one such as http://127.0.0.1:8000" in errors


@pytest.mark.parametrize(
    "arguments", [("calibrate", "--seconds", "0"), ("profiles", "use"), ("profiles", "show")]
)
async def test_wrong_usage_has_its_own_exit_status(arguments: tuple[str, ...]) -> None:
    status, _, _ = await run(*arguments)
    assert status == 2
