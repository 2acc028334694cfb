"""The daemon as a process: it starts, says goodbye, and refuses what it cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import secrets
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from typer.testing import CliRunner

from eeg_emotion.cli import main as cli
from eeg_emotion.cli import serve as cli_serve
from eeg_emotion.daemon import roles
from eeg_emotion.daemon.process import room_for
from eeg_emotion.eeg.caps import CAPS
from eeg_emotion.line.reception import Reception
from eeg_emotion.settings import Settings

Start = Callable[..., "asyncio.Future[tuple[Process, str]]"]


ModelFile = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start `eeg-emotion serve` and give the process and its first line."""
    processes = []

    async def run(*arguments: str) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "eeg_emotion", "serve", "--session-id", secrets.token_hex(8),
            *arguments, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        processes.append(process)
        return process, (await process.stdout.readline()).decode().strip()

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_and_subscribers_are_told(
    start: Start, number: signal.Signals
) -> None:
    process, line = await start("--port", "0")
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream?headset=*"
    async with websockets.connect(stream) as subscriber:
        assert json.loads(await subscriber.recv())["type"] == "welcome"
        assert json.loads(await subscriber.recv())["type"] == "subscribed"
        process.send_signal(number)
        assert json.loads(await subscriber.recv())["type"] == "going_away"
        with pytest.raises(websockets.ConnectionClosed):
            await subscriber.recv()
        assert subscriber.close_code == 4001
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()


@pytest.mark.timeout(300)
async def test_500_subscribers_are_sent_away_one_by_one(start: Start) -> None:
    """1. SIGTERM. 2. `/readyz` says that no more should come, `/livez` that it lives.

    Result: all are told, their closes are spread, and the exit is in order.
    """
    process, line = await start("--port", "0", "--quiet")
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream"
    loop = asyncio.get_running_loop()

    async def listen(connected: asyncio.Event) -> tuple[float, int]:
        async with websockets.connect(stream, proxy=None) as subscriber:
            await subscriber.recv()
            connected.set()
            told = json.loads(await subscriber.recv())
            assert told["type"] == "going_away"
            await subscriber.wait_closed()
            assert subscriber.close_code == 4001
            return loop.time(), told["reconnect_after_ms"]

    async with asyncio.timeout(250), httpx.AsyncClient(base_url=address, trust_env=False) as http:
        events = [asyncio.Event() for _ in range(500)]
        listening = []
        for number in range(0, 500, 50):  # as many at once as a listener's queue holds easily
            part = events[number : number + 50]
            listening += [asyncio.create_task(listen(event)) for event in part]
            await asyncio.gather(*(event.wait() for event in part))
        assert (await http.get("/readyz")).status_code == 200
        began = loop.time()
        process.send_signal(signal.SIGTERM)
        while (await http.get("/readyz")).status_code == 200:
            pass
        assert (await http.get("/livez")).status_code == 200
        told = await asyncio.gather(*listening)
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()
    # None before its time, of which there are 100 a second, were they spread evenly.
    for seconds in range(1, 5):
        assert sum(end - began < seconds for end, _ in told) < 150 * seconds
    assert len({again for _, again in told}) > 300


async def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    process, line = await start("--port", "0")
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream"
    async with contextlib.AsyncExitStack() as stack:
        # With so many, going one by one takes five seconds.
        subscribers = [
            await stack.enter_async_context(websockets.connect(stream)) for _ in range(300)
        ]
        await subscribers[0].recv()
        process.send_signal(signal.SIGTERM)
        assert json.loads(await subscribers[0].recv())["type"] == "going_away"
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 60)
    # By the signal itself, and not in order.
    assert process.returncode == -signal.SIGTERM


