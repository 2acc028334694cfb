"""The fleet over real LSL: outlets in this process or in one of their own, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray

from eeg_emotion.api.metrics import Metrics
from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import SignalPath
from eeg_emotion.fleet import Fleet
from eeg_emotion.headset.inlet import HeadsetInlet, HeadsetLostError
from eeg_emotion.headset.link import State
from eeg_emotion.headset.replayer import Replayer
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.monitor import NO_SCORE
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import GoingAway, Prediction, Reason, Status
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.recordings.simulation import SimulatedPerson, simulated_recording

SETTLE_AND_WINDOW_SECONDS = 8.0


class RecordingBus(Bus):
    """A bus that also keeps its messages, and lets a test wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Prediction | Status | GoingAway] = []
        self._news = asyncio.Condition()

    def publish(self, message: Prediction | Status | GoingAway) -> None:
        super().publish(message)
        self.messages.append(message)
        self._waking = asyncio.ensure_future(self._wake())

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    @property
    def predictions(self) -> list[Prediction]:
        return [message for message in self.messages if isinstance(message, Prediction)]

    async def until(self, wanted: Callable[[], bool], seconds: float) -> None:
        async with self._news, asyncio.timeout(seconds):
            await self._news.wait_for(wanted)

    async def until_state(self, state: State, seconds: float, since: int = 0) -> Status:
        def found() -> list[Status]:
            return [
                message
                for message in self.messages[since:]
                if isinstance(message, Status) and message.headset.state is state
            ]

        await self.until(lambda: bool(found()), seconds)
        return found()[0]


