"""The inlet against real outlets in a process of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pylsl
import pytest

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.headset.inlet import (
    HeadsetInlet,
    HeadsetLostError,
    HeadsetUnreachableError,
    headset_id,
)


@pytest.fixture
def headset(lsl_session: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", "eeg_emotion", "replay", "--simulate", str(os.getpid()),
         "--session-id", lsl_session],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


def resolve(source_id: str) -> pylsl.StreamInfo:
    (info,) = pylsl.resolve_byprop("source_id", source_id, minimum=1, timeout=20)
    return info


def pull_for(inlet: HeadsetInlet, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        inlet.pull()


def own_source_id() -> str:
    return f"simulated-2026-{os.getpid()}"


def test_the_metadata_come_through_the_open_connection(headset: subprocess.Popen) -> None:
    info = resolve(own_source_id())
    assert info.get_channel_labels() in (None, [], [None] * 32)
    inlet = HeadsetInlet(info)
    description = inlet.description
    inlet.close()
    assert description.labels == DEAP32
    assert set(description.units) == {"microvolts"}
    assert description.sfreq == 128.0
    assert description.simulated is True
    assert description.uid == info.uid()


def test_samples_come_channels_first_and_pulling_does_not_wait(headset: subprocess.Popen) -> None:
    inlet = HeadsetInlet(resolve(own_source_id()))
    stamps: list[float] = []
    deadline = time.monotonic() + 10
    while len(stamps) < 64 and time.monotonic() < deadline:
        began = time.monotonic()
        samples, new = inlet.pull()
        assert time.monotonic() - began < 0.1
        assert samples.shape == (32, len(new))
        stamps.extend(new)
    inlet.close()
    np.testing.assert_allclose(np.diff(stamps), 1 / 128, atol=1e-9)
    # Both processes use this machine's clock, so the offset is next to nothing.
    assert abs(inlet.clock_offset) < 0.01


def test_a_killed_source_is_lost_at_the_next_pull(headset: subprocess.Popen) -> None:
    inlet = HeadsetInlet(resolve(own_source_id()))
    headset.kill()
    headset.wait()
    with pytest.raises(HeadsetLostError):
        pull_for(inlet, 5)


def test_a_stream_that_no_longer_answers_is_unreachable_after_its_time_limit(
    headset: subprocess.Popen,
) -> None:
    info = resolve(own_source_id())
    headset.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(HeadsetUnreachableError, match=r"announced but could not be opened"):
        HeadsetInlet(info)
    assert time.monotonic() - began < 12
    headset.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("name", "source_id", "expected"),
    [
        ("Cap", "ACME 01/7", "acme-01-7"),
        ("Cap", "simulated-2026-7", "simulated-2026-7"),
        ("Cap", "", "cap"),
        ("***", "***", "headset"),
    ],
)
def test_the_id_is_a_slug_safe_in_urls(name: str, source_id: str, expected: str) -> None:
    info = pylsl.StreamInfo(name, "EEG", 1, 128.0, "float32", source_id)
    assert headset_id(info).startswith(expected)
    assert set(headset_id(info)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
