"""The fleet over real LSL: outlets in this process or in one of their own, on loopback.

Where nothing depends on when samples come, a replay goes on once its samples so far were taken, so
that every window is judged however slow the machine is. The others wait for a signal's seconds to
pass, so the scenarios run side by side: each has a fleet that follows its own headsets alone, and
each is reported as a test of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray
from tests.support.alarms import alarms_in
from tests.support.fleet import (
    LONGEST_WAIT_SECONDS,
    RecordingBus,
    WatchedModel,
    baselines_of,
    running,
)
from tests.support.headset import headset_process
from tests.support.log_records import event_of
from tests.support.replay import (
    NotedClock,
    paced,
    person,
    playing,
    signal_of,
    utc_less_local,
)
from tests.support.service import ServedService

from eeg_emotion.codes import Check, Reason, State
from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import SignalPath
from eeg_emotion.fleet.connection import ActiveStream
from eeg_emotion.fleet.fleet import REVIEW_SECONDS, Fleet
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.lsl.inlet import HeadsetInlet, HeadsetLostError
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Detail, Headset, Prediction, Status
from eeg_emotion.publish.outbox import Outbox
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.recordings.simulation import simulated_recording
from eeg_emotion.stream.link import STALE_SECONDS
from eeg_emotion.stream.scoring import NO_SCORE
from eeg_emotion.stream.selection import HeadsetFilter

# All scenarios are within the first test's time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Stage:
    """What one scenario plays and follows; its headsets' ids begin with its name."""

    name: str
    session: str
    model: Model
    adapted: Callable[..., Model]

    def recording(
        self, identifier: str, samples: NDArray[np.floating], **changes: Any
    ) -> Recording:
        recording = Recording(
            name="Test headset",
            source_id=f"{self.name}-{identifier}",
            channels=DEAP32,
            units=("uV",) * len(DEAP32),
            sfreq=128.0,
            manufacturer="test",
            simulated=True,
            stretches=lambda: iter([Stretch(samples)]),
        )
        return replace(recording, **changes)

    def fleet(
        self,
        model: Model | None = None,
        clock: Callable[[], float] = pylsl.local_clock,
        match: str | None = None,
    ) -> contextlib.AbstractAsyncContextManager[tuple[Fleet, RecordingBus]]:
        return running(
            model or self.model, clock, HeadsetFilter(match=(match or f"{self.name}-*",))
        )


def assert_same_scores(one: dict[int, Prediction], other: dict[int, Prediction]) -> None:
    both = one.keys() & other.keys()
    assert len(both) >= 3
    for second in both:
        for target in ("arousal", "valence"):
            expected = getattr(other[second], target).probability
            assert getattr(one[second], target).probability == pytest.approx(expected, abs=1e-4)


class Noting(logging.Handler):
    """Collects log records."""

    def __init__(self, kept: list[logging.LogRecord]) -> None:
        super().__init__()
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(record)


def stream_of(fleet: Fleet, identifier: str) -> ActiveStream:
    stream = fleet.active_stream(identifier)
    assert stream is not None
    return stream


def only(fleet: Fleet) -> Headset:
    (headset,) = fleet.headsets()
    return headset


# Scenarios side by side

Scenario = Callable[[Stage], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def together(scenario: Scenario) -> Callable[[dict[str, BaseException | None]], None]:
    """Make a test of a scenario that runs beside the others."""
    name = scenario.__name__
    SCENARIOS[name] = scenario

    def test(outcomes: dict[str, BaseException | None]) -> None:
        if (error := outcomes[name]) is not None:
            raise error

    test.__name__ = name
    return test


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest,
    lsl_session: str,
    model: Model,
    adapted: Callable[..., Model],
) -> dict[str, BaseException | None]:
    """Run all scenarios whose tests were asked for; return what each of them raised."""
    chosen = {item.name for item in request.session.items if item.path == request.path}
    names = [name for name in SCENARIOS if name in chosen]
    for sfreq in (128.0, 500.0):
        person(sfreq)  # takes its time, which would be the scenarios'

    async def run() -> list[BaseException | None]:
        # Each fleet keeps a thread.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * len(names)))
        stages = [
            Stage(f"s{number}-{os.getpid()}", lsl_session, model, adapted)
            for number in range(len(names))
        ]

        async def perform(number: int) -> None:
            # Who opens twenty streams at one moment waits longer for each than any fleet would.
            await asyncio.sleep(0.25 * number)
            await SCENARIOS[names[number]](stages[number])

        scenes = map(perform, range(len(names)))
        return await asyncio.gather(*scenes, return_exceptions=True)

    return dict(zip(names, asyncio.run(run()), strict=True))


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(demo_model_path())


