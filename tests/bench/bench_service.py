"""The service process: time until ready, memory with a headset, and what it has imported."""

from __future__ import annotations

import secrets
import statistics
import subprocess
import sys
import time
import urllib.request

import psutil
from tests.support.processes import next_line
from tests.support.report import Report


def test_service_process(report: Report) -> None:
    ready = []
    for _ in range(5):
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "eeg_emotion", "serve", "--port", "0", "--quiet",
             "--session-id", secrets.token_hex(8)],
            stdout=subprocess.PIPE, text=True,
        ) as daemon:  # fmt: skip
            address = next_line(daemon).split()[1]
            with urllib.request.urlopen(f"{address}readyz") as response:
                assert response.status == 200
            ready.append(time.perf_counter() - started)
            daemon.terminate()
    report(
        "start to /readyz 200, median of 5 (worst)",
        f"{statistics.median(ready):.2f} ({max(ready):.2f}) s",
        "aim: <= 5 s",
        max(ready) <= 5,
    )


def test_memory_with_a_headset(report: Report) -> None:
    session = secrets.token_hex(8)
    command = [sys.executable, "-m", "eeg_emotion"]
    with (
        subprocess.Popen(
            [*command, "serve", "--port", "0", "--quiet", "--session-id", session],
            stdout=subprocess.PIPE, text=True,
        ) as daemon,
        subprocess.Popen([*command, "replay", "--simulate", "1", "--session-id", session],
                         stdout=subprocess.DEVNULL) as headset,
    ):  # fmt: skip
        address = next_line(daemon).split()[1]
        deadline, predicted = time.monotonic() + 30, False
        while not predicted and time.monotonic() < deadline:
            time.sleep(0.5)
            with urllib.request.urlopen(f"{address}metrics") as response:
                predicted = 'emotion_windows_total{outcome="valid"}' in response.read().decode()
        process = psutil.Process(daemon.pid)
        resident = process.memory_info().rss / 2**20
        libraries = {mapped.path for mapped in process.memory_maps()}
        headset.terminate()
        daemon.terminate()
    assert predicted
    report(
        "resident memory, one headset, after a prediction",
        f"{resident:.0f} MiB",
        "aim: <= 300 MB",
        resident * 2**20 <= 300e6,
    )
    tensorflow = any("tensorflow" in path for path in libraries)
    report("TensorFlow in the process", str(tensorflow), "aim: False", not tensorflow)
