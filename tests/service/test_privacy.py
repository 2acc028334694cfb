"""Raw EEG stays in the service: nothing is written to disk, and no output contains samples.

The service runs as a process with watched folders from its start to its end, follows a headset
whose samples can be recognised by their digits, and is asked for everything it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pylsl
import pytest
import websockets
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.replay.replayer import Replayer

SFREQ = 128.0
FOLDERS = ("home", "data", "cache", "config", "state", "runtime", "tmp", "cwd")
MOST_NUMBERS = 16
"""In one array or object: fewer than 0.25 s of one channel, or one sample of all."""

SAMPLES = re.compile(r"(?<![\d.])[1-9]\d{0,2}\.(?:123|373|623|873)45\d")
"""The digits of the planted samples from 1 µV on, as float32 or float64 would be written."""


# The planted samples.


def planted_samples(seconds: int) -> NDArray[np.float64]:
    """Return a simulated person's signal, `(32, samples)` µV, shifted so that `SAMPLES` matches."""
    eeg = SimulatedPerson(2026, 7).run(0, SFREQ).next(int(seconds * SFREQ), 0.0, 0.0)
    eeg -= eeg.mean(axis=1, keepdims=True)  # electrodes' offsets would cost float32 its digits
    return np.asarray(np.sign(eeg) * (np.floor(np.abs(eeg) * 4) / 4 + 0.123456))


def planted_recording() -> Recording:
    samples = planted_samples(120)
    return Recording(
        name="Planted",
        source_id=f"planted-{os.getpid()}",
        channels=DEAP32,
        units=("microvolts",) * len(DEAP32),
        sfreq=SFREQ,
        manufacturer="test",
        simulated=True,
        stretches=lambda: iter([Stretch(samples)]),
    )


# The watched places.


