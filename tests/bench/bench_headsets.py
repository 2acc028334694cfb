"""One service and many headsets: lost samples, CPU, latency, memory, and where it breaks.

`EEG_EMOTION_BENCH_HEADSETS=256,384,512` chooses how many. With `EEG_EMOTION_BENCH_PINNED=1` the
headsets and the subscriber run on CPU 0 and the service on CPU 1, so that one core is its limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import websockets
from tests.support.processes import line_of
from tests.support.report import Report

COUNTS = [int(n) for n in os.environ.get("EEG_EMOTION_BENCH_HEADSETS", "1,16,64,256").split(",")]
PINNED = bool(os.environ.get("EEG_EMOTION_BENCH_PINNED"))
STEADY_SECONDS = 20
WITHIN_ONE_CORE = 256  # headsets
FARM = Path(__file__).with_name("headset_farm.py")


class Subscriber:
    """Keeps messages with their time of receipt; parsing them now would delay the next one's."""

    def __init__(self) -> None:
        self._received: list[tuple[float, str | bytes]] = []

    async def run(self, url: str) -> None:
        async with websockets.connect(url) as socket:
            async for text in socket:
                self._received.append((time.time(), text))

    def take(self, kind: str) -> Iterator[tuple[float, dict[str, Any]]]:
        """Return the messages of a kind since the last call; the others are dropped."""
        received, self._received = self._received, []
        for at, text in received:
            message = json.loads(text)
            if message["type"] == kind:
                yield at, message


@dataclass
class Figures:
    """The result of one run; the latencies in ms."""

    opening_seconds: float
    sent: int
    lost: int
    missing: int
    superseded: int
    core_share: float
    per_second: float
    latency: np.ndarray
    own_latency: np.ndarray
    late: list[float]
    resident_mib: float
    threads: int
    descriptors: int


class NotAllPredictError(Exception):
    """Some headsets got no predictions, or did not keep getting them."""


@contextmanager
def own_core() -> Iterator[None]:
    """Pin this process and its children to CPU 0 if that is requested."""
    before = os.sched_getaffinity(0)
    if PINNED:
        os.sched_setaffinity(0, {0})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def headsets_of(address: str) -> list[dict[str, Any]]:
    def get() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{address}v1/headsets") as response:
            return list(json.load(response))

    return await asyncio.to_thread(get)


async def until_all_predict(
    subscriber: Subscriber, address: str, count: int, opened: float
) -> float:
    """Wait for a valid prediction of each headset; return how long it took until all were live."""
    live_seconds = None
    predicting: set[str] = set()
    deadline = opened + 60 + count / 2
    while len(predicting) < count:
        await asyncio.sleep(0.25)
        headsets = await headsets_of(address) if live_seconds is None else []
        if sum(headset["state"] == "live" for headset in headsets) == count:
            live_seconds = time.time() - opened
        for _, message in subscriber.take("prediction"):
            if message["valid"]:
                predicting.add(message["headset"])
        if time.time() > deadline:
            states = Counter(
                f"{headset['state']}: {headset['detail']}" for headset in await headsets_of(address)
            )
            raise NotAllPredictError(
                f"{len(predicting)} of {count} predict within {deadline - opened:.0f} s; "
                f"states: {states.most_common(4)}"
            )
    assert live_seconds is not None
    return live_seconds


async def until_drained(address: str, sent: int) -> list[dict[str, Any]]:
    """Wait until everything that was sent is received, or nothing more arrives."""
    received = -1
    while True:
        headsets = await headsets_of(address)
        now = sum(headset["samples_received"] for headset in headsets)
        if now in (received, sent):
            return headsets
        received = now
        await asyncio.sleep(2)  # a backlog arrives in pieces, but without such pauses