@dataclass(frozen=True)
class WatchedModel:
    """The demo model; it keeps the features that it was asked about."""

    model: Model
    seen: list[NDArray[np.float32]]

    @property
    def contract(self):
        return self.model.contract

    def predict(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        self.seen.append(features[0].copy())
        return self.model.predict(features)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(demo_model_path())


@contextlib.asynccontextmanager
async def running(
    model: Model | WatchedModel, clock: Callable[[], float] = pylsl.local_clock
) -> AsyncIterator:
    bus = RecordingBus()
    fleet = Fleet(model, model.contract.path, bus, Metrics(), clock)
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet, bus
        assert not task.done(), "the fleet ended by itself"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def source_id(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{os.getpid()}"


def signal_of(seconds: float, sfreq: float = 128.0, seed: int = 5) -> NDArray[np.float64]:
    run = SimulatedPerson(seed, 1).run(0, sfreq)
    return run.next(round(seconds * sfreq), 0.5, -0.5)


def recording_of(source_id: str, samples: NDArray, **changes: object) -> Recording:
    recording = Recording(
        name="Test headset",
        source_id=source_id,
        channels=DEAP32,
        units=("uV",) * len(DEAP32),
        sfreq=128.0,
        manufacturer="test",
        simulated=True,
        stretches=lambda: iter([Stretch(samples)]),
    )
    return replace(recording, **changes)


@contextlib.contextmanager
def playing(recording: Recording, **options: object) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Replayer(recording, **options).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@contextlib.asynccontextmanager
async def headset_process(
    session: str, number: int = 3
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "eeg_emotion", "replay", "--simulate", str(number),
        "--session-id", session, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sfreq", "channels"),
    [(128.0, DEAP32), (500.0, DEAP32[:19])],
    ids=["128 Hz, all channels", "500 Hz, 13 interpolated"],
)
async def test_live_windows_and_predictions_equal_the_offline_ones(
    lsl_session: str, model: Model, source_id: str, sfreq: float, channels: tuple[str, ...]
) -> None:
    samples = signal_of(14.0, sfreq)[: len(channels)].astype(np.float32)
    recording = recording_of(
        source_id, samples, channels=channels, units=("uV",) * len(channels), sfreq=sfreq
    )
    layout = plan_layout(channels, recording.units, channels=DEAP32, max_interpolated=13)
    path = SignalPath(model.contract.path, layout, sfreq, model.contract.training_normaliser)
    offline = [window for window in path.segment().feed(samples) if window.settled]
    watched = WatchedModel(model, [])
    async with running(watched) as (_, bus):
        with playing(recording, speed=4.0):
            await bus.until(
                lambda: sum(prediction.valid for prediction in bus.predictions) >= len(offline),
                30,
            )
    live = [prediction for prediction in bus.predictions if prediction.valid]
    assert len(live) == len(watched.seen) == len(offline) >= 5
    for window, features, prediction in zip(offline, watched.seen, live, strict=True):
        np.testing.assert_array_equal(features, window.features)
        expected = model.predict(window.features[np.newaxis])
        assert prediction.arousal.probability == pytest.approx(expected["arousal"][0], abs=1e-6)
        assert prediction.valence.probability == pytest.approx(expected["valence"][0], abs=1e-6)
        # The first and last raw sample's stamps, to well below a sample period.
        span = prediction.window.end - prediction.window.start
        assert span == pytest.approx(
            (window.last_sample - window.first_sample) / sfreq, abs=0.1 / sfreq
        )
    steps = np.diff([prediction.window.start for prediction in live])
    np.testing.assert_allclose(steps, 1.0, atol=1 / sfreq)
    assert [prediction.seq for prediction in bus.predictions] == list(range(len(bus.predictions)))


@pytest.mark.slow
async def test_a_killed_and_restarted_headset_predicts_again_in_time_under_a_new_epoch(
    lsl_session: str, model: Model
) -> None:
    async with running(model) as (fleet, bus):
        async with headset_process(lsl_session):
            await bus.until(lambda: any(p.valid for p in bus.predictions), 30)
            (before,) = {prediction.epoch for prediction in bus.predictions}
        await bus.until_state(State.LOST, 2.0, since=0)
        assert fleet.headsets()[0].state is State.LOST
        # From here its outlet is there.
        with playing(simulated_recording(2026, 3)):
            await bus.until(
                lambda: any(p.valid and p.epoch != before for p in bus.predictions),
                SETTLE_AND_WINDOW_SECONDS + 2.0,
            )
    after = [prediction for prediction in bus.predictions if prediction.epoch != before]
    assert after[0].seq == 0
    assert next(p.reasons for p in after if p.valid) == ()
    assert after[0].reasons == (Reason.WARMING_UP,)


@pytest.mark.slow
async def test_a_frozen_headset_is_stale_in_time_and_nothing_is_repeated(
    lsl_session: str, model: Model
) -> None:
    async with running(model) as (_, bus), headset_process(lsl_session) as process:
        await bus.until(lambda: len(bus.predictions) >= 1, 30)
        process.send_signal(signal.SIGSTOP)
        marked = len(bus.messages)
        # Stale after 2 s of silence, looked for every 0.25 s.
        await bus.until_state(State.STALE, 2.0 + 0.25 + 0.5, since=marked)
        frozen = len(bus.predictions)
        seen = len(bus.messages)
        process.send_signal(signal.SIGCONT)
        await bus.until_state(State.LIVE, 5.0, since=seen)
        # While it stood still at most the window on its way arrived.
        assert frozen - len([m for m in bus.messages[:marked] if isinstance(m, Prediction)]) <= 1
    ends = [prediction.window.end for prediction in bus.predictions]
    assert len(set(ends)) == len(ends)


async def test_a_model_that_needs_rest_follows_a_headset_and_scores_it_not(
    lsl_session: str, adapted: Callable[..., Model], source_id: str
) -> None:
    async with running(adapted(rest=True)) as (fleet, bus):
        with playing(recording_of(source_id, signal_of(12.0)), speed=4.0):
            await bus.until(lambda: len(bus.predictions) >= 7, 20)
            assert [headset.state for headset in fleet.headsets()] == [State.LIVE]
    for prediction in bus.predictions:
        assert not prediction.valid
        assert prediction.arousal == prediction.valence == NO_SCORE
    reasons = [prediction.reasons for prediction in bus.predictions[:7]]
    assert reasons[:3] == [(Reason.WARMING_UP, Reason.NO_BASELINE)] * 3
    assert reasons[3:] == [(Reason.NO_BASELINE,)] * 4


async def test_two_headsets_with_one_id_are_both_quarantined_until_one_leaves(
    lsl_session: str, model: Model, source_id: str
) -> None:
    samples = signal_of(60.0)
    first = recording_of(source_id, samples, name="First twin")
    second = recording_of(source_id, samples, name="Second twin")
    async with running(model) as (fleet, bus):
        with playing(first):
            await bus.until_state(State.LIVE, 10.0)
            with playing(second, wait_for_consumer=False):
                status = await bus.until_state(State.QUARANTINED, 10.0)
                assert "'First twin'" in status.headset.detail
                assert "'Second twin'" in status.headset.detail
                assert "stop one" in status.headset.detail
                assert len(fleet.headsets()) == 1
                quiet = len(bus.predictions)
                marked = len(bus.messages)
            await bus.until_state(State.LIVE, 15.0, since=marked)
            assert len(bus.predictions) == quiet


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": tuple(f"Ch{n}" for n in range(32))}, ["found 0 of the model's 32", "Ch0"]),
        ({"units": ("furlong",) * 32}, ["Fp1: furlong", "expected V, mV, µV or nV"]),
        ({"units": ("",) * 32}, ["Fp1: no unit", "state the unit"]),
        ({"sfreq": 64.0}, ["64 Hz", "expected 120 to 2048 Hz"]),
        (
            {"channels": (*DEAP32[:18], *(f"X{n}" for n in range(14)))},
            ["found 18 of the model's 32", "at least 19", "missing: Fz"],
        ),
    ],
    ids=["unknown labels", "unknown unit", "no unit", "too slow", "14 missing"],
)
async def test_a_stream_that_cannot_serve_is_quarantined_with_the_remedy(
    lsl_session: str,
    model: Model,
    source_id: str,
    changes: dict[str, object],
    words: list[str],
) -> None:
    recording = recording_of(source_id, signal_of(30.0), **changes)
    async with running(model) as (_, bus):
        with playing(recording, speed=4.0):
            status = await bus.until_state(State.QUARANTINED, 10.0)
            gone_from = len(bus.messages)
        for word in words:
            assert word in status.headset.detail
        gone = await bus.until_state(State.LOST, 15.0, since=gone_from)
        assert "while it was here" in gone.headset.detail
    assert bus.predictions == []