async def live_equals_offline(stage: Stage, sfreq: float, channels: tuple[str, ...]) -> Headset:
    samples = signal_of(14.0, sfreq)[: len(channels)].astype(np.float32)
    recording = stage.recording(
        "a", samples, channels=channels, units=("uV",) * len(channels), sfreq=sfreq
    )
    model = stage.model
    layout = plan_layout(channels, recording.units, channels=DEAP32, max_interpolated=13)
    path = SignalPath(model.contract.path, layout, sfreq, model.contract.training_normaliser)
    offline = [window for window in path.segment().feed(samples) if window.settled]
    watched = WatchedModel(model)
    async with stage.fleet(watched) as (fleet, bus), paced(recording, bus):
        await bus.until(lambda: len(bus.valid()) >= len(offline))
        headset = only(fleet)
    live = bus.valid()
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
    return headset


@together
async def test_live_windows_and_predictions_equal_the_offline_ones(stage: Stage) -> None:
    headset = await live_equals_offline(stage, 128.0, DEAP32)
    assert headset.check is Check.ACCEPTED


@together
async def test_at_500_hz_with_13_channels_interpolated_they_are_equal_too(stage: Stage) -> None:
    headset = await live_equals_offline(stage, 500.0, DEAP32[:19])
    assert headset.check is Check.INTERPOLATED
    assert headset.interpolated == DEAP32[19:]


# Coming and going


@together
async def test_a_killed_headset_is_lost_at_once_and_predicts_again_under_a_new_epoch(
    stage: Stage,
) -> None:
    recording = simulated_recording(2026, 3)
    async with stage.fleet(match=recording.source_id) as (fleet, bus):
        with headset_process(stage.session, recording.source_id, signal_of(60.0)):
            await bus.until(lambda: bool(bus.predictions))
            (before,) = {prediction.epoch for prediction in bus.predictions}
        lost = await bus.until_state(State.LOST)
        assert only(fleet).state is State.LOST
        assert lost.headset.detail == "gone: its source closed the connection", "not by silence"
        async with paced(recording, bus):
            await bus.until(lambda: any(p.epoch != before for p in bus.valid()))
    after = [prediction for prediction in bus.predictions if prediction.epoch != before]
    # Windows end after 5, 6, 7 and 8 s of its signal: as soon as the filters have settled.
    assert [(p.seq, p.reasons) for p in after[:4]] == [
        *((seq, (Reason.WARMING_UP,)) for seq in range(3)),
        (3, ()),
    ]


async def read_up_to(fleet: Fleet, now: float) -> None:
    """Wait until the poller has completed two rounds at this time; it announces none of them."""
    async with asyncio.timeout(LONGEST_WAIT_SECONDS):
        while fleet._polled_before < now:  # noqa: ASYNC110 - no message reports it
            await asyncio.sleep(0.004)