async def test_a_subscriber_that_does_not_read_cannot_hold_up_the_exit(start: Start) -> None:
    process, line = await start("--port", "0")
    host, port = line.split("//")[1].rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as deaf:
        deaf.sendall(
            f"GET /v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert deaf.recv(12) == b"HTTP/1.1 101"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(35):  # without a ping's help, which comes after 40 s
            _, errors = await process.communicate()
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()


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


async def test_a_hop_longer_than_the_window_is_refused_before_the_port_is_taken(
    start: Start,
) -> None:
    process, _ = await start("--port", "0", "--hop-seconds", "6")
    _, errors = await process.communicate()
    assert process.returncode == 1
    said = " ".join(errors.decode().split())
    assert "found hop_seconds = 6" in said
    assert "the model's window of 5 s" in said
    assert "Traceback" not in said


async def test_a_cap_that_is_not_known_is_refused_before_anything_runs(start: Start) -> None:
    process, line = await start("--port", "0", "--cap", "easycap")
    _, errors = await process.communicate()
    assert (line, process.returncode) == ("", 1)
    assert "found the cap 'easycap', expected one of biosemi32" in " ".join(errors.decode().split())


def test_the_command_line_says_which_headsets_are_followed_and_by_which_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(roles, "serve", lambda settings, announce: served.append(settings))
    monkeypatch.setattr(cli_serve, "configure_logging", lambda log_format, *, verbose: None)
    options = ["--match", "ward-*", "--match", "Muse?", "--cap", "biosemi32"]
    assert CliRunner().invoke(cli.app, ["serve", *options]).exit_code == 0
    assert CliRunner().invoke(cli.app, ["serve"]).exit_code == 0
    assert served[0].reception() == Reception(("ward-*", "Muse?"), CAPS["biosemi32"])
    assert served[1].reception() == Reception()


async def test_a_model_that_is_not_there_is_named(start: Start) -> None:
    process, _ = await start("--port", "0", "--model", "nowhere/model.onnx")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert "cannot read the model nowhere/model.onnx" in " ".join(errors.decode().split())


@pytest.mark.slow
async def test_an_unsure_estimate_is_served_with_its_probability_and_valid(
    start: Start, model_file: ModelFile
) -> None:
    """Over LSL and real sockets: a model that is always unsure of arousal and never of valence."""

    def change(fields: dict[str, Any]) -> None:
        for target in fields["targets"]:
            always = target["name"] == "arousal"
            target["calibration"]["unsure"] = [0.0, 1.0] if always else [0.5, 0.5]

    session = ("--session-id", secrets.token_hex(8))
    model = str(model_file(change))
    _, line = await start("--port", "0", "--model", model, *session)
    address = line.split()[1]
    headset = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "eeg_emotion", "replay", "--simulate", "7", *session, stdout=DEVNULL
    )
    try:
        stream = f"{address.replace('http', 'ws', 1)}v1/stream?headset=*"
        async with (
            asyncio.timeout(100),
            websockets.connect(stream) as subscriber,
            httpx.AsyncClient(base_url=address) as client,
        ):
            told = {}
            while not told.get("valid"):
                told = json.loads(await subscriber.recv())
            answer = await client.get(f"v1/headsets/{told['headset']}/prediction")
    finally:
        headset.kill()
        await headset.wait()
    for prediction in (told, answer.json()):
        assert (prediction["valid"], prediction["reasons"]) == (True, [])
        assert prediction["arousal"]["label"] == "unsure"
        assert 0 < prediction["arousal"]["probability"] < 1
        side = "high" if prediction["valence"]["probability"] > 0.5 else "low"
        assert prediction["valence"]["label"] == side


async def test_at_its_start_it_says_that_the_model_needs_each_persons_rest(
    start: Start, model_file: ModelFile
) -> None:
    rest = {"kind": "rest-baseline", "most_seconds": 60, "least_seconds": 20}
    model = str(model_file(lambda fields: fields.update(normaliser=rest)))
    process, line = await start("--port", "0", "--model", model)
    assert line.startswith("ready ")
    said = [(await process.stdout.readline()).decode() for _ in range(2)]
    assert said[1].startswith("needs      each person's own rest, 20 to 60 s of it; until")


async def test_the_service_process_imports_no_tensorflow_and_no_training() -> None:
    code = (
        "import sys, eeg_emotion.daemon.roles, eeg_emotion.cli.main, eeg_emotion.demo\n"
        "import eeg_emotion.doctor.doctor\n"
        "heavy = {'tensorflow', 'keras', 'onnx', 'tf2onnx', 'mne', 'eeg_emotion_training'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"


@pytest.mark.parametrize(("files", "expected"), [(16384, 4000), (1024, 412), (-1, 4000), (100, 1)])
def test_connections_never_take_the_last_open_files(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, files: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (files, files))
    assert room_for(4000) == expected
    assert ("fewer connections than set" in caplog.text) == (expected < 4000)