async def test_a_stream_without_labels_is_quarantined(
    lsl_session: str, model: Model, source_id: str
) -> None:
    info = pylsl.StreamInfo("No labels", "EEG", 32, 128.0, "float32", source_id)
    outlet = pylsl.StreamOutlet(info)
    async with running(model) as (_, bus):
        status = await bus.until_state(State.QUARANTINED, 10.0)
    assert "found 0 channel labels" in status.headset.detail
    del outlet


async def test_permuted_labels_give_the_same_predictions(
    lsl_session: str, model: Model, source_id: str
) -> None:
    samples = signal_of(10.0)
    order = np.random.default_rng(3).permutation(32)
    straight = recording_of(f"{source_id}-straight", samples)
    permuted = recording_of(
        f"{source_id}-permuted",
        samples[order] / 1e3,
        channels=tuple(f"EEG {DEAP32[index].upper()}" for index in order),
        units=("mV",) * 32,
    )

    def valid(bus: RecordingBus, name: str) -> list[Prediction]:
        return [p for p in bus.predictions if p.valid and p.headset.endswith(name)]

    async with running(model) as (_, bus):
        with playing(straight, speed=2.0), playing(permuted, speed=2.0):
            await bus.until(
                lambda: len(valid(bus, "straight")) >= 3 and len(valid(bus, "permuted")) >= 3, 30
            )
    pairs = list(zip(valid(bus, "straight"), valid(bus, "permuted"), strict=False))[:3]
    for one, other in pairs:
        assert one.arousal.probability == pytest.approx(other.arousal.probability, abs=1e-4)
        assert one.valence.probability == pytest.approx(other.valence.probability, abs=1e-4)


async def test_one_headset_with_absurd_values_neither_scores_nor_disturbs_another(
    lsl_session: str, model: Model, source_id: str
) -> None:
    samples = signal_of(20.0)
    absurd = samples.copy()
    absurd[3, 128:] = np.nan
    absurd[4, 200:] = np.inf
    absurd[5, 300:] = 1e30
    async with running(model) as (_, bus):
        with (
            playing(recording_of(f"{source_id}-good", samples), speed=2.0),
            playing(recording_of(f"{source_id}-absurd", absurd), speed=2.0),
        ):
            await bus.until(
                lambda: (
                    sum(p.valid for p in bus.predictions) >= 2
                    and sum(p.headset.endswith("absurd") for p in bus.predictions) >= 5
                ),
                30,
            )
    for prediction in bus.predictions:
        if prediction.headset.endswith("absurd"):
            assert Reason.OUT_OF_RANGE in prediction.reasons
            assert prediction.arousal.probability is None
            assert prediction.valence.label is None
            assert "NaN" not in prediction.encode()
        elif prediction.seq >= 3:
            assert prediction.valid