@together
async def test_a_silent_headset_is_warned_of_then_stale_in_time_and_nothing_is_repeated(
    stage: Stage,
) -> None:
    warnings: list[logging.LogRecord] = []
    handler = Noting(warnings)
    logger = logging.getLogger("eeg_emotion.fleet.status")
    logger.addHandler(handler)
    now = 1000.0
    recording = stage.recording("a", signal_of(30.0))
    try:
        async with (
            stage.fleet(clock=lambda: now) as (fleet, bus),
            paced(recording, bus) as pace,
        ):
            await bus.until(lambda: bool(bus.predictions))
            await pace.hold()
            marked, reported = len(bus.messages), len(bus.predictions)
            now += 0.75
            assert (only(fleet).state, "has come" in only(fleet).detail) == (State.LIVE, False)
            now += 0.25
            assert (only(fleet).state, "for 1 s" in only(fleet).detail) == (State.LIVE, True)
            await bus.until(
                lambda: any(
                    isinstance(message, Status) and "has arrived for 1 s" in message.headset.detail
                    for message in bus.messages[marked:]
                )
            )
            now += 0.75
            assert only(fleet).state is State.LIVE
            now += 0.25
            # Silence counts only as far as the poller has read.
            await read_up_to(fleet, now)
            assert only(fleet).state is State.STALE
            await bus.until_state(State.STALE, since=marked)
            assert len(bus.predictions) == reported
            seen = len(bus.messages)
            pace.go_on()
            await bus.until_state(State.LIVE, since=seen)
            await bus.until(lambda: len(bus.predictions) > reported)
    finally:
        logger.removeHandler(handler)
    warned = [
        event_of(record)["headset"]
        for record in warnings
        if event_of(record)["event"] == "headset silent"
    ]
    assert warned.count(recording.source_id) == 1
    ends = [prediction.window.end for prediction in bus.predictions]
    assert len(set(ends)) == len(ends)


@together
async def test_two_headsets_with_one_id_are_both_quarantined_until_one_leaves(
    stage: Stage,
) -> None:
    first = stage.recording("a", signal_of(60.0), name="First twin")
    second = stage.recording("a", signal_of(60.0), name="Second twin")
    async with stage.fleet() as (fleet, bus), playing(first, loop=True):
        await bus.until_state(State.LIVE)
        async with playing(second, wait_for_consumer=False, loop=True):
            status = await bus.until_state(State.QUARANTINED)
            assert "'First twin'" in status.headset.detail
            assert "'Second twin'" in status.headset.detail
            assert "stop one" in status.headset.detail
            assert len(fleet.headsets()) == 1
            quiet = len(bus.predictions)
            marked = len(bus.messages)
        await bus.until_state(State.LIVE, since=marked)
        assert len(bus.predictions) == quiet


@together
async def test_only_the_headsets_that_match_are_followed_and_their_counts_published_again(
    stage: Stage,
) -> None:
    followed = stage.recording("followed", signal_of(30.0))
    ignored = stage.recording("ignored", signal_of(30.0), name="Ignored headset")
    async with (
        stage.fleet(match=f"{stage.name}-FOLLOW*") as (fleet, bus),
        playing(ignored, wait_for_consumer=False, loop=True),
        playing(followed, loop=True),
    ):

        def told_again() -> bool:
            reported = [m.headset for m in bus.messages if isinstance(m, Status)]
            return any(
                (one.state, one.detail) == (State.LIVE, other.detail)
                and other.samples_received > one.samples_received > 0
                for one, other in pairwise(reported)
            )

        await bus.until(told_again)
        assert only(fleet).id.endswith("-followed")


@together
async def test_the_channel_quality_comes_with_each_prediction_for_subscribers(
    stage: Stage,
) -> None:
    def details() -> list[Detail]:
        return [message for message in bus.messages if isinstance(message, Detail)]

    outbox = Outbox(lambda: None)
    async with stage.fleet() as (_, bus), paced(stage.recording("a", signal_of(60.0)), bus) as pace:
        await pace.hold(24)
        assert len(bus.predictions) == 2
        assert not details()  # no subscription
        bus.attach(outbox, lambda headset: True)
        bus.subscribe(outbox, ["*"])
        bus.want_detail(outbox, "*")
        asked = len(bus.predictions)
        pace.go_on()
        await bus.until(lambda: len(details()) > 1)
        found = details()[0]
        of = bus.predictions[found.seq]
        assert found.seq >= asked
        assert (found.epoch, found.seq, found.window) == (of.epoch, of.seq, of.window)
        assert [channel.label for channel in found.channels] == list(DEAP32)


