"""The signal path: its cost compared with the model's, and an hour of signal through it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from tests.support.report import Report

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.path import SignalPath, Window
from eeg_emotion.eeg.resampling import Resampler
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.recordings.simulation import SimulatedPerson

ROUNDS = 7
ROUND_SECONDS = 20  # of signal
HOUR_SFREQ = 500
HOUR_SECONDS = 3600
CHUNKS_A_SECOND = 16  # as the replayer sends


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(demo_model_path())


def path_of(model: Model, sfreq: float) -> SignalPath:
    """Return the path as the service runs it, with one window per second."""
    settings = replace(model.contract.path, hop_seconds=1.0)
    return SignalPath(
        settings,
        identity_layout(settings.channels),
        sfreq,
        normaliser=model.contract.training_normaliser,
    )


def endless_signal(sfreq: int) -> NDArray[np.float32]:
    """Return two minutes of signal, `(channels, samples)` µV, that repeat without a step."""
    there = SimulatedPerson(2026, 1).run(0, sfreq).next(60 * sfreq, 0.0, 0.0)
    return np.concatenate([there, there[:, ::-1]], axis=1).astype(np.float32)


def chunks_of(
    signal: NDArray[np.float32], sfreq: int, first: int, last: int
) -> Iterator[NDArray[np.float32]]:
    """Return samples `first` to `last` of the repeated signal in chunks of a sixteenth second."""
    size = round(sfreq / CHUNKS_A_SECOND)
    length = signal.shape[1]
    while first < last:
        at = first % length
        chunk = signal[:, at : at + min(size, last - first)]
        yield chunk
        first += chunk.shape[1]


def cpu_ms(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1e3


def test_cost(report: Report, model: Model) -> None:
    """The path's cost per headset and second, with one window in it, compared with inference."""
    signals = {sfreq: endless_signal(sfreq) for sfreq in (128, 256, 500, 2048)}
    segments = {sfreq: path_of(model, sfreq).segment() for sfreq in signals}
    windows: list[Window] = []

    def feed(sfreq: int, number: int) -> None:
        first = number * ROUND_SECONDS * sfreq
        for chunk in chunks_of(signals[sfreq], sfreq, first, first + ROUND_SECONDS * sfreq):
            windows.extend(segments[sfreq].feed(chunk))

    for sfreq in signals:
        feed(sfreq, 0)  # the window is full, and one-time setup is done
    batches = {
        batch: np.stack([window.features for window in windows[-batch:]]) for batch in (1, 16)
    }

    def infer(batch: int) -> None:
        for _ in range(100):
            model.predict(batches[batch])

    for batch in batches:
        infer(batch)
    # Round by round, so that a slow moment of the machine affects all of them.
    path_ms: dict[int, list[float]] = {sfreq: [] for sfreq in signals}
    model_ms: dict[int, list[float]] = {batch: [] for batch in batches}
    for number in range(1, ROUNDS + 1):
        for sfreq, times in path_ms.items():
            times.append(cpu_ms(partial(feed, sfreq, number)) / ROUND_SECONDS)
        for batch, times in model_ms.items():
            times.append(cpu_ms(partial(infer, batch)) / (100 * batch))
    assert len(windows) >= len(signals) * (ROUNDS + 1) * (ROUND_SECONDS - 6)

    inference = {batch: statistics.median(times) for batch, times in model_ms.items()}
    for batch, cost in inference.items():
        report(f"inference, batch {batch}, CPU for a window", f"{cost:.3f} ms")
    for sfreq, times in path_ms.items():
        cost = statistics.median(times)
        report(
            f"path, 32 channels at {sfreq} Hz, CPU for a second",
            f"{cost:.2f} ms {cost / inference[1]:6.1f} x",
            "inference, batch 1",
        )


def test_an_hour(report: Report, model: Model) -> None:
    """An hour at 500 Hz: nothing is lost, nothing accumulates."""
    path = path_of(model, HOUR_SFREQ)
    settings, samples = path.settings, HOUR_SECONDS * HOUR_SFREQ
    signal = endless_signal(HOUR_SFREQ)

    resampler = Resampler(1, HOUR_SFREQ, settings.sfreq)
    given = sum(
        resampler.process(chunk[:1].astype(np.float64)).shape[1]
        for chunk in chunks_of(signal, HOUR_SFREQ, 0, samples)
    )
    due = (HOUR_SECONDS - path.resampler_delay_seconds) * settings.sfreq
    report(
        f"samples at {settings.sfreq:g} Hz, less the delay stated",
        f"{given}",
        f"aim: {due:.0f}",
        abs(given - due) <= 1,
    )

    process, segment = psutil.Process(), path.segment()
    count, last, before = 0, None, 0
    started = time.perf_counter()
    warm = 120 * HOUR_SFREQ
    for first, until in ((0, warm), (warm, samples)):
        before = process.memory_info().rss
        for chunk in chunks_of(signal, HOUR_SFREQ, first, until):
            for window in segment.feed(chunk):
                count, last = count + 1, window
    grown = (process.memory_info().rss - before) / 2**20
    factor = HOUR_SECONDS / (time.perf_counter() - started)

    latest = HOUR_SECONDS - path.resampler_delay_seconds - settings.window_seconds
    windows = math.floor(latest / settings.hop_seconds) + 1
    # The last sample of a window is the one before the grid's point, at the model's rate.
    seconds = (windows - 1) * settings.hop_seconds + settings.window_seconds - 1 / settings.sfreq
    sample = round(seconds * HOUR_SFREQ)
    report("windows", f"{count}", f"aim: {windows}", count == windows)
    assert last is not None
    report("last window's last sample", f"{last.last_sample}", f"aim: {sample}",
           last.last_sample == sample)  # fmt: skip
    report("resident memory, grown from 2 to 60 min", f"{grown:.2f} MiB", "aim: <= 1 MiB",
           grown <= 1)  # fmt: skip
    report("faster than real time", f"{factor:.0f} x", "aim: > 1 x", factor > 1)
