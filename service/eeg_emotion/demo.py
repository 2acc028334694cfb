"""The demo: a simulated headset and the service, each in its own process, and a subscriber.

Only the person is simulated: the headset's process sends EEG over Lab Streaming Layer, the service
is `eeg-emotion serve`, and whatever is printed was received over its WebSocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
import time
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from eeg_emotion.client import Alarm, Stream, connect
from eeg_emotion.daemon.stopping import (
    ASKED,
    TERMINAL_CLOSED,
    ask_to_stop,
    group_of_its_own,
    run_until_asked,
)
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.extras import is_installed, not_installed
from eeg_emotion.own_folders import moved_to
from eeg_emotion.publish.messages import ModelCard, Prediction, Score, Status

PERSON_SEED, PERSON = 2026, 7
"""The demo's person. The demo model was trained on people of another seed."""

_STOP_SECONDS = 10.0
_ARRIVAL_SECONDS = 3.0  # for the last samples to reach the service after the headset has stopped


class DemoError(EegEmotionError):
    """A process of the demo did not start, or ended unexpectedly."""


@dataclass(slots=True)
class Summary:
    """What the demo received."""

    model: str = ""
    predictions: int = 0
    valid: int = 0
    samples_expected: int = 0
    samples_received: int = 0
    samples_missing: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def samples_lost(self) -> int:
        """The samples that the headset sent and the service did not receive, or found missing."""
        return max(self.samples_expected - self.samples_received, self.samples_missing)

    @property
    def good(self) -> bool:
        """Whether a prediction was received and no sample was lost."""
        return self.predictions > 0 and self.samples_lost == 0

    def percentile(self, percent: float) -> float | None:
        """Return a percentile of the latencies in ms; None before the first prediction."""
        if not self.latencies_ms:
            return None
        return round(float(np.percentile(self.latencies_ms, percent)), 2)

    def to_json(self) -> str:
        """Return the summary as one JSON object."""
        return json.dumps(
            {
                "predictions": self.predictions,
                "valid": self.valid,
                "samples_expected": self.samples_expected,
                "samples_lost": self.samples_lost,
                "latency_ms": {"p50": self.percentile(50), "p99": self.percentile(99)},
                "model": self.model,
            }
        )

    def to_text(self) -> str:
        """Return the summary for people."""
        counted = (
            f"{self.predictions} predictions, {self.valid} of them valid; "
            f"{self.samples_expected} samples sent, {self.samples_lost} lost"
        )
        if not self.latencies_ms:
            return f"{counted}; the first window takes 5 s"
        return (
            f"{counted}; latency from a window's last sample to its receipt: "
            f"p50 {self.percentile(50)} ms, p99 {self.percentile(99)} ms; model {self.model}"
        )


def run_demo(*, seconds: float | None, host: str, port: int, console: Console) -> Summary:
    """Run until the time is up or Ctrl-C, and return a summary.

    Raises
    ------
    DemoError
        If one of its processes does not start or ends unexpectedly.
    """
    # A closed terminal shuts it down in order too, and a second signal does not end it at once: its
    # processes, which its signals do not reach, would be left running.
    return run_until_asked(
        partial(_run, seconds, host, port, console),
        again=lambda number: None,
        names=(*ASKED, TERMINAL_CLOSED),
    )