@together
async def test_a_headset_long_lost_is_forgotten_with_all_that_was_kept_of_it(
    stage: Stage,
) -> None:
    ahead = 0.0
    async with stage.fleet(clock=lambda: pylsl.local_clock() + ahead) as (fleet, bus):
        async with paced(stage.recording("a", signal_of(30.0)), bus):
            await bus.until(lambda: len(bus.predictions) > 0)
        await bus.until_state(State.LOST)
        identifier = only(fleet).id
        assert bus.last_prediction(identifier) is not None
        ahead = 601.0
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            while fleet.headsets():  # noqa: ASYNC110 - no message reports it
                await asyncio.sleep(0.05)
        assert bus.last_prediction(identifier) is None
        assert fleet.headset(identifier) is None
        assert fleet.quality(identifier) is None


@together
async def test_a_connection_that_breaks_while_its_source_lives_is_reopened(
    stage: Stage,
) -> None:
    def broken() -> None:
        raise HeadsetLostError("the network went away for a moment")

    async with (
        stage.fleet() as (fleet, bus),
        playing(stage.recording("a", signal_of(30.0)), loop=True),
    ):
        await bus.until_state(State.LIVE)
        pytest.MonkeyPatch().setattr(stream_of(fleet, only(fleet).id).inlet, "pull", broken)
        await bus.until_state(State.LOST)
        marked = len(bus.messages)
        again = await bus.until_state(State.LIVE, since=marked)
        epochs = {m.headset.epoch for m in bus.messages if isinstance(m, Status)} - {None}
    assert len(epochs) == 2
    assert again.headset.epoch in epochs
    assert again.headset.changes == ()


@together
async def test_the_changes_of_a_headset_that_returns_permuted_and_in_volts_are_reported(
    stage: Stage,
) -> None:
    samples = signal_of(30.0)
    order = np.random.default_rng(3).permutation(32)
    before = stage.recording("a", samples)
    after = stage.recording(
        "a",
        samples[order] / 1e6,
        channels=tuple(DEAP32[index] for index in order),
        units=("V",) * 32,
    )
    async with stage.fleet() as (fleet, bus):
        async with paced(before, bus) as one:
            await bus.until(lambda: len(bus.valid()) >= 4)
            straight = bus.valid()
            assert only(fleet).changes == ()
        await bus.until_state(State.LOST)
        marked = len(bus.messages)
        async with paced(after, bus) as other:
            status = await bus.until_state(State.LIVE, since=marked)
            await bus.until(lambda: len(bus.valid()) >= len(straight) + 4)
            permuted = [p for p in bus.valid() if p.epoch != straight[0].epoch]
            reported = await ask(stage.model, fleet, bus, f"/v1/headsets/{only(fleet).id}")
    changes = ["unit uV, now V", "its channels are in a different order and are matched by label"]
    assert reported["changes"] == list(status.headset.changes) == changes
    assert "; ".join(changes) in status.headset.detail
    assert (reported["check"], reported["unit"]) == ("accepted", "V, as stated")
    assert_same_scores(one.by_second(straight), other.by_second(permuted))


async def ask(model: Model, fleet: Fleet, bus: Bus, path: str) -> Any:
    """Request from the REST interface of a fleet."""
    with tempfile.TemporaryDirectory() as folder:
        alarms, events = alarms_in(Path(folder), bus)
    service = ServedService(model, fleet, bus, baselines_of(model, bus), alarms, events)
    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


# What cannot serve