async def measure(count: int, *, aligned: bool) -> Figures:
    session = secrets.token_hex(8)
    daemon = await start(
        "-m", "eeg_emotion", "serve", "--port", "0", "--quiet", "--session-id", session
    )
    if PINNED:
        os.sched_setaffinity(daemon.pid, {1})  # before it starts threads, which inherit it
    address = (await line_of(daemon)).split()[1]
    subscriber = Subscriber()
    stream = f"{address.replace('http', 'ws', 1)}v1/stream?headset=*"
    listening = asyncio.create_task(subscriber.run(stream))
    farm = await start(str(FARM), session, str(count), *(["--aligned"] if aligned else []))
    try:
        if not await line_of(farm):
            raise NotAllPredictError("the headsets' process did not open its outlets")
        opening_seconds = await until_all_predict(subscriber, address, count, time.time())

        process = psutil.Process(daemon.pid)
        began, used = time.time(), sum(process.cpu_times()[:2])
        await asyncio.sleep(STEADY_SECONDS)
        ended, used = time.time(), sum(process.cpu_times()[:2]) - used
        resident = process.memory_info().rss / 2**20
        threads, descriptors = process.num_threads(), process.num_fds()
        predictions = [
            (at, message) for at, message in subscriber.take("prediction") if began <= at < ended
        ]
        if not predictions:
            raise NotAllPredictError(f"no prediction in {STEADY_SECONDS} s")

        farm.terminate()
        reported = json.loads(await line_of(farm))
        sent = sum(reported["sent"].values())
        headsets = await until_drained(address, sent)
    finally:
        listening.cancel()
        for one in (farm, daemon):
            if one.returncode is None:
                one.terminate()
            await one.communicate(b"")  # closes its standard input: the farm may leave
    return Figures(
        opening_seconds=opening_seconds,
        sent=sent,
        lost=sent - sum(headset["samples_received"] for headset in headsets),
        missing=sum(headset["samples_missing"] for headset in headsets),
        superseded=sum(headset["windows_superseded"] for headset in headsets),
        core_share=used / (ended - began),
        per_second=len(predictions) / (ended - began),
        latency=np.array([(at - message["window"]["end"]) * 1e3 for at, message in predictions]),
        own_latency=np.array([message["latency_ms"]["total"] for _, message in predictions]),
        late=reported["late_ms"],
        resident_mib=resident,
        threads=threads,
        descriptors=descriptors,
    )


def tell(report: Report, count: int, found: Figures) -> list[str]:
    """Report the figures; return the reasons against so many headsets."""
    lost, share = found.lost + found.missing, found.core_share

    def line(what: str, figure: str, aim: str = "", met: bool | None = None) -> None:
        report(f"{count:>3} headsets: {what}", figure, aim, met)

    line("until all were live", f"{found.opening_seconds:.1f} s")
    line(f"samples lost of {found.sent}", f"{lost}", "aim: 0", lost == 0)
    line(
        "daemon's share of one core",
        f"{share:.1%}",
        "aim: <= 100 %" if count <= WITHIN_ONE_CORE else "",
        share <= 1 if count <= WITHIN_ONE_CORE else None,
    )
    # One window more or less of a headset falls into the measured time.
    kept_up = found.per_second >= count * (1 - 1 / STEADY_SECONDS)
    line("predictions a second", f"{found.per_second:.1f}", f"aim: {count}", kept_up)
    line("windows superseded", f"{found.superseded}", "aim: 0", found.superseded == 0)
    for what, (middle, high) in {
        "push to prediction, p50 / p99": np.percentile(found.latency, [50, 99]),
        "of it the daemon's own, p50 / p99": np.percentile(found.own_latency, [50, 99]),
        "chunks sent late, p50 / p99": found.late,
    }.items():
        line(what, f"{middle:.1f} / {high:.1f} ms")
    line("resident memory", f"{found.resident_mib:.0f} MiB")
    line("threads / file descriptors", f"{found.threads} / {found.descriptors}")
    troubles = {
        f"{lost} samples lost": lost > 0,
        f"{found.superseded} windows superseded": found.superseded > 0,
        f"{share:.0%} of one core": share >= 1,
        f"{found.per_second:.1f} predictions a second": not kept_up,
    }
    return [trouble for trouble, there in troubles.items() if there]


@pytest.mark.parametrize("aligned", [False, True], ids=["staggered", "aligned"])
def test_headsets(report: Report, aligned: bool) -> None:
    troubles: list[str] = []
    with own_core():
        for count in COUNTS:
            try:
                troubles = tell(report, count, asyncio.run(measure(count, aligned=aligned)))
            except NotAllPredictError as error:
                troubles = [str(error)]
            if troubles:
                break
    report("it breaks at", f"{count}: {'; '.join(troubles)}" if troubles else f"more than {count}")
