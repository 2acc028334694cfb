"""What a round of the poller becomes, with real pipelines and a model that is watched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.inlet import FakeInlet
from tests.support.log_records import event_of
from tests.support.model import FakeModel

from eeg_emotion.eeg.layout import UnitSuspect
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.fleet.connection import ActiveStream
from eeg_emotion.fleet.scoring import Listener, PollResult, ScoringRound
from eeg_emotion.inference.model import Model
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.stream.admission import Admission
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.rate import RateError
from eeg_emotion.stream.scoring import PredictionSequence
from eeg_emotion.stream.source_clock import ClockError

SECONDS = 10


class Watched(FakeModel):
    """A model that records the sizes of its batches, and fails on request."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.asked: list[int] = []
        self.failing = False
        self.failing_together = False

    def predict(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        self.asked.append(len(features))
        if self.failing or (self.failing_together and len(features) > 1):
            raise RuntimeError("a defect")
        return super().predict(features)


def make_stream(model: Watched, identifier: str) -> ActiveStream:
    settings = model.contract.path
    stream = StreamDescription(
        uid=identifier,
        channel_count=32,
        labels=DEAP32,
        units=("uV",) * 32,
        sfreq=128.0,
        is_text=False,
        simulated=True,
        replay_speed=1.0,
    )
    pipeline = StreamPipeline(
        admission=Admission.of(stream, settings),
        settings=settings,
        normaliser=model.contract.training_normaliser,
        limits=QualityLimits(),
        clock=lambda: 0.0,
        utc_offset=lambda: 1e9,
        ahead=True,
    )
    return ActiveStream(FakeInlet(stream, 0.25), pipeline, PredictionSequence(identifier, "e"))


class Round:
    """Some headsets with a person each, read in rounds of a second."""

    def __init__(self, model: Watched, loop: asyncio.AbstractEventLoop, names: str) -> None:
        self.taken: list[list[PollResult]] = []
        self.threads: set[int] = set()
        self.scoring = ScoringRound(model, loop, self._take)
        self.listeners: dict[str, Listener] = {}
        self._signals = {}
        for number, name in enumerate(names):
            self.listeners[name] = self.scoring.listen(name, make_stream(model, name))
            run = SimulatedPerson(5, number).run(0, 128.0)
            self._signals[name] = run.next(SECONDS * 128, 0.5, -0.5)
        self._second = dict.fromkeys(names, 0)

    def _take(self, results: list[PollResult]) -> None:
        self.threads.add(threading.get_ident())
        self.taken.append(results)

    async def read(self, names: str) -> list[PollResult]:
        """Send each headset's next second, in the poller's thread, and return the results."""

        def poll() -> None:
            for name in names:
                start = self._second[name] * 128
                self._second[name] += 1
                part = self._signals[name][:, start : start + 128]
                stamps = np.arange(start, start + 128) / 128.0
                self.listeners[name].samples(part, stamps)
            self.scoring.round_over()

        before = len(self.taken)
        # What a thread asks the loop for comes before the thread's own end.
        await asyncio.to_thread(poll)
        assert len(self.taken) - before == bool(names)
        return self.taken[-1] if names else []


@pytest.fixture
def model(adapted: Callable[..., Model]) -> Watched:
    return Watched(adapted())


async def test_the_windows_of_a_round_are_shown_to_the_model_at_once(model: Watched) -> None:
    together = Round(model, asyncio.get_running_loop(), "abc")
    rounds = [await together.read("abc") for _ in range(SECONDS)]
    assert model.asked == [3, 3, 3]  # windows 5 s long, the first three not settled
    for results in rounds:
        assert [item.identifier for item in results] == ["a", "b", "c"]
        assert [item.samples for item in results] == [128] * 3
    scores = set()
    for name in "abc":
        alone = Round(model, asyncio.get_running_loop(), "abc")
        for number in range(SECONDS):
            (item,) = await alone.read(name)
            (same,) = [each for each in rounds[number] if each.identifier == name]
            if item.prediction is None:
                assert same.prediction is None
                continue
            assert same.prediction is not None
            assert (same.prediction.headset, same.prediction.seq) == (name, item.prediction.seq)
            assert same.prediction.window == item.prediction.window
            assert same.prediction.valid == item.prediction.valid
            if item.prediction.valid:
                expected = item.prediction.arousal.probability
                assert same.prediction.arousal.probability == pytest.approx(expected, abs=1e-6)
                scores.add(expected)
    assert len(scores) == 9


async def test_a_window_is_dated_by_the_inlets_clock_offset(model: Watched) -> None:
    polled = Round(model, asyncio.get_running_loop(), "a")
    for _ in range(5):
        (results,) = await polled.read("a")
    assert results.prediction is not None
    assert results.prediction.window.start == 1e9 + 0.25


async def test_what_a_round_brought_is_taken_in_the_loops_thread_and_nothing_is_not(
    model: Watched,
) -> None:
    polled = Round(model, asyncio.get_running_loop(), "a")
    await polled.read("")
    assert polled.taken == []
    await polled.read("a")
    assert polled.threads == {threading.get_ident()}


@pytest.mark.parametrize(
    ("error", "field_name"),
    [
        (ClockError("found a clock"), "refused"),
        (RateError("found a rate"), "refused"),
        (UnitSuspect("found a unit"), "refused"),
        (ZeroDivisionError("a defect"), "error"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failure_in_one_pipeline_is_reported_for_its_headset_alone(
    model: Watched,
    error: Exception,
    field_name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    polled = Round(model, asyncio.get_running_loop(), "abc")
    for _ in range(7):
        await polled.read("abc")
    failing = polled.listeners["b"].active.pipeline

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(failing, "feed", fail)
    for _ in range(3):
        a, b, c = await polled.read("abc")
        assert getattr(b, field_name) is error
        assert (b.prediction, b.lost) == (None, False)
        for other in (a, c):
            assert other.prediction is not None
            assert other.prediction.valid
            assert (other.error, other.refused) == (None, None)
    # Only a defect of the service's own is one for its log.
    failed = {(event_of(r)["event"], event_of(r)["headset"]) for r in caplog.records}
    assert failed == ({("line failed", "b")} if field_name == "error" else set())


async def test_missing_samples_and_superseded_windows_are_reported_once(
    model: Watched,
) -> None:
    polled = Round(model, asyncio.get_running_loop(), "ab")
    await polled.read("ab")
    polled._second["a"] += 2
    a, b = await polled.read("ab")
    assert (a.missing, b.missing) == (256, 0)
    (a,) = await polled.read("a")
    assert (a.samples, a.missing) == (128, 0)
    signal = np.random.default_rng(3).normal(0, 10, (32, 384))
    for begun in (2.0, 5.0):
        polled.listeners["b"].samples(signal, begun + np.arange(384) / 128.0)
        await asyncio.to_thread(polled.scoring.round_over)
    first, second = (results for (results,) in polled.taken[-2:])
    # The second chunk completes windows at 6, 7 and 8 s, of which the last is judged.
    assert (first.superseded, second.superseded, second.missing) == (0, 2, 0)


async def test_if_the_model_fails_the_windows_of_that_round_are_reported_and_the_next_continue(
    model: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    polled = Round(model, asyncio.get_running_loop(), "abc")
    for _ in range(7):
        await polled.read("abc")
    model.failing = True
    a, b = await polled.read("ab")
    assert [str(item.error) for item in (a, b)] == ["a defect"] * 2
    assert a.prediction is b.prediction is None
    assert [event_of(r)["event"] for r in caplog.records] == ["model failed over a round"]
    # One whose samples completed no window has nothing to do with it.
    polled.listeners["c"].samples(np.zeros((32, 1)), np.array([7.0]))
    await asyncio.to_thread(polled.scoring.round_over)
    assert polled.taken[-1][0].error is None
    model.failing = False
    a, b = await polled.read("ab")
    assert a.prediction is not None
    assert b.prediction is not None
    # Numbers are used only for what is published.
    assert (a.prediction.seq, b.prediction.seq) == (3, 3)


async def test_where_the_model_fails_over_windows_together_each_is_scored_alone(
    model: Watched,
) -> None:
    polled = Round(model, asyncio.get_running_loop(), "ab")
    for _ in range(7):
        await polled.read("ab")
    model.failing_together = True
    reported = await polled.read("ab")
    assert [item.error for item in reported] == [None, None]
    assert all(item.prediction is not None for item in reported)
    assert model.asked[-3:] == [2, 1, 1]


async def test_a_loss_is_reported_after_what_came_before_it(model: Watched) -> None:
    polled = Round(model, asyncio.get_running_loop(), "ab")
    listener = polled.listeners["a"]

    def poll() -> None:
        listener.samples(np.zeros((32, 8)), np.arange(8) / 128.0)
        polled.listeners["b"].lost()
        listener.lost()
        polled.scoring.round_over()

    await asyncio.to_thread(poll)
    reported = [(item.identifier, item.samples, item.lost) for item in polled.taken[0]]
    assert reported == [("a", 8, False), ("b", 0, True), ("a", 0, True)]
    assert polled.taken[0][0].active is listener.active