class FolderWatch:
    """Records changes of folder entries, by inotify, even of short-lived files."""

    _EVENTS = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200  # everything but reading and opening

    def __init__(self, folders: list[Path]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names = {}
        for folder in folders:
            number = libc.inotify_add_watch(self._file, os.fsencode(folder), self._EVENTS)
            assert number > 0, os.strerror(ctypes.get_errno())
            self._names[number] = folder.name

    def end(self) -> list[str]:
        """Return the entries that changed, and stop watching."""
        happened: dict[str, None] = {}
        try:
            while data := os.read(self._file, 65536):
                while data:
                    number, _, _, length = struct.unpack_from("iIII", data)
                    name = data[16 : 16 + length].rstrip(b"\0").decode()
                    happened[f"{self._names[number]}/{name}"] = None
                    data = data[16 + length :]
        except BlockingIOError:
            pass  # everything is read
        finally:
            os.close(self._file)
        return list(happened)


def files_open_for_writing(pid: int) -> list[str]:
    """Return the regular files that a process could write to."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        info = Path(f"/proc/{pid}/fdinfo/{link.name}")
        try:
            stated = re.search(r"^flags:\s*(\d+)", info.read_text(), re.MULTILINE)
            assert stated is not None
            flags = int(stated[1], 8)
            if stat.S_ISREG(link.stat().st_mode) and flags & os.O_ACCMODE != os.O_RDONLY:
                found.append(str(link.readlink()))
        except FileNotFoundError:
            continue  # closed in the meantime
    return found


# No file can grow beyond this limit of 0 bytes, on any file system, and a process that tries is
# killed; except for Python, which ignores the signal, so that the write would fail silently.
MORTAL = (
    "import resource, signal, sys\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)\n"
)
EVENTS_BYTES = 2**18
"""Room for the event store, which is looked into afterwards."""
RULES = """
[[rule]]
name = "any-score"
text = "There is a score."
severity = "info"
when = [{ of = "arousal", above = 0.0 }]
"""
SERVE = "import runpy; runpy.run_module('eeg_emotion', run_name='__main__', alter_sys=True)"


@dataclass
class Watched:
    """A Python process with fresh folders, which is killed by writing to any file."""

    process: subprocess.Popen[bytes]
    folders: FolderWatch
    errors: threading.Thread
    said: dict[str, str]
    touched: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, root: Path, code: str, *arguments: str, largest: int = 0) -> Watched:
        root.mkdir(exist_ok=True)
        places = {name: root / name for name in FOLDERS}
        for place in places.values():
            place.mkdir(mode=0o700)
        # Nothing else is passed on: some libraries behave differently in continuous integration.
        kept = {name: os.environ[name] for name in ("PATH", "PYLSL_LIB") if name in os.environ}
        environment = {
            **kept,
            "HOME": str(places["home"]),
            "XDG_DATA_HOME": str(places["data"]),
            "XDG_CACHE_HOME": str(places["cache"]),
            "XDG_CONFIG_HOME": str(places["config"]),
            "XDG_STATE_HOME": str(places["state"]),
            "XDG_RUNTIME_DIR": str(places["runtime"]),
            "TMPDIR": str(places["tmp"]),
            # Python's own compiled modules, which an installation already has.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        watch = FolderWatch([root, *places.values()])
        process = subprocess.Popen(
            [sys.executable, "-c", MORTAL + code, str(largest), *arguments],
            cwd=places["cwd"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        said: dict[str, str] = {}

        def listen() -> None:  # a full pipe would block it
            assert process.stderr is not None
            with process.stderr:
                said["stderr"] = process.stderr.read().decode()

        errors = threading.Thread(target=listen)
        errors.start()
        return cls(process, watch, errors, said)

    def end(self) -> None:
        """Wait for its end, and collect its output and the changed entries."""
        assert self.process.stdout is not None
        with self.process.stdout:
            self.said["stdout"] = self.process.stdout.read().decode()
        self.errors.join()
        self.process.wait()
        self.touched = self.folders.end()

    @property
    def wrote(self) -> bool:
        """Whether it was killed for writing."""
        return self.process.returncode == -signal.SIGXFSZ


def number_runs(value: Any) -> Iterator[int]:
    """Return the number of numbers in each array and object of a JSON document."""
    if isinstance(value, dict | list):
        members = list(value.values()) if isinstance(value, dict) else value
        yield sum(type(member) in (int, float) for member in members)
        for member in members:
            yield from number_runs(member)


# The scenario.


@dataclass
class Evidence:
    """All output of the service, by its source, and what it did on disk."""

    daemon: Watched
    store: Path
    open_files: list[str]
    sent: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory, lsl_session: str) -> Evidence:
    """1. Serve. 2. A headset. 3. Request everything until scores have arrived. 4. SIGTERM."""
    root = tmp_path_factory.mktemp("privacy") / "daemon"
    root.mkdir()
    (root / "rules.toml").write_text(RULES)
    store = tmp_path_factory.mktemp("store")
    daemon = Watched.start(
        root, SERVE, "serve", "--port", "0", "--lsl-out", "--session-id", lsl_session,
        "--rules", str(root / "rules.toml"), "--event-store", f"sqlite:///{store / 'events.db'}",
        largest=EVENTS_BYTES,
    )  # fmt: skip
    stop = threading.Event()
    playing = threading.Thread(target=Replayer(planted_recording(), speed=4.0).run, args=(stop,))
    try:
        assert daemon.process.stdout is not None
        address = daemon.process.stdout.readline().decode().split()[1]
        playing.start()
        found = asyncio.run(asyncio.wait_for(_listen(daemon, store, address), 60))
    finally:
        stop.set()
        if daemon.process.returncode is None:
            daemon.process.send_signal(signal.SIGTERM)
            daemon.end()
        if playing.ident is not None:
            playing.join()
        assert not daemon.wrote, f"the daemon wrote, of what is watched to {daemon.touched}"
    found.sent |= daemon.said
    with contextlib.closing(sqlite3.connect(store / "events.db")) as events:
        found.sent["event store"] = "\n".join(events.iterdump())
        rows = events.execute("SELECT json FROM eeg_emotion_event").fetchall()
        found.sent["events"] = json.dumps([json.loads(row) for (row,) in rows])
    return found


async def _listen(daemon: Watched, store: Path, address: str) -> Evidence:
    evidence = Evidence(daemon, store, [])
    stream = f"{address.replace('http', 'ws', 1)}v1/stream"
    reported: list[str] = []
    async with websockets.connect(stream, proxy=None) as subscriber:
        hello = {"type": "hello", "subscribe": ["*"], "detail": ["*"]}
        await subscriber.send(json.dumps(hello))
        scored: list[str] = []
        while len(scored) < 3:
            reported.append(str(await subscriber.recv()))
            message = json.loads(reported[-1])
            if message["type"] == "prediction" and message["valid"]:
                scored.append(message["headset"])
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            await _get_everything(client, scored[-1], evidence)
        evidence.sent["LSL"] = await asyncio.to_thread(_pull_one, scored[-1])
        evidence.open_files = files_open_for_writing(daemon.process.pid)
        daemon.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                reported.append(str(await subscriber.recv()))
    await asyncio.to_thread(daemon.end)
    evidence.messages = [json.loads(text) for text in reported]
    evidence.sent["WebSocket"] = "\n".join(reported)
    return evidence


def _pull_one(headset: str) -> str:
    (info,) = pylsl.resolve_byprop("source_id", f"{headset}-emotion", 1, 20)
    sample, _ = pylsl.StreamInlet(info, recover=False).pull_sample(20)
    assert sample is not None
    return json.dumps(sample)


async def _get_everything(client: httpx.AsyncClient, headset: str, evidence: Evidence) -> None:
    schema = (await client.get("openapi.json")).json()
    card = (await client.get("v1/model")).json()
    names = {
        "identifier": headset,
        "model": card["name"],
        "version": card["version"],
        "name": "nobody",  # a profile's
    }
    routes = [path.format_map(names) for path, verbs in schema["paths"].items() if "get" in verbs]
    pages = ["/", "/docs", "/openapi.json", "/asyncapi.json", "/readyz?verbose"]
    waiting = [*routes, *pages]
    while waiting:
        route = waiting.pop(0)
        async with client.stream("GET", route) as answer:
            if route == "/livez" and answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                waiting.append(route)  # the event loop is late, as on a busy machine; later
                continue
            text = ""
            async for part in answer.aiter_text():
                text += part
                endless = answer.headers["content-type"].startswith("text/event-stream")
                if endless and text.count("event: prediction") >= 2:
                    break
        evidence.sent[route], evidence.statuses[route] = text, answer.status_code


# The promises.


def test_the_service_is_asked_for_everything_it_has(evidence: Evidence) -> None:
    """Result: messages of every kind with scores, and a response from every route."""
    kinds = {message["type"] for message in evidence.messages}
    assert {"welcome", "status", "prediction", "detail", "going_away"} <= kinds
    answered = {route for route, status in evidence.statuses.items() if status == 200}
    refused = evidence.statuses.keys() - answered
    assert not [route for route in refused if evidence.statuses[route] != 404], evidence.statuses
    for part in ("/quality", "/prediction", "/stream", "/metrics", "/v1/model", "/v1/headsets"):
        assert any(route.endswith(part) for route in answered), evidence.statuses
    assert evidence.daemon.process.returncode == 0


def test_nothing_but_the_event_store_is_written_from_its_start_to_its_end(
    evidence: Evidence,
) -> None:
    assert evidence.daemon.touched == []
    # Lock files are empty.
    locks = {name for name in evidence.open_files if name.endswith(".lock")}
    assert {Path(name).stat().st_size for name in locks} <= {0}
    assert {Path(name).name for name in evidence.open_files if name not in locks} <= {
        "events.db", "events.db-wal", "events.db-shm",
    }  # fmt: skip
    assert {Path(name).parent for name in evidence.open_files} == {evidence.store}
    assert not evidence.daemon.wrote


def test_no_output_contains_a_planted_sample(evidence: Evidence) -> None:
    hits = {place: SAMPLES.findall(text) for place, text in evidence.sent.items()}
    assert {place: found for place, found in hits.items() if found} == {}


def test_no_message_or_response_has_as_long_an_array_as_a_signal_would(
    evidence: Evidence,
) -> None:
    most = {"WebSocket": max(max(number_runs(message)) for message in evidence.messages)}
    for place, text in evidence.sent.items():
        if text[:1] in ("{", "[") and place not in ("WebSocket", "stdout", "stderr"):
            most[place] = max(number_runs(json.loads(text)))
    assert {"LSL", "/v1/model", "/openapi.json", "events"} <= most.keys()
    assert json.loads(evidence.sent["events"])
    assert {place: count for place, count in most.items() if count > MOST_NUMBERS} == {}


# These checks detect violations.

COME_AND_GO = (
    "import os\n"
    "name = os.path.join(os.environ['TMPDIR'], 'gone')\n"
    "os.close(os.open(name, os.O_CREAT))\n"
    "os.remove(name)\n"
)


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("open('chunk.bin', 'wb').close()", "cwd/chunk.bin"),
        ("import os; os.mkdir(os.environ['XDG_CACHE_HOME'] + '/own')", "cache/own"),
        ("import os; os.mkdir(os.path.expanduser('~/.own'))", "home/.own"),
        (COME_AND_GO, "tmp/gone"),
    ],
)
def test_a_process_that_creates_a_file_or_folder_is_detected(
    tmp_path: Path, code: str, place: str
) -> None:
    process = Watched.start(tmp_path / "process", code)
    process.end()
    assert process.process.returncode == 0, process.said["stderr"]
    assert process.touched == [place]


def test_a_process_that_writes_elsewhere_is_detected(tmp_path: Path) -> None:
    """1. A file that existed before, in no watched folder. Result: one byte kills the process."""
    file = tmp_path / "elsewhere.bin"
    file.write_bytes(b"12")
    code = f"import os; os.write(os.open({str(file)!r}, os.O_WRONLY), b'3')"
    process = Watched.start(tmp_path / "process", code)
    process.end()
    assert process.wrote
    assert process.touched == []
    assert file.read_bytes() == b"12"


def test_a_file_open_for_writing_is_detected(tmp_path: Path) -> None:
    file = tmp_path / "open.bin"
    with file.open("wb"):
        assert str(file) in files_open_for_writing(os.getpid())
    assert str(file) not in files_open_for_writing(os.getpid())


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_planted_samples_are_detected_in_text(kind: type[np.floating]) -> None:
    samples = planted_samples(2).astype(kind)[0]
    large = samples[(np.abs(samples) >= 1) & (np.abs(samples) < 128)]  # float32 has its digits
    text = json.dumps({"channel": [float(sample) for sample in large]})
    assert len(SAMPLES.findall(text)) == len(large) > 64
    assert max(number_runs(json.loads(text))) == len(large) > MOST_NUMBERS