REFUSED: dict[str, tuple[dict[str, object], list[str]]] = {
    "numbers": ({"channels": tuple(f"Ch{n}" for n in range(32))}, ["found 0 of the", "--cap"]),
    "names": ({"channels": tuple(f"X{n}" for n in range(32))}, ["found 0 of the model's 32", "X0"]),
    "unit": ({"units": ("furlong",) * 32}, ["Fp1: furlong", "expected V, mV, µV or nV"]),
    "rate": ({"sfreq": 64.0}, ["64 Hz", "expected 100 to 2048 Hz"]),
    "few": (
        {"channels": (*DEAP32[:18], *(f"X{n}" for n in range(14)))},
        ["found 18 of the model's 32", "at least 19", "missing: Fz"],
    ),
}


@together
async def test_streams_that_cannot_serve_are_quarantined_each_with_its_remedy(
    stage: Stage,
) -> None:
    unlabelled = pylsl.StreamInfo(
        "No labels", "EEG", 32, 128.0, "float32", f"{stage.name}-unlabelled"
    )
    text = pylsl.StreamInfo("Text", "EEG", 32, 128.0, "string", f"{stage.name}-text")
    text.set_channel_labels(list(DEAP32))
    outlets = [pylsl.StreamOutlet(unlabelled), pylsl.StreamOutlet(text)]
    expected = {name: words for name, (_, words) in REFUSED.items()} | {
        "unlabelled": ["found 0 channel labels"],
        "text": ["found a stream of text, expected numbers"],
    }
    async with stage.fleet() as (_, bus), contextlib.AsyncExitStack() as played:
        for name, (changes, _) in REFUSED.items():
            recording = stage.recording(name, signal_of(30.0), **changes)
            await played.enter_async_context(playing(recording))
        for name, words in expected.items():
            status = await bus.until_state(State.QUARANTINED, of=f"-{name}")
            assert status.headset.check is Check.QUARANTINED
            for word in words:
                assert word in status.headset.detail
        marked = len(bus.messages)
        await played.aclose()
        outlets.clear()
        for name in expected:
            gone = await bus.until_state(State.LOST, since=marked, of=f"-{name}")
            assert "before that" in gone.headset.detail
    assert bus.predictions == []


@together
async def test_another_rate_than_the_stated_one_is_quarantined_before_any_score(
    stage: Stage,
) -> None:
    recording = stage.recording("a", signal_of(30.0))
    async with stage.fleet() as (fleet, bus), playing(recording, faults="rate 250 silently @1"):
        status = await bus.until_state(State.QUARANTINED)
        assert only(fleet).state is State.QUARANTINED
    assert "samples a second" in status.headset.detail
    assert "expected the 128 Hz that the stream states" in status.headset.detail
    assert "set the nominal rate in the program" in status.headset.detail
    assert bus.valid() == []


@together
async def test_a_quarantine_for_stamps_is_reviewed_after_a_while(stage: Stage) -> None:
    later = 0.0
    recording = stage.recording("a", signal_of(60.0))
    async with (
        stage.fleet(clock=lambda: pylsl.local_clock() + later) as (fleet, bus),
        playing(recording, faults="rate 250 silently @1"),
    ):
        await bus.until_state(State.QUARANTINED)
        marked, later = len(bus.messages), REVIEW_SECONDS
        await bus.until_state(State.LIVE, since=marked)
        # It is as it was, and found so once more.
        again = await bus.until_state(State.QUARANTINED, since=marked)
        assert only(fleet).state is State.QUARANTINED
    assert "samples a second" in again.headset.detail


# Units


