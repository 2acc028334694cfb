"""From a window's last sample to ten subscribers, and LSL's own latency in the same run."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from pathlib import Path

import numpy as np
import websockets
from tests.support.processes import line_of
from tests.support.report import Report

SECONDS = 60
SUBSCRIBERS = 10
CHUNK = 8  # samples that the replayer sends at once at 128 Hz
REFERENCE = Path(__file__).with_name("lsl_reference.py")


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def subscribe(url: str, latencies: list[float]) -> None:
    async with websockets.connect(url) as socket:
        async for text in socket:
            received = time.time()
            message = json.loads(text)
            if message["type"] == "prediction":
                latencies.append((received - message["window"]["end"]) * 1e3)


async def measure() -> tuple[np.ndarray, np.ndarray]:
    session = secrets.token_hex(8)
    daemon = await start(
        "-m", "eeg_emotion", "serve", "--port", "0", "--hop-seconds", "0.25", "--quiet",
        "--session-id", session,
    )  # fmt: skip
    address = (await line_of(daemon)).split()[1]
    headset = await start("-m", "eeg_emotion", "replay", "--simulate", "1", "--session-id", session)
    reference = await start(str(REFERENCE), session, str(SECONDS), str(CHUNK))
    latencies: list[float] = []
    url = f"{address.replace('http', 'ws', 1)}v1/stream?headset=*"
    subscribers = [asyncio.create_task(subscribe(url, latencies)) for _ in range(SUBSCRIBERS)]
    try:
        out, _ = await reference.communicate()
    finally:
        for task in subscribers:
            task.cancel()
        for process in (headset, daemon):
            process.terminate()
            await process.wait()
    return np.array(latencies), np.array(json.loads(out))


def test_latency(report: Report) -> None:
    service, lsl = asyncio.run(measure())
    (service50, service99), (lsl50, lsl99) = (np.percentile(x, [50, 99]) for x in (service, lsl))
    report("LSL alone, last sample's stamp to pull, p50 / p99", f"{lsl50:.2f} / {lsl99:.2f} ms")
    report(
        f"{SUBSCRIBERS} subscribers, hop 0.25 s, {len(service)} frames, p50 / p99",
        f"{service50:.2f} / {service99:.2f} ms",
        f"aim: p99 <= {lsl99 + 10:.2f} ms (LSL's + 10)",
        bool(service99 <= lsl99 + 10),
    )
