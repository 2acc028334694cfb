"""A fleet over real LSL whose messages are kept and whose samples are counted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from tests.support.model import FakeModel

from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.codes import State
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.fleet.status import NoAlarms
from eeg_emotion.inference.model import Model
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus, Published
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import (
    Prediction,
    Status,
)
from eeg_emotion.stream.selection import HeadsetFilter

LONGEST_WAIT_SECONDS = 90.0
"""For what comes within seconds on a machine with nothing else to do.

Below pytest's limit for a test, which would end it without a word about what was seen.
"""


class RecordingBus(Bus):
    """A bus that also keeps its messages, and lets a test wait for one.

    Attributes
    ----------
    taken
        How many samples of each headset were taken, with all that came of them.
    taking
        Notified whenever some were.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taken: Counter[str] = Counter()
        self.taking = threading.Condition()
        self.messages: list[Published] = []
        self._news = asyncio.Condition()

    def publish(self, message: Published) -> Frame:
        frame = super().publish(message)
        self.messages.append(message)
        self._waking = asyncio.ensure_future(self._wake())
        return frame

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    @property
    def predictions(self) -> list[Prediction]:
        return [message for message in self.messages if isinstance(message, Prediction)]

    async def until(
        self, wanted: Callable[[], bool], *, within: float = LONGEST_WAIT_SECONDS
    ) -> None:
        async with self._news, asyncio.timeout(within):
            await self._news.wait_for(wanted)

    async def until_state(
        self, state: State, since: int = 0, of: str = "", *, within: float = LONGEST_WAIT_SECONDS
    ) -> Status:
        """Wait for a headset in this state whose id ends with this text.

        Raises
        ------
        TimeoutError
            If none comes; it says what the headsets were last.
        """

        def found() -> list[Status]:
            return [
                message
                for message in self.messages[since:]
                if isinstance(message, Status)
                and message.headset.state is state
                and message.headset.id.endswith(of)
            ]

        try:
            await self.until(lambda: bool(found()), within=within)
        except TimeoutError as error:
            ids = f"a headset whose id ends with {of!r}" if of else "a headset"
            raise TimeoutError(
                f"found {self._last_states() or 'no headset'}, expected {ids} to be {state} "
                f"within {within:g} s"
            ) from error
        return found()[0]

    def _last_states(self) -> str:
        """Return the last state of each headset, with its detail."""
        last = {m.headset.id: m.headset for m in self.messages if isinstance(m, Status)}
        return "; ".join(f"{h.id} {h.state} ({h.detail})" for h in last.values())

    def valid(self, of: str = "") -> list[Prediction]:
        """The valid predictions of the headsets whose id ends so."""
        return [p for p in self.predictions if p.valid and p.headset.endswith(of)]


class NotingMetrics(Metrics):
    """Metrics, and the number of samples of the last round."""

    newest = 0

    def on_samples(self, *, samples: int, missing: int, superseded: int) -> None:
        super().on_samples(samples=samples, missing=missing, superseded=superseded)
        self.newest = samples


class NotingBaselines(Baselines):
    """Baselines that record of which headsets samples were processed."""

    bus: RecordingBus
    metrics: NotingMetrics

    def on_samples(self, identifier: str, prediction: Prediction | None) -> None:
        super().on_samples(identifier, prediction)
        with self.bus.taking:
            self.bus.taken[identifier] += self.metrics.newest
            self.bus.taking.notify_all()


class WatchedModel(FakeModel):
    """The demo model; it keeps the features that it was asked about."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.seen: list[NDArray[np.float32]] = []

    def predict(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        self.seen.extend(features.copy())
        return super().predict(features)


def baselines_of(model: Model, bus: Bus) -> NotingBaselines:
    # No test here keeps a profile, so that the folder need not be there.
    profiles = ProfileStore(Path("no-such-folder"))
    return NotingBaselines(
        model, bus, profiles, clock=time.monotonic, utc=time.time, random=Random(5)
    )


@contextlib.asynccontextmanager
async def running(
    model: Model, clock: Callable[[], float], headset_filter: HeadsetFilter
) -> AsyncIterator[tuple[Fleet, RecordingBus]]:
    bus, metrics = RecordingBus(), NotingMetrics()
    baselines = baselines_of(model, bus)
    baselines.bus, baselines.metrics = bus, metrics
    fleet = Fleet(
        model,
        model.contract.path,
        headset_filter,
        bus,
        metrics,
        baselines,
        NoAlarms(),
        clock,
    )
    baselines.attach(fleet)
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet, bus
        assert not task.done(), "the fleet ended by itself"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