@together
async def test_a_unit_that_is_not_stated_is_inferred_and_reported_or_refused_if_it_cannot_be(
    stage: Stage,
) -> None:
    unstated = {"units": ("",) * 32}
    # Put on after 3 s, so that it is measured twice: the opening does not outlast that.
    worn = signal_of(30.0) / 1e6
    worn[:, : 3 * 128] = 0.0
    volts = stage.recording("volts", worn, **unstated)
    counts = stage.recording("counts", signal_of(30.0) * 30.0, **unstated)
    async with (
        stage.fleet() as (fleet, bus),
        paced(volts, bus) as pace,
        paced(counts, bus),
    ):
        await pace.hold(8)
        weighing = await bus.until_state(State.CONNECTING, of="-volts")
        # A baseline that is applied or laid aside meanwhile reaches the line.
        assert stream_of(fleet, weighing.headset.id).pipeline.is_inferring_unit
        await bus.until(
            lambda: any(
                isinstance(message, Status) and "inferring the unit" in message.headset.detail
                for message in bus.messages
            )
        )
        pace.go_on()
        live = await bus.until_state(State.LIVE, of="-volts")
        refused = await bus.until_state(State.QUARANTINED, of="-counts")
        known = fleet.headset(live.headset.id)
        assert known is not None
        assert known.state is State.LIVE
    assert (weighing.headset.check, weighing.headset.unit) == (None, None)
    assert live.headset.unit is not None
    assert live.headset.unit.startswith("V, inferred from its amplitude of ")
    assert "median amplitude" in refused.headset.detail
    assert "state the unit under desc/channels/channel/unit" in refused.headset.detail
    assert bus.valid("-counts") == []


@together
async def test_permuted_labels_give_the_same_predictions(stage: Stage) -> None:
    samples = signal_of(30.0)
    order = np.random.default_rng(3).permutation(32)
    straight = stage.recording("straight", samples)
    permuted = stage.recording(
        "permuted",
        samples[order] / 1e3,
        channels=tuple(f"EEG {DEAP32[index].upper()}" for index in order),
        units=("mV",) * 32,
    )
    async with (
        stage.fleet() as (_, bus),
        paced(straight, bus) as one,
        paced(permuted, bus) as other,
    ):
        await bus.until(
            lambda: len(bus.valid("-straight")) >= 4 and len(bus.valid("-permuted")) >= 4
        )
    assert_same_scores(
        one.by_second(bus.valid("-straight")), other.by_second(bus.valid("-permuted"))
    )


# Time


@together
async def test_windows_are_dated_by_the_outlets_stamps_and_unix_time_is_taken_as_it_is(
    stage: Stage,
) -> None:
    own, unix = NotedClock(pylsl.local_clock), NotedClock(time.time)
    async with (
        stage.fleet() as (fleet, bus),
        playing(stage.recording("own", signal_of(60.0)), clock=own),
        playing(stage.recording("unix", signal_of(60.0)), clock=unix),
    ):
        await bus.until(lambda: bool(bus.valid("-own") and bus.valid("-unix")))
        details = {h.id.split("-")[-1]: h.detail for h in fleet.headsets()}
    utc = utc_less_local()
    assert own.first is not None
    assert unix.first is not None
    for prediction in bus.predictions:
        if prediction.headset.endswith("-own"):
            begin, within = own.first + utc, 1 / 128.0
        else:
            begin, within = unix.first, 1e-6
        start, end = prediction.window.start - begin, prediction.window.end - begin
        assert start == pytest.approx(round(start), abs=within)
        assert end == pytest.approx(round(start) + 639 / 128.0, abs=within)
        assert 0 <= round(start) <= 55
        ledger = prediction.latency_ms
        parts = ledger.arrival + ledger.path + ledger.inference
        assert parts == pytest.approx(ledger.total, abs=0.002)
    assert "its stamps are in Unix time" in details["unix"]
    assert "its stamps" not in details["own"]


@together
async def test_a_headset_whose_clock_is_set_predicts_on_with_windows_of_now(stage: Stage) -> None:
    async with (
        stage.fleet() as (fleet, bus),
        playing(stage.recording("back", signal_of(60.0)), faults="clock-jump -30s @2"),
        playing(stage.recording("forth", signal_of(60.0)), faults="clock-jump +30s @2"),
    ):
        await bus.until(lambda: bool(bus.valid("-back") and bus.valid("-forth")))
        headsets = {h.id.split("-")[-1]: h for h in fleet.headsets()}
    for name, shift in (("back", -30.0), ("forth", 30.0)):
        reported = re.search(r"its clock has jumped by ([+-][0-9.]+) s", headsets[name].detail)
        assert reported is not None
        # By when the samples came: to within what this machine was late at that moment.
        assert float(reported[1]) == pytest.approx(shift, abs=10.0)
        assert (headsets[name].gaps, headsets[name].samples_missing) == (1, 0)
    for prediction in bus.predictions:
        assert 0.0 <= prediction.latency_ms.arrival <= 10_000.0


