"""The demo: a headset and the service as processes, a subscriber, and an honest summary."""

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
from tests.support.command import assert_refused, command

from eeg_emotion.codes import Reason
from eeg_emotion.demo import Summary, _line
from eeg_emotion.publish.messages import Latency, Prediction, Score, WindowSpan


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


def test_predictions_without_loss_are_good() -> None:
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
    """Return what the demo prints for a prediction, as it looks on a terminal."""
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


def test_every_label_is_printed_in_full_and_in_its_column() -> None:
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


def assert_done(lines: list[str], port: int) -> None:
    """Assert that valid predictions arrived, no sample was lost, and the summary says so."""
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
    # A window takes 5 s, and the filters are not settled in the first three.
    assert found["samples_expected"] >= 128 * (4 + found["predictions"])
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    assert found["model"] == "demo-simulated 1"


@pytest.mark.slow
@pytest.mark.needs("time")
def test_fourteen_seconds_yield_valid_predictions_and_lose_no_sample(
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    done = command("demo", "--seconds", "14", "--json", "--port", port)
    assert (done.returncode, done.stderr, capfd.readouterr().err) == (0, "", "")
    assert_done(done.stdout.splitlines(), port)


@pytest.mark.needs("time")
def test_a_demo_too_short_for_a_window_says_so_and_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    # So short that the headset is stopped before it sends, perhaps before it handles signals.
    done = command("demo", "--seconds", "1", "--port", free_port())
    assert (done.returncode, done.stderr) == (1, "")
    assert "Traceback" not in capfd.readouterr().err
    assert "0 predictions" in done.stdout.splitlines()[-1]


@pytest.mark.needs("time")
def test_a_port_in_use_is_named_with_the_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    with listener() as (_, port):
        done = command("demo", "--seconds", "5", "--port", port)
    assert_refused(done, 1, "the service did not start; see its message above")
    said = capfd.readouterr().err  # of the service, which is a process of its own
    assert f"port {port}" in said
    assert "--port" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it stops a process by a POSIX signal")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("SIGINT", id="Ctrl-C"),
        pytest.param("SIGHUP", id="terminal closed", marks=pytest.mark.needs("time")),
    ],
)
def test_it_runs_until_stopped_and_leaves_no_process(name: str) -> None:
    """Ctrl-C, or closing the terminal, while it runs.

    1. Start it, wait for its first valid prediction.
    2. Send the signal to the demo only.

    Result: exit 0 and a summary, and the service and the headset have ended too.
    """
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "eeg_emotion", "demo", "--port", str(port), "--json"],
        env=os.environ | {"COLUMNS": "4000"},  # wide, so that messages are not wrapped
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        parts: list[psutil.Process] = []
        try:
            assert demo.stdout is not None
            lines: list[str] = []
            while "arousal 0." not in (lines or [""])[-1]:
                lines.append(demo.stdout.readline().rstrip())
                assert lines[-1] or demo.poll() is None
            parts = psutil.Process(demo.pid).children(recursive=True)
            assert {"serve", "replay"} <= {word for part in parts for word in part.cmdline()}
            demo.send_signal(signal.Signals[name])
            output, errors = demo.communicate(timeout=100)
            assert (demo.returncode, errors) == (0, "")
            assert_done([*lines, *output.splitlines()], port)
            assert psutil.wait_procs(parts, timeout=0)[1] == []
        finally:
            demo.kill()
            for part in parts:
                with contextlib.suppress(psutil.NoSuchProcess):
                    part.kill()


@pytest.mark.slow
@pytest.mark.needs("time")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports such a pipe differently")
def test_it_ends_quietly_once_its_reader_has_ended() -> None:
    """As in `make demo | head`: it is a task that prints the lines after the reader's end."""
    with subprocess.Popen(
        [sys.executable, "-m", "eeg_emotion", "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        try:
            assert demo.stdout is not None
            while not (line := demo.stdout.readline()).startswith("model"):
                assert line
            demo.stdout.close()
            assert demo.wait(100) == 1
            assert demo.stderr is not None
            # Its service may report that the headset has gone.
            assert "Traceback" not in demo.stderr.read()
        finally:
            demo.kill()
