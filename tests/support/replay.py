"""Replays in this process, and one that goes on once its samples so far were taken."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray
from tests.support.fleet import LONGEST_WAIT_SECONDS, RecordingBus

from eeg_emotion.lsl.inlet import headset_id
from eeg_emotion.publish.messages import (
    Prediction,
)
from eeg_emotion.recordings.recording import Recording
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.replay.faults import parse_faults
from eeg_emotion.replay.replayer import Replayer

CHUNK_SECONDS = 0.25


@contextlib.asynccontextmanager
async def playing(recording: Recording, *, faults: str = "", **options: Any) -> AsyncIterator[None]:
    stop = threading.Event()
    replayer = Replayer(recording, faults=parse_faults(faults), **options)
    thread = threading.Thread(target=replayer.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()


class Pace:
    """The clock of a replay, which goes on once all samples so far were taken.

    It runs far ahead of the machine's, so that no window is ever an old one.
    """

    def __init__(self, bus: RecordingBus, recording: Recording, chunk_seconds: float) -> None:
        self.first = self._now = pylsl.local_clock() + 1000.0
        self._taken = bus.taken
        self._taking = bus.taking
        info = pylsl.StreamInfo(recording.name, source_id=recording.source_id)
        self._identifier = headset_id(info)
        self._chunk = round(chunk_seconds * recording.sfreq)
        self._sent = bus.taken[self._identifier]  # by its connections before
        self._limit: float = math.inf
        self._over = False

    def __call__(self) -> float:
        return float(self._now)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Wait until all samples so far were taken, then advance time by these seconds."""
        with self._taking:
            self._taking.wait_for(
                lambda: self._over or (self._sent < self._limit and self._all_taken())
            )
            if self._over:
                return stop.wait()
            self._sent += self._chunk
        self._now += seconds + 1e-6  # or what is left by rounding would be waited for again
        return False

    async def hold(self, chunks: int = 0) -> None:
        """Send at most this much in all; wait until it was taken."""

        with self._taking:
            self._limit = chunks * self._chunk

        def wait() -> None:
            with self._taking:
                assert self._taking.wait_for(
                    lambda: self._sent >= self._limit and self._all_taken(), LONGEST_WAIT_SECONDS
                )

        await asyncio.to_thread(wait)

    def go_on(self) -> None:
        """Send what is left."""
        with self._taking:
            self._limit = math.inf
            self._taking.notify_all()

    def end(self) -> None:
        """Stop sending."""
        with self._taking:
            self._over = True
            self._taking.notify_all()

    def by_second(self, predictions: list[Prediction]) -> dict[int, Prediction]:
        """Return predictions by the second of the replay with which their windows begin."""
        utc = time.time() - pylsl.local_clock()
        return {round(p.window.start - utc - self.first): p for p in predictions}

    def _all_taken(self) -> bool:
        return self._taken[self._identifier] >= self._sent


@contextlib.asynccontextmanager
async def paced(
    recording: Recording, bus: RecordingBus, *, chunk_seconds: float = CHUNK_SECONDS
) -> AsyncIterator[Pace]:
    """Play a recording as fast as its samples are taken; its stretches must be whole chunks."""
    pace = Pace(bus, recording, chunk_seconds)
    # The speed says that its stamps run ahead.
    options: dict[str, Any] = {
        "speed": 2.0,
        "chunk_seconds": chunk_seconds,
        "clock": pace,
        "wait": pace.wait,
    }
    async with playing(recording, **options):
        try:
            yield pace
        finally:
            pace.end()


@cache
def person(sfreq: float) -> NDArray[np.float64]:
    samples = SimulatedPerson(5, 1).run(0, sfreq).next(round(60 * sfreq), 0.5, -0.5)
    samples.setflags(write=False)
    return samples


def signal_of(seconds: float, sfreq: float = 128.0) -> NDArray[np.float64]:
    return person(sfreq)[:, : round(seconds * sfreq)]


class NotedClock:
    """A clock that keeps what it said first: of a replay that is sample 0's stamp."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.first: float | None = None

    def __call__(self) -> float:
        now = self._clock()
        self.first = self.first or now
        return now


def utc_less_local() -> float:
    """Unix time less LSL's clock, both read with nothing in between."""
    readings = []
    for _ in range(100):
        before, utc, after = pylsl.local_clock(), time.time(), pylsl.local_clock()
        readings.append((after - before, utc - (before + after) / 2))
    return float(min(readings)[1])