@together
async def test_what_an_outage_held_back_is_not_shown_as_of_now(stage: Stage) -> None:
    recording = stage.recording("a", signal_of(60.0))
    async with stage.fleet() as (fleet, bus), playing(recording, faults="freeze 5s @4"):
        await bus.until_state(State.STALE)
        await bus.until(lambda: bool(only(fleet).sfreq_measured is not None and bus.valid()))
        headset = only(fleet)
    late = [p for p in bus.predictions if p.latency_ms.arrival > STALE_SECONDS * 1e3]
    assert late
    assert all(p.reasons[0] is Reason.STALE and not p.valid for p in late)
    assert bus.valid()
    assert headset.windows_superseded >= 1
    assert (headset.gaps, headset.samples_missing) == (0, 0)
    assert headset.sfreq_measured == pytest.approx(128.0, abs=1.5)
    assert [p.seq for p in bus.predictions] == list(range(len(bus.predictions)))


# One and the others


@together
async def test_a_model_that_needs_rest_follows_a_headset_and_scores_it_not(stage: Stage) -> None:
    async with (
        stage.fleet(stage.adapted(rest=True)) as (fleet, bus),
        paced(stage.recording("a", signal_of(30.0)), bus),
    ):
        await bus.until(lambda: len(bus.predictions) >= 7)
        assert only(fleet).state is State.LIVE
    for prediction in bus.predictions:
        assert not prediction.valid
        assert prediction.arousal == prediction.valence == NO_SCORE
    reasons = [prediction.reasons for prediction in bus.predictions]
    warming = (Reason.WARMING_UP, Reason.NO_BASELINE)
    assert reasons == [warming] * 3 + [(Reason.NO_BASELINE,)] * (len(reasons) - 3)


@together
async def test_one_headset_with_absurd_values_neither_scores_nor_disturbs_another(
    stage: Stage,
) -> None:
    samples = signal_of(30.0)
    absurd = samples.copy()
    absurd[3, 128:] = np.nan
    absurd[4, 200:] = np.inf
    absurd[5, 300:] = 1e30
    async with (
        stage.fleet() as (fleet, bus),
        paced(stage.recording("good", samples), bus),
        paced(stage.recording("absurd", absurd), bus),
    ):
        await bus.until(
            lambda: (
                len(bus.valid("-good")) >= 2
                and sum(p.headset.endswith("-absurd") for p in bus.predictions) >= 5
            )
        )
        reported = {
            h.id.split("-")[-1]: await ask(stage.model, fleet, bus, f"/v1/headsets/{h.id}/quality")
            for h in fleet.headsets()
        }
    for prediction in bus.predictions:
        if prediction.headset.endswith("-good"):
            assert prediction.valid or prediction.seq < 3
        else:
            assert "NaN" not in prediction.encode()
            if not prediction.valid:
                assert prediction.arousal.probability is None
                assert prediction.valence.label is None
    first = next(p for p in bus.predictions if p.headset.endswith("-absurd"))
    assert Reason.OUT_OF_RANGE in first.reasons
    for name, troubled in (("good", set()), ("absurd", set(DEAP32[3:6]))):
        channels = reported[name]["channels"]
        assert [channel["label"] for channel in channels] == list(DEAP32)
        assert {c["label"] for c in channels if c["trouble"] == "not_finite"} == troubled
        assert set(reported[name]["interpolated"]) == troubled