async def _run(
    seconds: float | None, host: str, port: int, console: Console, stop: asyncio.Event
) -> Summary:
    session = ["--session-id", f"demo-{secrets.token_hex(4)}"]
    # Everyone may see the data: it is only a simulated person's.
    daemon = ["serve", "--quiet", "--allow-open", "--host", host, "--port", str(port), *session]
    with_alarms = is_installed("alarms")
    if with_alarms:
        daemon += ["--rules", "driver-takeover", "--rules", "signal-lost"]
    headset = ["replay", "--simulate", str(PERSON), "--seed", str(PERSON_SEED), "--json", *session]
    summary = Summary()
    # Its alarms are kept apart from those of the user's own service, and deleted at the end.
    async with _folder_for_now() as folder, _part(folder, *daemon) as service:
        address = await _address(service)
        websocket = f"{address.replace('http', 'ws', 1)}v1/stream?headset=*"
        console.print(f"page       {address}", markup=False, soft_wrap=True)
        console.print(f"websocket  {websocket}", markup=False, soft_wrap=True)
        if not with_alarms:
            console.print(not_installed("alarms"), markup=False, soft_wrap=True)
        console.print("The person is simulated, and so were those whom the model was trained on.")
        console.print("The first window takes 5 s, and its filters take another 3 s to settle.")
        async with _part(folder, *headset) as source, connect(address) as stream:
            listening = asyncio.create_task(_listen(stream, summary, console))
            stopped = asyncio.create_task(stop.wait())
            ends = [asyncio.create_task(process.wait()) for process in (service, source)]
            await asyncio.wait(
                [listening, stopped, *ends], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if any(end.done() for end in ends):
                raise DemoError(
                    "the service or the headset ended unexpectedly; see its message above"
                )
            if listening.done():
                listening.result()  # it ends only by an error, raised here
            for task in (listening, stopped, *ends):
                task.cancel()
            ask_to_stop(source)
            sent, _ = await source.communicate()
            # If it was stopped before it could handle signals, it sent nothing and prints nothing.
            summary.samples_expected = json.loads(sent)["samples"] if sent else 0
            await _await_samples(address, summary)
    return summary


async def _listen(stream: Stream, summary: Summary, console: Console) -> None:
    """Print one line for each prediction, alarm and change of state."""
    summary.model = _introduce(stream.welcome.model, console)
    printed: str | None = None
    async for message in stream:
        received = time.time()
        match message:
            case Status(headset=headset):
                line = f"headset    {headset.name}: {headset.state}, {headset.detail}"
                if line != printed:
                    printed = line
                    console.print(line, markup=False, soft_wrap=True)
            case Alarm():
                line = f"alarm      {message.severity}, {message.change}: {message.text}"
                console.print(line, markup=False, soft_wrap=True)
            case Prediction():
                latency_ms = (received - message.window.end) * 1e3
                summary.predictions += 1
                summary.valid += message.valid
                summary.latencies_ms.append(latency_ms)
                console.print(_line(message, latency_ms), markup=True, soft_wrap=True)


def _introduce(model: ModelCard, console: Console) -> str:
    """Print what the model is and how it was evaluated; return its name."""
    name = f"{model.name} {model.version}"
    console.print(f"model      {name}: {model.trained_on}", soft_wrap=True)
    for target, result in model.held_out.items():
        console.print(f"held out   {target}: {result}", markup=False, soft_wrap=True)
    return name


def _line(prediction: Prediction, latency_ms: float) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(prediction.window.end))
    if prediction.valid:
        scores = f"arousal {_score(prediction.arousal)}  valence {_score(prediction.valence)}"
    else:
        scores = f"[dim]no score: {', '.join(prediction.reasons):<30}[/dim]"
    return f"{clock}  {scores}  quality {prediction.quality:.2f}  {latency_ms:5.1f} ms"


def _score(score: Score) -> str:
    style = {"high": "bold", "low": "dim"}.get(score.label or "", "italic")
    return f"{score.probability:.2f} [{style}]{score.label:<6}[/{style}]"


async def _await_samples(address: str, summary: Summary) -> None:
    """Wait until the service has received every sample, or for a few seconds at most."""
    deadline = time.monotonic() + _ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        headsets = await asyncio.to_thread(_get, f"{address}v1/headsets")
        summary.samples_received = sum(headset["samples_received"] for headset in headsets)
        summary.samples_missing = sum(headset["samples_missing"] for headset in headsets)
        if summary.samples_received >= summary.samples_expected:
            return
        await asyncio.sleep(0.05)


def _get(url: str) -> list[dict[str, int]]:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - the URL is our own service's
        return list(json.load(response))


async def _address(service: Process) -> str:
    assert service.stdout is not None  # noqa: S101 - started with a pipe
    line = (await service.stdout.readline()).decode().split()
    if not line or line[0] != "ready":
        raise DemoError("the service did not start; see its message above")
    # Only Linux can connect to the wildcard address.
    return line[1].replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _apart_from_the_user(folder: Path) -> dict[str, str]:
    """Return an environment without the settings of the user's own service.

    The folders that a process stores files in and reads files from lie in `folder`.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("EEG_EMOTION_")}
    return own | moved_to(folder)


@contextlib.asynccontextmanager
async def _folder_for_now() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="eeg-emotion-demo-") as folder:
        yield Path(folder)


@contextlib.asynccontextmanager
async def _part(folder: Path, *arguments: str) -> AsyncIterator[Process]:
    """Run `eeg-emotion` with these arguments, at most until the context is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "eeg_emotion",
        *arguments,
        stdout=PIPE,
        env=_apart_from_the_user(folder),
        # Ctrl-C is for the demo, which then stops its processes in order.
        **group_of_its_own(),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            ask_to_stop(process)
            try:
                await asyncio.wait_for(process.communicate(), _STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.communicate()
