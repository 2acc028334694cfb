"""The service as a process: it starts, announces its end, and refuses bad settings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from tests.support.command import assert_refused, command
from tests.support.processes import line_of
from tests.support.replay import playing

from eeg_emotion.daemon import preparation, roles
from eeg_emotion.daemon.process import allow_many_files, caps_of_arrivals, room_for
from eeg_emotion.eeg.caps import CAPS
from eeg_emotion.recordings.simulation import simulated_recording
from eeg_emotion.settings import Settings
from eeg_emotion.stream.selection import HeadsetFilter

resource = pytest.importorskip("resource", reason="it stops processes by POSIX signals")

pytestmark = pytest.mark.slow

Start = Callable[..., Awaitable[tuple[Process, str]]]


ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start `eeg-emotion serve` and return the process and its first line."""
    processes = []

    async def run(*arguments: str) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "eeg_emotion", "serve", "--session-id", secrets.token_hex(8),
            *arguments, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        processes.append(process)
        return process, await line_of(process)

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_ctrl_c_ends_it_cleanly_and_subscribers_are_notified(
    start: Start, model_file: ModelFile, lsl_session: str
) -> None:
    """Over LSL and real sockets: a model that is always unsure of arousal and never of valence.

    1. A headset, until an estimate is valid. 2. Ctrl-C. Result: the unsure estimate was served with
    its probability; the subscriber is notified of the end, and the shutdown is orderly.
    """

    def change(fields: dict[str, Any]) -> None:
        for target in fields["targets"]:
            always = target["name"] == "arousal"
            target["calibration"]["unsure"] = [0.0, 1.0] if always else [0.5, 0.5]

    headset = simulated_recording(2026, 7)
    options = ("--session-id", lsl_session, "--match", headset.source_id)
    process, line = await start("--port", "0", "--model", str(model_file(change)), *options)
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream?headset=*"
    async with (
        asyncio.timeout(100),
        websockets.connect(stream, proxy=None) as subscriber,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        assert json.loads(await subscriber.recv())["type"] == "welcome"
        assert json.loads(await subscriber.recv())["type"] == "subscribed"
        async with playing(headset, speed=4.0):
            reported: dict[str, Any] = {}
            while not reported.get("valid"):
                reported = json.loads(await subscriber.recv())
            answer = await client.get(f"v1/headsets/{reported['headset']}/prediction")
        for prediction in (reported, answer.json()):
            assert (prediction["valid"], prediction["reasons"]) == (True, [])
            assert prediction["arousal"]["label"] == "unsure"
            assert 0 < prediction["arousal"]["probability"] < 1
            side = "high" if prediction["valence"]["probability"] > 0.5 else "low"
            assert prediction["valence"]["label"] == side

        process.send_signal(signal.SIGINT)
        while json.loads(await subscriber.recv())["type"] != "going_away":
            pass
        with pytest.raises(websockets.ConnectionClosed):
            async for _ in subscriber:
                pass
        assert subscriber.close_code == 4001
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()


def deaf_subscriber(address: str) -> socket.socket:
    """Connect a subscriber that reads nothing and answers no close."""
    url = httpx.URL(address)
    deaf = socket.create_connection((url.host, url.port))
    deaf.sendall(
        f"GET /v1/stream HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert deaf.recv(12) == b"HTTP/1.1 101"
    return deaf


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [50, pytest.param(500, marks=pytest.mark.needs("time"))])
async def test_subscribers_are_disconnected_one_by_one(start: Start, count: int) -> None:
    """1. SIGTERM. 2. `/readyz` refuses new subscribers, `/livez` still succeeds.

    Result: all are notified, their closes are spread over time, and the shutdown is orderly, though
    one of them does not read.
    """
    process, line = await start("--port", "0", "--quiet")
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream"
    loop = asyncio.get_running_loop()

    async def listen(connected: asyncio.Event) -> tuple[float, int]:
        async with websockets.connect(stream, proxy=None) as subscriber:
            await subscriber.recv()
            connected.set()
            reported = json.loads(await subscriber.recv())
            assert reported["type"] == "going_away"
            await subscriber.wait_closed()
            assert subscriber.close_code == 4001
            return loop.time(), reported["reconnect_after_ms"]

    async with asyncio.timeout(250), httpx.AsyncClient(base_url=address, trust_env=False) as http:
        events = [asyncio.Event() for _ in range(count)]
        listening = []
        for number in range(0, count, 50):  # as many at once as a listener's backlog holds easily
            part = events[number : number + 50]
            listening += [asyncio.create_task(listen(event)) for event in part]
            await asyncio.gather(*(event.wait() for event in part))
        assert (await http.get("/readyz")).status_code == 200
        with deaf_subscriber(address):
            began = loop.time()
            process.send_signal(signal.SIGTERM)
            while (await http.get("/readyz")).status_code == 200:
                pass
            while (await http.get("/livez")).status_code != 200:
                pass  # a busy machine may hold up the event loop for a moment
            reported = await asyncio.gather(*listening)
            async with asyncio.timeout(35):  # without a ping's help, which comes after 40 s
                _, errors = await process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()
    # None is early; spread evenly, there are 100 a second.
    for seconds in range(1, 5):
        assert sum(end - began < seconds for end, _ in reported) < 150 * seconds
    assert len({again for _, again in reported}) > 0.6 * count


@pytest.mark.needs("time")
async def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    process, line = await start("--port", "0")
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream"
    async with asyncio.timeout(100), contextlib.AsyncExitStack() as stack:
        # With so many, going one by one takes three seconds.
        subscribers = [
            await stack.enter_async_context(websockets.connect(stream, proxy=None))
            for _ in range(300)
        ]
        await subscribers[0].recv()
        process.send_signal(signal.SIGTERM)
        assert json.loads(await subscribers[0].recv())["type"] == "going_away"
        process.send_signal(signal.SIGTERM)
        await process.wait()
    # By the signal itself, without an orderly shutdown.
    assert process.returncode == -signal.SIGTERM


async def test_a_port_in_use_is_named_with_the_remedy(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process, line = await start("--port", str(port))
        _, errors = await process.communicate()
    assert line == ""
    assert process.returncode == 1
    said = " ".join(errors.decode().split())
    assert f"cannot listen on 127.0.0.1 port {port}" in said
    assert "--port" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hop-seconds", "6"), ("found hop_seconds = 6", "the model's window of 5 s")),
        (("--cap", "easycap"), ("found the cap 'easycap', expected one of biosemi32",)),
        (("--model", "nowhere/model.onnx"), ("cannot read the model nowhere/model.onnx",)),
    ],
)
def test_impossible_settings_are_refused_before_the_port_is_opened(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    monkeypatch.delattr(preparation, "listen")
    assert_refused(command("serve", "--port", "0", *options), 1, *words)


def test_options_choose_the_headsets_and_the_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(roles, "serve", lambda settings, announce: served.append(settings))
    options = ["--match", "ward-*", "--match", "Muse?", "--cap", "biosemi32"]
    assert command("serve", *options).returncode == 0
    assert command("serve").returncode == 0
    assert served[0].headset_filter() == HeadsetFilter(("ward-*", "Muse?"), CAPS["biosemi32"])
    assert served[1].headset_filter() == HeadsetFilter()


@pytest.mark.parametrize(("files", "expected"), [(16384, 4000), (1024, 412), (-1, 4000), (100, 1)])
def test_connections_never_take_the_last_open_files(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, files: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (files, files))
    assert room_for(4000) == expected
    assert ("fewer connections than set" in caplog.text) == (expected < 4000)


@pytest.mark.parametrize(
    ("files", "expected"), [(16384, (200, 800)), (1024, (128, 256)), (-1, (200, 800)), (3, (1, 1))]
)
def test_nor_do_connections_that_are_no_subscribers(
    monkeypatch: pytest.MonkeyPatch, files: int, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (files, files))
    assert caps_of_arrivals() == expected


def test_without_a_limit_of_open_files_all_connections_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    allow_many_files()
    assert room_for(4000) == 4000
    assert caps_of_arrivals() == (200, 800)


def test_a_limit_that_cannot_be_raised_is_left_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(limit: int, wanted: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")  # as macOS may do

    monkeypatch.setattr(resource, "getrlimit", lambda limit: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    allow_many_files()