@together
async def test_a_pipeline_that_fails_is_quarantined_and_the_others_continue(stage: Stage) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    names = ("a", "b", "c")
    async with stage.fleet() as (fleet, bus), contextlib.AsyncExitStack() as played:
        for name in names:
            recording = stage.recording(name, signal_of(30.0))
            await played.enter_async_context(paced(recording, bus))
        for name in names:
            live = await bus.until_state(State.LIVE, of=f"-{name}")
            if name == "b":
                failing = stream_of(fleet, live.headset.id)
        pytest.MonkeyPatch().setattr(failing.pipeline, "feed", fail)
        status = await bus.until_state(State.QUARANTINED)
        await bus.until(lambda: len(bus.valid("-a")) >= 2 and len(bus.valid("-c")) >= 2)
        states = {headset.id.split("-")[-1]: headset.state for headset in fleet.headsets()}
    assert states == {"a": State.LIVE, "b": State.QUARANTINED, "c": State.LIVE}
    assert "ZeroDivisionError: a defect; see its log" in status.headset.detail
    assert "restart the headset's stream" in status.headset.detail
    for name in ("a", "c"):
        seqs = [p.seq for p in bus.predictions if p.headset.endswith(f"-{name}")]
        assert seqs == list(range(len(seqs)))


@together
async def test_where_the_model_fails_the_headset_is_quarantined_and_the_next_one_is_served(
    stage: Stage,
) -> None:
    class Failing(WatchedModel):
        def predict(self, features: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
            if len(self.seen) < 2:  # together, and then again alone
                self.seen.append(features)
                raise RuntimeError("a defect")
            return super().predict(features)

    async with stage.fleet(Failing(stage.model)) as (fleet, bus):
        async with paced(stage.recording("a", signal_of(30.0)), bus):
            status = await bus.until_state(State.QUARANTINED)
        async with paced(stage.recording("b", signal_of(30.0)), bus):
            await bus.until(lambda: len(bus.valid("-b")) >= 2)
            states = {headset.id.split("-")[-1]: headset.state for headset in fleet.headsets()}
    assert "RuntimeError: a defect" in status.headset.detail
    assert states["b"] is State.LIVE
    assert bus.valid("-a") == []


async def test_whether_streams_are_looked_for_and_read_shows(
    lsl_session: str, model: Model
) -> None:
    passed = 0.0

    def clock() -> float:
        return float(pylsl.local_clock() + passed)

    async with running(model, clock, HeadsetFilter(match=("nobody",))) as (fleet, _):
        assert not fleet.following
        for _ in range(2):
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                while not fleet.following:  # noqa: ASYNC110 - nothing reports it
                    await asyncio.sleep(0.01)
            passed += 6.0  # in which neither thread came round
            assert not fleet.following


async def test_many_headsets_are_opened_at_once(
    lsl_session: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = 16
    opening = threading.Barrier(many)

    class Opened(HeadsetInlet):
        """An inlet that is opened once all are about to be."""

        def __init__(self, info: pylsl.StreamInfo) -> None:
            opening.wait(LONGEST_WAIT_SECONDS)
            super().__init__(info)

    monkeypatch.setattr("eeg_emotion.fleet.fleet.HeadsetInlet", Opened)
    outlets = []
    for number in range(many):
        info = pylsl.StreamInfo("Many", "EEG", 32, 128.0, "float32", f"many-{os.getpid()}-{number}")
        info.set_channel_labels(list(DEAP32))
        info.set_channel_units(["microvolts"] * 32)
        outlets.append(pylsl.StreamOutlet(info))
    headset_filter = HeadsetFilter(match=(f"many-{os.getpid()}-*",))
    async with (
        running(model, pylsl.local_clock, headset_filter) as (fleet, _),
        asyncio.timeout(LONGEST_WAIT_SECONDS),
    ):

        def accepted() -> int:
            return sum(headset.check is Check.ACCEPTED for headset in fleet.headsets())

        while accepted() < many:  # noqa: ASYNC110 - none has sent a sample, so nothing reports it
            await asyncio.sleep(0.01)
