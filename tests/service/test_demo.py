"""The demo: a headset, the daemon and a subscriber as three processes, and an honest summary."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from rich.text import Text

from eeg_emotion.demo import Summary, _line
from eeg_emotion.publish.messages import Latency, Prediction, Reason, Score, WindowSpan


def environment() -> dict[str, str]:
    return os.environ | {"COLUMNS": "4000"}  # messages are not to be wrapped


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "eeg_emotion", "demo", *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@contextlib.contextmanager
def listener() -> Iterator[tuple[socket.socket, int]]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken, taken.getsockname()[1]


def free_port() -> int:
    with listener() as (_, port):
        return port


def summary(**changes: Any) -> Summary:
    seen: dict[str, Any] = {
        "model": "demo-simulated 1",
        "predictions": 9,
        "valid": 6,
        "samples_expected": 1664,
        "samples_received": 1664,
        "latencies_ms": [10.0, 20.0, 30.0],
    }
    return Summary(**seen | changes)


# -- the summary -------------------------------------------------------------------------------


def test_the_main_job_done_is_good() -> None:
    assert summary().good
    assert summary().samples_lost == 0


def test_without_a_prediction_it_is_not_good() -> None:
    assert not summary(predictions=0, valid=0).good


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"samples_received": 1663}, 1),
        ({"samples_missing": 2}, 2),
        ({"samples_received": 1660, "samples_missing": 1}, 4),
    ],
    ids=["not received", "found missing", "both"],
)
def test_with_a_lost_sample_it_is_not_good(changes: dict[str, int], lost: int) -> None:
    assert summary(**changes).samples_lost == lost
    assert not summary(**changes).good


def test_the_object_has_the_promised_keys_and_no_others() -> None:
    assert json.loads(summary().to_json()) == {
        "predictions": 9,
        "valid": 6,
        "samples_expected": 1664,
        "samples_lost": 0,
        "latency_ms": {"p50": 20.0, "p99": 29.8},
        "model": "demo-simulated 1",
    }


def test_without_a_prediction_there_is_no_latency() -> None:
    assert json.loads(Summary().to_json())["latency_ms"] == {"p50": None, "p99": None}


# -- its lines ---------------------------------------------------------------------------------


def line(arousal: Score, valence: Score, *reasons: Reason) -> str:
    """What the demo prints of a prediction, as it looks on a terminal."""
    latency = Latency(resampler=0, filter=17, arrival=4, path=1, inference=0, total=5)
    prediction = Prediction(
        headset="h",
        epoch="e",
        seq=0,
        window=WindowSpan(start=0.0, end=5.0),
        arousal=arousal,
        valence=valence,
        valid=not reasons,
        reasons=reasons,
        quality=1.0,
        latency_ms=latency,
        model="m 1",
    )
    return Text.from_markup(_line(prediction, 5.0)).plain


def test_every_label_is_printed_whole_and_in_its_column() -> None:
    low, high = Score(probability=0.1, label="low"), Score(probability=0.9, label="high")
    unsure, none = Score(probability=0.5, label="unsure"), Score(probability=None, label=None)
    assert "arousal 0.50 unsure  valence 0.90 high  " in line(unsure, high)
    lines = [
        line(low, high),
        line(unsure, unsure),
        line(none, none, Reason.NO_BASELINE),
        line(none, none, Reason.WARMING_UP, Reason.NO_BASELINE),
    ]
    assert len({text.index("quality") for text in lines}) == 1
    assert "no score: no_baseline " in lines[2]


# -- the processes -----------------------------------------------------------------------------


@pytest.mark.slow
def test_fourteen_seconds_bring_valid_predictions_and_lose_no_sample() -> None:
    port = free_port()
    done = run("--seconds", "14", "--json", "--port", str(port))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["page", f"http://127.0.0.1:{port}/"]
    assert lines[1].split() == ["websocket", f"ws://127.0.0.1:{port}/v1/stream?headset=*"]
    assert "The person is simulated" in lines[2]
    assert any("arousal 0." in line and "valence 0." in line for line in lines)
    assert any("no score: warming_up" in line for line in lines)
    for target in ("arousal", "valence"):
        assert any(line.startswith(f"held out   {target}: balanced accuracy ") for line in lines)
    found = json.loads(lines[-1])
    assert found.keys() == {
        "predictions",
        "valid",
        "samples_expected",
        "samples_lost",
        "latency_ms",
        "model",
    }
    assert found["latency_ms"].keys() == {"p50", "p99"}
    assert found["predictions"] > found["valid"] >= 1
    assert found["samples_lost"] == 0
    # A window takes 5 s, and the first three are not settled.
    assert found["samples_expected"] >= 128 * (4 + found["predictions"])
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert found["model"] == "demo-simulated 1"


def test_a_demo_too_short_for_a_window_says_so_and_fails() -> None:
    # So short that the headset is ended before it has sent, perhaps before it listens to signals.
    result = run("--seconds", "1", "--port", str(free_port()))
    assert result.returncode == 1
    assert "0 predictions" in result.stdout.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_named_with_the_remedy() -> None:
    with listener() as (_, port):
        done = run("--seconds", "5", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "terminal closed"]
)
def test_it_ends_with_a_summary_and_leaves_no_process(number: signal.Signals) -> None:
    """Ctrl-C, or a terminal that is closed, while it runs.

    1. Start it, wait for its first prediction.
    2. Send the signal to the demo alone.

    Result: exit 0 and a summary, and the daemon and the headset are gone with it.
    """
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "eeg_emotion", "demo", "--port", "0", "--json"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        parts: list[psutil.Process] = []
        try:
            assert demo.stdout is not None
            seen = next((line for line in demo.stdout if "no score: warming_up" in line), None)
            assert seen is not None
            parts = psutil.Process(demo.pid).children(recursive=True)
            assert {"serve", "replay"} <= {word for part in parts for word in part.cmdline()}
            demo.send_signal(number)
            output, errors = demo.communicate(timeout=100)
            assert (demo.returncode, errors) == (0, "")
            found = json.loads(output.splitlines()[-1])
            assert found["predictions"] >= 1
            assert found["samples_lost"] == 0
            assert psutil.wait_procs(parts, timeout=0)[1] == []
        finally:
            demo.kill()
            for part in parts:
                with contextlib.suppress(psutil.NoSuchProcess):
                    part.kill()