async def test_a_line_that_fails_is_quarantined_and_the_others_go_on(
    lsl_session: str, model: Model, source_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        contract = model.contract

        def __init__(self) -> None:
            self.asked = 0

        def predict(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
            self.asked += 1
            if self.asked == 1:
                raise RuntimeError("a defect")
            return model.predict(features)

    samples = signal_of(20.0)
    async with running(Failing()) as (fleet, bus):
        with (
            playing(recording_of(f"{source_id}-a", samples), speed=2.0),
            playing(recording_of(f"{source_id}-b", samples), speed=2.0),
        ):
            status = await bus.until_state(State.QUARANTINED, 20.0)
            assert "a defect" in status.headset.detail
            await bus.until(lambda: sum(p.valid for p in bus.predictions) >= 2, 20)
            states = {headset.id: headset.state for headset in fleet.headsets()}
    assert sorted(states.values()) == [State.LIVE, State.QUARANTINED]
    assert "failed" in caplog.text


async def test_a_live_headsets_counts_are_told_again_while_nothing_else_changes(
    lsl_session: str, model: Model, source_id: str
) -> None:
    async with running(model) as (_, bus):
        with playing(recording_of(source_id, signal_of(30.0))):
            first = await bus.until_state(State.LIVE, 10.0)
            marked = len(bus.messages)
            again = await bus.until_state(State.LIVE, 7.0, since=marked)
    assert again.headset.detail == first.headset.detail
    assert again.headset.samples_received > first.headset.samples_received


async def test_a_headset_long_lost_is_forgotten_with_all_that_was_kept_of_it(
    lsl_session: str, model: Model, source_id: str
) -> None:
    ahead = 0.0
    async with running(model, lambda: pylsl.local_clock() + ahead) as (fleet, bus):
        with playing(recording_of(source_id, signal_of(30.0)), speed=4.0):
            await bus.until(lambda: len(bus.predictions) > 0, 20)
        await bus.until_state(State.LOST, 10.0)
        (identifier,) = [headset.id for headset in fleet.headsets()]
        assert bus.last_prediction(identifier) is not None
        ahead = 601.0
        async with asyncio.timeout(5):
            while fleet.headsets():  # noqa: ASYNC110 - no message tells of it
                await asyncio.sleep(0.05)
        assert bus.last_prediction(identifier) is None


async def test_a_connection_that_breaks_while_its_source_lives_is_made_anew(
    lsl_session: str, model: Model, source_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = threading.Event()
    pull = HeadsetInlet.pull

    def fragile(inlet: HeadsetInlet) -> tuple:
        if breaking.is_set():
            breaking.clear()
            raise HeadsetLostError("the network went away for a moment")
        return pull(inlet)

    monkeypatch.setattr(HeadsetInlet, "pull", fragile)
    async with running(model) as (_, bus):
        with playing(recording_of(source_id, signal_of(60.0))):
            await bus.until_state(State.LIVE, 10.0)
            breaking.set()
            await bus.until_state(State.LOST, 5.0)
            marked = len(bus.messages)
            again = await bus.until_state(State.LIVE, 10.0, since=marked)
            epochs = {m.headset.epoch for m in bus.messages if isinstance(m, Status)} - {None}
    assert len(epochs) == 2
    assert again.headset.epoch in epochs


async def test_a_sender_that_stamps_with_unix_time_is_quarantined(
    lsl_session: str, model: Model, source_id: str
) -> None:
    async with running(model) as (_, bus):
        with playing(recording_of(source_id, signal_of(30.0)), clock=time.time):
            status = await bus.until_state(State.QUARANTINED, 10.0)
    assert "let the program that makes the outlet stamp with LSL's local_clock" in (
        status.headset.detail
    )
    assert bus.predictions == []


async def test_a_stream_of_text_is_quarantined(
    lsl_session: str, model: Model, source_id: str
) -> None:
    info = pylsl.StreamInfo("Text", "EEG", 32, 128.0, "string", source_id)
    info.set_channel_labels(list(DEAP32))
    outlet = pylsl.StreamOutlet(info)
    async with running(model) as (_, bus):
        status = await bus.until_state(State.QUARANTINED, 10.0)
    del outlet
    assert "found a stream of text, expected numbers" in status.headset.detail
