from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.layout import UnitSuspect, plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import Segment, SignalPath, Window
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.publish.messages import Prediction
from eeg_emotion.recordings.simulation import simulated_recording
from eeg_emotion.stream.admission import Admission
from eeg_emotion.stream.link import STALE_SECONDS
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.rate import RateError
from eeg_emotion.stream.scoring import PredictionSequence, predict
from eeg_emotion.stream.source_clock import ClockError

SOURCE_START = 77.25  # the source's clock, which has nothing to do with this machine's
CLOCK_OFFSET = 5000.125
UTC_OFFSET = 1_700_000_000.5
TICK = 0.001  # what each look at the clock takes

Array = NDArray[np.float64]
Stamps = TypeVar("Stamps", float, NDArray[np.float64])


@cache
def model() -> Model:
    return load_model(demo_model_path())


@cache
def person(sfreq: float = 128.0, seconds: int = 24) -> tuple[Array, Array]:
    """A simulated headset's samples `(32, n)` µV and its own stamps."""
    stretches = simulated_recording(3, 2, sfreq=sfreq, seconds_per_state=10.0).stretches()
    samples = np.concatenate([next(stretches).samples for _ in range(seconds)], axis=1)
    stamps = SOURCE_START + np.arange(samples.shape[1]) / sfreq
    for array in (samples, stamps):
        array.setflags(write=False)
    return samples, stamps


class Clock:
    """This machine's clock, set by hand; it moves on a little with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += TICK
        return self.now


class Desk:
    """A pipeline on a machine where each chunk arrives just after it was measured."""

    def __init__(
        self,
        *,
        sfreq: float = 128.0,
        labels: tuple[str, ...] = DEAP32,
        unit: str = "uV",
        hop_seconds: float = 1.0,
        late: float = 0.01,
        ahead: bool = False,
        served: Model | None = None,
        limits: QualityLimits | None = None,
        utc_offset: Callable[[], float] = lambda: UTC_OFFSET,
    ) -> None:
        self.model = served or model()
        contract = self.model.contract
        settings = replace(contract.path, hop_seconds=hop_seconds)
        stream = StreamDescription(
            uid="u",
            channel_count=len(labels),
            labels=labels,
            units=(unit,) * len(labels),
            sfreq=sfreq,
            is_text=False,
            simulated=True,
            replay_speed=1.0,
        )
        self.clock = Clock()
        self.late = late
        self.sequence = PredictionSequence("a", "e1")
        self.pipeline = StreamPipeline(
            admission=Admission.of(stream, settings),
            settings=settings,
            normaliser=contract.training_normaliser,
            limits=limits or QualityLimits(),
            clock=self.clock,
            utc_offset=utc_offset,
            ahead=ahead,
        )

    def feed(
        self, samples: Array, stamps: Array, arrived: float | None = None
    ) -> Prediction | None:
        """Feed a chunk; without a time of its own it arrives `late` after its stamps."""
        if arrived is None:
            arrived = stamps[np.isfinite(stamps)][-1] + CLOCK_OFFSET + self.late
        self.clock.now = arrived - TICK
        assessed = self.pipeline.feed(samples, stamps, CLOCK_OFFSET)
        if assessed is None:
            return None
        (prediction,) = predict(self.model, [(self.sequence, assessed)], self.clock)
        return prediction

    def run(
        self, samples: Array, stamps: Array, chunk: int = 16, arrived: Array | None = None
    ) -> list[Prediction]:
        """Feed all of it; `arrived` states for each sample when it could have arrived."""
        predictions = []
        for start in range(0, len(stamps), chunk):
            stop = min(start + chunk, len(stamps))
            prediction = self.feed(
                samples[:, start:stop],
                stamps[start:stop],
                None if arrived is None else float(arrived[stop - 1]),
            )
            if prediction is not None:
                predictions.append(prediction)
        return predictions


def reference(sfreq: float = 128.0, labels: tuple[str, ...] = DEAP32) -> SignalPath:
    """The signal path that a desk's line runs."""
    contract = model().contract
    layout = plan_layout(
        labels,
        ["uV"] * len(labels),
        channels=contract.path.channels,
        max_interpolated=contract.path.max_interpolated,
    )
    return SignalPath(contract.path, layout, sfreq, normaliser=contract.training_normaliser)


def scores(predictions: list[Prediction]) -> list[tuple[float | None, float | None]]:
    return [(p.arousal.probability, p.valence.probability) for p in predictions]


def valid(predictions: list[Prediction]) -> list[Prediction]:
    return [prediction for prediction in predictions if prediction.valid]


def without(predictions: list[Prediction], *fields: str) -> list[dict[str, Any]]:
    return [prediction.model_dump(exclude=set(fields)) for prediction in predictions]


def utc(stamp: Stamps) -> Stamps:
    return stamp + CLOCK_OFFSET + UTC_OFFSET


# Windows and numbers


def test_predictions_are_numbered_from_zero_without_holes() -> None:
    predictions = Desk().run(*person(seconds=40))
    assert [prediction.seq for prediction in predictions] == list(range(36))
    assert {(p.headset, p.epoch) for p in predictions} == {("a", "e1")}
    contract = model().contract
    assert {p.model for p in predictions} == {f"{contract.name} {contract.version}"}


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_a_windows_stamps_are_those_of_its_first_and_last_raw_sample(sfreq: float) -> None:
    samples, stamps = person(sfreq, 40)
    # Stamps that are not the grid's: each must be looked up, not computed.
    jittered = stamps + np.random.default_rng(0).uniform(-0.2, 0.2, len(stamps)) / sfreq
    predictions = Desk(sfreq=sfreq).run(samples, jittered)
    for prediction in predictions:
        first = round(prediction.seq * sfreq)
        last = first + round((5.0 - 1 / 128.0) * sfreq)
        assert prediction.window.start == utc(jittered[first])
        assert prediction.window.end == utc(jittered[last])
    assert len(predictions) >= 35


def test_a_clock_offset_that_changes_is_used_from_then_on() -> None:
    samples, stamps = person()
    desk = Desk()
    desk.run(samples[:, :1279], stamps[:1279])
    desk.clock.now = stamps[1279] + CLOCK_OFFSET + 1.0
    assessed = desk.pipeline.feed(samples[:, 1279:1280], stamps[1279:1280], CLOCK_OFFSET + 0.5)
    assert assessed is not None
    assert assessed.end == stamps[1279] + (CLOCK_OFFSET + 0.5) + UTC_OFFSET


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_the_first_windows_warm_up_and_the_rest_of_a_good_signal_is_valid(sfreq: float) -> None:
    predictions = Desk(sfreq=sfreq).run(*person(sfreq))
    warming, settled = predictions[:3], predictions[3:]
    assert all(p.reasons == (Reason.WARMING_UP,) for p in warming)
    assert scores(warming) == [(None, None)] * 3
    bands = {target.name: target.calibration.unsure for target in model().contract.targets}
    for prediction in settled:
        assert prediction.valid
        assert prediction.reasons == ()
        for target in ("arousal", "valence"):
            score, (low, high) = getattr(prediction, target), bands[target]
            assert score.probability is not None
            side = "high" if score.probability > 0.5 else "low"
            assert score.label == ("unsure" if low <= score.probability <= high else side)
    assert len(set(scores(settled))) == len(settled)


def test_the_scores_are_the_models_for_the_signal_paths_windows() -> None:
    samples, stamps = person()
    desk = Desk()
    windows = [window for window in reference().segment().feed(samples) if window.settled]
    reported = valid(desk.run(samples, stamps))
    for prediction, window in zip(reported, windows, strict=True):
        chances = model().predict(window.features[np.newaxis])
        assert prediction.arousal.probability == pytest.approx(chances["arousal"][0], abs=1e-6)
        assert prediction.valence.probability == pytest.approx(chances["valence"][0], abs=1e-6)


# A model that needs a person's rest


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_without_the_persons_rest_no_window_is_scored_and_that_is_the_only_reason_once_settled(
    adapted: Callable[..., Model], sfreq: float
) -> None:
    predictions = Desk(sfreq=sfreq, served=adapted(rest=True)).run(*person(sfreq))
    assert scores(predictions) == [(None, None)] * len(predictions)
    assert {(p.arousal.label, p.valence.label) for p in predictions} == {(None, None)}
    assert not any(p.valid for p in predictions)
    assert {p.reasons for p in predictions[:3]} == {(Reason.WARMING_UP, Reason.NO_BASELINE)}
    assert {p.reasons for p in predictions[3:]} == {(Reason.NO_BASELINE,)}
    # Everything else is as usual.
    usual = Desk(sfreq=sfreq).run(*person(sfreq))
    assert [(p.quality, p.window) for p in predictions] == [(p.quality, p.window) for p in usual]


def test_a_missing_baseline_does_not_hide_what_else_is_wrong(adapted: Callable[..., Model]) -> None:
    samples, stamps = person()
    still = np.broadcast_to(samples[:, :1], samples.shape)
    predictions = Desk(served=adapted(rest=True)).run(still, stamps)
    assert {p.reasons for p in predictions[3:]} == {(Reason.NOT_WORN, Reason.NO_BASELINE)}


def test_with_a_persons_own_normaliser_a_model_that_needs_one_scores(
    adapted: Callable[..., Model],
) -> None:
    desk = Desk(served=adapted(rest=True))
    # Any of the right width will do: here the demo model's.
    desk.pipeline.use(model().contract.training_normaliser)
    assert scores(desk.run(*person())) == scores(Desk().run(*person()))


def test_a_normaliser_that_is_set_and_removed_while_the_unit_is_inferred_counts(
    adapted: Callable[..., Model],
) -> None:
    for given in (model().contract.training_normaliser, None):
        desk = Desk(served=adapted(rest=True), unit="")
        desk.pipeline.use(model().contract.training_normaliser)
        assert desk.pipeline.is_inferring_unit
        desk.pipeline.use(given)
        found = {reason for p in desk.run(*person()) for reason in p.reasons}
        assert (Reason.NO_BASELINE in found) == (given is None)


def test_a_normaliser_that_comes_after_a_window_was_made_is_for_the_next_one(
    adapted: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, feed = Desk(served=adapted(rest=True)), Segment.feed

    def interrupted(segment: Segment, samples: Array) -> Iterator[Window]:
        for window in feed(segment, samples):
            # As the event loop's thread may do at this very moment.
            desk.pipeline.use(model().contract.training_normaliser)
            yield window

    monkeypatch.setattr(Segment, "feed", interrupted)
    first, second, *_ = desk.run(*person())
    assert Reason.NO_BASELINE in first.reasons
    assert Reason.NO_BASELINE not in second.reasons


def test_the_size_of_the_chunks_does_not_matter() -> None:
    one, other = (Desk().run(*person(), chunk=chunk) for chunk in (1, 37))
    assert without(one, "latency_ms") == without(other, "latency_ms")


def test_the_order_of_the_channels_does_not_matter() -> None:
    samples, stamps = person()
    order = np.random.default_rng(4).permutation(32)
    labels = tuple(f"EEG {DEAP32[i]}" for i in order)
    found = Desk(labels=labels).run(samples[order], stamps)
    assert found == Desk().run(samples, stamps)


def test_channels_that_were_interpolated_are_named_and_lower_the_quality() -> None:
    samples, stamps = person()
    keep = [row for row, name in enumerate(DEAP32) if name not in ("Cz", "O1")]
    predictions = Desk(labels=tuple(DEAP32[row] for row in keep)).run(samples[keep], stamps)
    assert {prediction.interpolated for prediction in predictions} == {("O1", "Cz")}
    assert len(valid(predictions)) == len(predictions) - 3
    full = Desk().run(samples, stamps)
    assert all(p.quality < q.quality for p, q in zip(predictions, full, strict=True))


# Gaps


@pytest.mark.parametrize("missing", [1, 10, 700])
@pytest.mark.parametrize("at", [2000, 2005])  # at a chunk's start and within one
def test_no_window_spans_a_gap(missing: int, at: int) -> None:
    samples, stamps = person(seconds=40)
    kept = np.delete(np.arange(len(stamps)), np.arange(at, at + missing))
    desk = Desk(hop_seconds=0.25)
    predictions = desk.run(samples[:, kept], stamps[kept])
    before, after = utc(stamps[at - 1]), utc(stamps[at + missing])
    for prediction in predictions:
        window = prediction.window
        assert window.end <= before or window.start >= after
        assert window.end - window.start == pytest.approx(639 / 128.0, abs=1e-6)
    assert {p.window.start >= after for p in predictions} == {True, False}
    assert (desk.pipeline.counts.gaps, desk.pipeline.counts.missing) == (1, missing)


def test_after_a_gap_the_reasons_are_gap_and_warming_up_until_the_filters_settled() -> None:
    samples, stamps = person(seconds=40)
    kept = np.delete(np.arange(len(stamps)), np.arange(2000, 2010))
    desk = Desk()
    predictions = desk.run(samples[:, kept], stamps[kept])
    after = [p for p in predictions if p.window.start >= utc(stamps[2010])]
    assert after[0].window.start == utc(stamps[2010])  # the grid restarts there
    assert all(p.reasons == (Reason.GAP, Reason.WARMING_UP) for p in after[:3])
    assert scores(after[:3]) == [(None, None)] * 3
    assert all(p.valid for p in after[3:])
    assert len(after) > 6
    assert [p.seq for p in predictions] == list(range(len(predictions)))


def test_a_segment_after_a_gap_gives_what_a_fresh_connection_would() -> None:
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(2000, 2010))
    after = [
        p for p in Desk().run(samples[:, kept], stamps[kept]) if p.window.start >= utc(stamps[2010])
    ]
    fresh = Desk().run(samples[:, 2010:], stamps[2010:])
    assert scores(after) == scores(fresh)


def test_a_gap_during_warm_up_starts_it_again() -> None:
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(700, 703))
    predictions = Desk().run(samples[:, kept], stamps[kept])
    assert predictions[0].reasons == (Reason.WARMING_UP,)
    assert all(p.reasons == (Reason.GAP, Reason.WARMING_UP) for p in predictions[1:4])
    assert predictions[4].valid


def test_a_clock_that_jumps_back_is_a_gap_with_nothing_missing() -> None:
    samples, stamps = person()
    jumped = stamps.copy()
    jumped[2000:] -= 100.0
    desk = Desk()
    predictions = desk.run(samples, jumped)
    assert (desk.pipeline.counts.gaps, desk.pipeline.counts.missing) == (1, 0)
    assert Reason.GAP in {reason for p in predictions for reason in p.reasons}
    assert all(p.window.end > p.window.start for p in predictions)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_prediction_has_a_stamp_that_is_not_finite(value: float) -> None:
    samples, stamps = person()
    broken = stamps.copy()
    broken[2000:2003] = value
    predictions = Desk().run(samples, broken)
    spans = [(p.window.start, p.window.end) for p in predictions]
    assert np.isfinite(spans).all()
    assert not any(s <= utc(stamps[2001]) <= e for s, e in spans)
    assert predictions[-1].valid


# Bursts


@pytest.mark.parametrize("offset", range(0, 128, 17))
def test_of_a_burst_only_the_newest_window_is_returned_and_the_others_are_counted(
    offset: int,
) -> None:
    samples, stamps = person()
    steady, desk = Desk(hop_seconds=0.25), Desk(hop_seconds=0.25)
    expected = steady.run(samples, stamps, chunk=1)
    start, stop = 1280 + offset, 1280 + offset + 256  # two seconds, the inlet's largest pull
    before = desk.run(samples[:, :start], stamps[:start])
    newest = desk.feed(samples[:, start:stop], stamps[start:stop])
    assert newest is not None
    assert desk.pipeline.counts.superseded == 7
    assert newest.seq == before[-1].seq + 1  # what is not returned takes no number
    (same,) = [p for p in expected if p.window == newest.window]
    assert newest.window.end > utc(stamps[stop - 1 - 32])
    assert scores([newest]) == scores([same])


def test_every_window_is_returned_or_counted() -> None:
    samples, stamps = person()
    desk, reported, start = Desk(hop_seconds=0.25), 0, 0
    rng = np.random.default_rng(1)
    while start < len(stamps):
        stop = start + int(rng.integers(1, 256))
        reported += desk.feed(samples[:, start:stop], stamps[start:stop]) is not None
        start = stop
    assert desk.pipeline.counts.superseded > 0
    assert reported + desk.pipeline.counts.superseded == (len(stamps) - 640) // 32 + 1
    assert desk.pipeline.counts.received == len(stamps)


def test_a_backlog_older_than_stale_gives_no_score() -> None:
    fresh = Desk(late=STALE_SECONDS - 0.2).run(*person())
    assert len(valid(fresh)) == len(fresh) - 3
    stale = Desk(late=STALE_SECONDS + 0.1).run(*person())
    assert all(p.reasons[0] == Reason.STALE for p in stale)
    assert scores(stale) == [(None, None)] * len(stale)


def test_stamps_in_the_future_are_refused_with_the_remedy() -> None:
    Desk(late=-4.0).run(*person(seconds=2))
    with pytest.raises(ClockError, match=r"6 s ahead of this machine's LSL clock.*correct this in"):
        Desk(late=-6.0).run(*person(seconds=2))


def test_a_recording_played_fast_may_run_ahead() -> None:
    samples, stamps = person(seconds=12)
    assert valid(Desk(late=-6.0, ahead=True).run(samples, stamps))


@pytest.mark.parametrize("seconds", [6.0, 11.0])
def test_what_was_held_back_in_an_outage_is_never_shown_as_of_now(seconds: float) -> None:
    samples, stamps = person(seconds=40)
    arrived = stamps + CLOCK_OFFSET + 0.01
    held = (stamps >= stamps[2000]) & (stamps < stamps[2000] + seconds)
    arrived[held] = stamps[2000] + CLOCK_OFFSET + seconds
    desk = Desk()
    # The inlet hands over two seconds at most.
    predictions = desk.run(samples, stamps, chunk=256, arrived=arrived)
    now = {p.seq: p.window.end + p.latency_ms.arrival / 1e3 for p in predictions}
    for p in predictions:
        if p.valid:
            assert now[p.seq] - p.window.end <= STALE_SECONDS
        else:
            assert (p.arousal.probability, p.valence.label) == (None, None)
    late = [p for p in predictions if Reason.STALE in p.reasons]
    assert len(late) >= 2
    assert desk.pipeline.counts.superseded == 36 - len(predictions) > 0
    assert (desk.pipeline.counts.gaps, predictions[-1].valid) == (0, True)


# Clocks


@pytest.mark.parametrize("shift", [-3600.0, -30.0, -1.5, 0.75, 30.0, 3600.0])
@pytest.mark.parametrize("at", [2000, 2005])  # at a chunk's start and within one
def test_a_source_whose_clock_is_set_is_followed_after_a_gap(shift: float, at: int) -> None:
    samples, stamps = person(seconds=40)
    jumped = stamps.copy()
    jumped[at:] += shift
    desk = Desk()
    predictions = desk.run(samples, jumped, arrived=stamps + CLOCK_OFFSET + 0.01)
    after = [p for p in predictions if p.window.end > utc(stamps[at])]
    assert [p.reasons for p in after[:3]] == [(Reason.GAP, Reason.WARMING_UP)] * 3
    assert all(p.valid for p in after[3:])
    assert len(after) > 10
    # Dated by when it was measured, whatever the source's clock says.
    for number, p in enumerate(after):
        start = utc(stamps[at + 128 * number])
        assert p.window.start == pytest.approx(start, abs=1e-5)
        assert 0.0 <= p.latency_ms.total <= 150.0
    assert desk.pipeline.counts.missing == 0
    said = desk.pipeline.describe_time()
    assert said is not None
    assert f"its clock has jumped by {shift:+.1f} s in total" in said
    assert "dated by their arrival" in said


def test_what_came_late_as_the_clock_was_set_dates_no_window_in_the_future() -> None:
    samples, stamps = person()
    jumped = stamps.copy()
    jumped[2000:] -= 30.0
    arrived = stamps + CLOCK_OFFSET + 0.01
    arrived[2000:2032] += 0.3
    predictions = Desk().run(samples, jumped, arrived=arrived)
    assert min(p.latency_ms.arrival for p in predictions) >= 0.0
    after = predictions[11:]
    assert Reason.GAP in after[0].reasons
    # A hundredth of a second is what each sample takes to get here.
    for number, p in enumerate(after):
        if p.valid:
            assert p.window.start == pytest.approx(utc(stamps[2000 + 128 * number]), abs=0.011)
    assert after[-1].valid


def test_a_clock_that_is_set_forth_and_back_is_followed_both_times() -> None:
    samples, stamps = person(seconds=40)
    jumped = stamps.copy()
    jumped[1600:3200] += 30.0
    desk = Desk()
    predictions = desk.run(samples, jumped, arrived=stamps + CLOCK_OFFSET + 0.01)
    assert desk.pipeline.counts.gaps == 2
    assert predictions[-1].valid
    ends = np.array([p.window.end for p in predictions])
    assert (np.diff(ends) > 0.99).all()
    assert max(p.latency_ms.arrival for p in predictions) <= 150.0


def test_unix_time_for_stamps_is_taken_as_it_is() -> None:
    samples, stamps = person(seconds=40)
    unix = utc(stamps)
    # Two clocks are read one after the other for it, so it is never twice the same.
    drift = count(UTC_OFFSET, 2.0**-16)
    desk = Desk(utc_offset=lambda: next(drift))
    predictions = desk.run(samples, unix, arrived=stamps + CLOCK_OFFSET + 0.01)
    assert len(valid(predictions)) == 33
    for p in predictions:
        assert p.window.start == unix[128 * p.seq]
        assert p.window.end == unix[128 * p.seq + 639]
    assert scores(predictions) == scores(Desk().run(samples, stamps))
    assert desk.pipeline.describe_time() == "its stamps are in Unix time, not by LSL's clock"


def test_of_stamps_by_lsls_clock_nothing_is_said() -> None:
    desk = Desk()
    desk.run(*person())
    assert desk.pipeline.describe_time() is None


def test_samples_that_come_twice_are_in_no_window() -> None:
    samples, stamps = person(seconds=40)
    # A chunk is sent again, and another one's stamps stand still.
    order = np.insert(np.arange(len(stamps)), 2000, np.arange(1984, 2000))
    twice, marked = samples[:, order], stamps[order].copy()
    marked[4000:4010] = marked[4000]
    desk = Desk()
    predictions = desk.run(twice, marked, arrived=utc(stamps[order]) - UTC_OFFSET + 0.01)
    for p in predictions:
        assert p.window.end - p.window.start == pytest.approx(639 / 128.0, abs=1e-6)
    good = valid(predictions)
    spans = [(p.window.start, p.window.end) for p in good]
    assert not any(start < utc(stamps[1999]) < end for start, end in spans)
    assert not any(start < utc(marked[4000]) < end for start, end in spans)
    assert {p.reasons for p in predictions} == {
        (Reason.WARMING_UP,),
        (Reason.GAP, Reason.WARMING_UP),
        (),
    }
    assert len(good) >= 14


def test_a_sender_that_stamps_when_it_sends_is_followed_and_reported() -> None:
    samples, stamps = person(seconds=40)
    late = np.random.default_rng(2).uniform(0.0, 0.03, len(stamps) // 16)
    jittered = stamps + np.repeat(late, 16)
    desk = Desk()
    predictions = desk.run(samples, jittered, arrived=jittered + CLOCK_OFFSET + 0.01)
    assert sum(p.valid for p in predictions) >= 25
    said = desk.pipeline.describe_time()
    assert said is not None
    assert "its stamps jitter" in said


# The rate


@pytest.mark.parametrize("sfreq", [250.0, 160.0, 140.0, 120.0])
def test_another_rate_than_the_stated_one_is_refused_before_any_score(sfreq: float) -> None:
    samples, stamps = person(sfreq)
    desk, reported = Desk(sfreq=128.0), list[Prediction | None]()

    def connect() -> None:
        for start in range(0, len(stamps), 16):
            stop = start + 16
            reported.append(desk.feed(samples[:, start:stop], stamps[start:stop]))

    message = rf"found {sfreq:.1f} samples a second over \d s .*expected the 128 Hz .*nominal rate"
    with pytest.raises(RateError, match=message):
        connect()
    assert not any(p.valid for p in reported if p is not None)


@pytest.mark.parametrize("sfreq", [128.0, 127.5])
def test_the_rate_is_measured_and_a_device_may_be_a_little_off(sfreq: float) -> None:
    samples, stamps = person()
    stamps = SOURCE_START + (stamps - SOURCE_START) * 128.0 / sfreq
    desk = Desk()
    desk.run(samples[:, :640], stamps[:640])
    assert desk.pipeline.measured_sfreq is None
    assert valid(desk.run(samples[:, 640:], stamps[640:]))
    assert desk.pipeline.measured_sfreq == pytest.approx(sfreq, abs=0.1)


def test_lost_samples_are_no_wrong_rate() -> None:
    samples, stamps = person(seconds=40)
    kept = np.flatnonzero(np.arange(len(stamps)) % 900 >= 100)
    desk = Desk()
    desk.run(samples[:, kept], stamps[kept])
    assert (desk.pipeline.counts.gaps, desk.pipeline.counts.missing) == (5, 500)


# Overload of this process


@pytest.mark.parametrize("missing", [640, 3000])
def test_what_this_process_lost_is_overloaded_and_not_blamed_on_the_headset(missing: int) -> None:
    samples, stamps = person(seconds=60)
    kept = np.delete(np.arange(len(stamps)), np.arange(2000, 2000 + missing))
    desk = Desk()
    before = desk.run(samples[:, kept[:2000]], stamps[kept[:2000]])
    desk.clock.now = stamps[kept[2000]] + CLOCK_OFFSET
    desk.pipeline.note_overload()
    after = desk.run(samples[:, kept[2000:]], stamps[kept[2000:]])
    lost = [p for p in after if p.window.start >= utc(stamps[2000 + missing])][:3]
    assert all(p.reasons == (Reason.OVERLOADED, Reason.WARMING_UP) for p in lost)
    assert Reason.GAP not in {reason for p in [*before, *after] for reason in p.reasons}
    assert after[-1].valid
    assert not desk.pipeline.overloaded(desk.clock.now + 10.0)


def test_a_rate_is_not_judged_by_what_was_read_too_late() -> None:
    samples, stamps = person(seconds=40)
    # Of each second a third is lost on this side: the stamps show it, but as jitter may.
    kept = np.flatnonzero(np.arange(len(stamps)) % 24 < 16)
    desk = Desk()
    for start in range(0, len(kept), 16):
        part = kept[start : start + 16]
        desk.clock.now = stamps[part[0]] + CLOCK_OFFSET
        desk.pipeline.note_overload()
        desk.feed(samples[:, part], stamps[part])
    assert desk.pipeline.overloaded(desk.clock.now)
    # The same without the overload is another rate, and refused.
    with pytest.raises(RateError):
        Desk().run(samples[:, kept], stamps[kept])


def test_windows_that_wait_for_an_overloaded_process_are_not_stale() -> None:
    samples, stamps = person()
    desk = Desk(late=STALE_SECONDS + 1.0)
    desk.clock.now = stamps[0] + CLOCK_OFFSET
    desk.pipeline.note_overload()
    first, *_, last = desk.run(samples, stamps)
    assert first.reasons == (Reason.OVERLOADED, Reason.WARMING_UP)
    assert last.reasons == (Reason.STALE,)  # 10 s after it was read late for the last time


# A unit that is not stated

UNITS = {"V": 1e-6, "mV": 1e-3, "µV": 1.0}


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_that_is_not_stated_is_inferred_from_the_amplitude(unit: str) -> None:
    samples, stamps = person()
    desk = Desk(unit="")
    begin = 4 * 128
    assert desk.pipeline.is_inferring_unit
    assert desk.run(samples[:, : begin - 16] * UNITS[unit], stamps[: begin - 16]) == []
    assert desk.pipeline.is_inferring_unit
    predictions = desk.run(samples[:, begin - 16 :] * UNITS[unit], stamps[begin - 16 :])
    assert not desk.pipeline.is_inferring_unit
    assert desk.pipeline.layout.unit.startswith(f"{unit}, inferred from its amplitude of ")
    # From then on it is as if it had just connected and stated its unit.
    stated = Desk().run(samples[:, begin:], stamps[begin:])
    assert [p.window for p in predictions] == [p.window for p in stated]
    for found, expected in zip(valid(predictions), valid(stated), strict=True):
        assert found.arousal.probability == pytest.approx(expected.arousal.probability, abs=1e-4)
        assert found.valence.probability == pytest.approx(expected.valence.probability, abs=1e-4)
    assert desk.pipeline.counts.received == len(stamps)


@pytest.mark.parametrize("factor", [0.03, 30.0])
def test_an_amplitude_that_matches_no_unit_is_refused(factor: float) -> None:
    samples, stamps = person(seconds=21)
    desk = Desk(unit="")
    with pytest.raises(UnitSuspect, match=r"state no unit.*median amplitude.*state the unit under"):
        desk.run(samples * factor, stamps)


def test_the_unit_of_a_headset_that_is_put_on_late_is_inferred_then() -> None:
    samples, stamps = person()
    worn = samples.copy()
    worn[:, : 3 * 128] = 0.0
    desk = Desk(unit="")
    assert valid(desk.run(worn, stamps))
    assert desk.pipeline.layout.unit.startswith("µV, inferred")


def test_a_loss_while_the_unit_is_inferred_is_no_wrong_rate() -> None:
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(256, 400))
    desk = Desk(unit="")
    assert valid(desk.run(samples[:, kept], stamps[kept]))
    assert (desk.pipeline.counts.gaps, desk.pipeline.counts.missing) == (1, 144)


def test_where_the_inference_of_the_unit_ends_does_not_depend_on_the_chunks() -> None:
    one, other = (Desk(unit="").run(*person(), chunk=chunk) for chunk in (1, 37))
    assert without(one, "latency_ms") == without(other, "latency_ms")
    assert valid(one)


# What was found last


def test_the_newest_window_is_kept_with_its_verdict_valid_or_not() -> None:
    samples, stamps = person()
    desk = Desk()
    assert desk.pipeline.newest is None
    for part in (slice(0, 700), slice(700, None)):
        prediction = desk.run(samples[:, part], stamps[part])[-1]
        newest = desk.pipeline.newest
        assert newest is not None
        assert (newest.start, newest.end) == (prediction.window.start, prediction.window.end)
        assert newest.reasons == prediction.reasons
    assert prediction.reasons == ()


def test_the_limits_of_the_quality_are_those_that_were_given() -> None:
    samples, stamps = person(seconds=12)
    strict = Desk(limits=QualityLimits(rms_uv=(0.01, 0.02))).run(samples, stamps)
    assert {p.reasons for p in strict[3:]} == {(Reason.POOR_CONTACT,)}
    assert valid(Desk().run(samples, stamps))


# Bad samples


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_bad_samples_give_null_scores_with_their_reason_and_never_a_repeated_value(
    value: float,
) -> None:
    samples, stamps = person()
    bad = samples.copy()
    bad[7, 1900:1940] = value
    predictions = Desk().run(bad, stamps)
    clean = Desk().run(samples, stamps)
    touched = [
        p
        for p in predictions
        if p.window.end >= utc(stamps[1900]) and p.window.start <= utc(stamps[1940]) + 3.0
    ]
    assert len(touched) >= 7
    assert all(p.reasons == (Reason.OUT_OF_RANGE,) for p in touched)
    assert scores(touched) == [(None, None)] * len(touched)
    # Around them the windows are valid: before, the same as if nothing had been; after, settled.
    reported = [p for p in predictions[3:] if p not in touched]
    assert all(p.valid for p in reported)
    assert len(set(scores(reported))) == len(reported)
    for found, expected in zip(predictions, clean, strict=True):
        if found.valid:
            assert found.arousal.probability == pytest.approx(
                expected.arousal.probability, abs=0.01
            )


def test_an_endless_run_of_nan_never_gives_a_score() -> None:
    samples, stamps = person(seconds=40)
    predictions = Desk().run(np.full_like(samples, np.nan), stamps)
    assert len(predictions) == 36
    assert scores(predictions) == [(None, None)] * 36
    assert all(Reason.OUT_OF_RANGE in p.reasons for p in predictions)


def test_a_dead_electrode_and_a_wrong_unit_are_reported() -> None:
    samples, stamps = person()
    dead = samples.copy()
    dead[20] = dead[20, 0]
    filled = Desk().run(dead, stamps)
    assert {(p.reasons, p.interpolated) for p in filled[3:]} == {((), (DEAP32[20],))}
    most = model().contract.path.max_interpolated
    dead[: most + 1] = dead[: most + 1, :1]
    assert {p.reasons for p in Desk().run(dead, stamps)[3:]} == {
        (Reason.CHANNELS_MISSING, Reason.POOR_CONTACT)
    }
    assert {p.reasons for p in Desk().run(samples * 1e-6, stamps)[3:]} == {(Reason.UNIT_SUSPECT,)}
    still = np.broadcast_to(samples[:, :1], samples.shape)
    assert {p.reasons for p in Desk().run(still, stamps)[3:]} == {(Reason.NOT_WORN,)}


@pytest.mark.parametrize("made_up", ["zeros", "repeats"])
@pytest.mark.parametrize("unit", ["uV", ""])
def test_packets_that_were_made_up_are_gaps(made_up: str, unit: str) -> None:
    samples, stamps = person(seconds=40)
    spoilt = samples.copy()
    spoilt[:, 2000:2012] = 0.0 if made_up == "zeros" else samples[:, 1988:2000]
    desk = Desk(unit=unit)
    predictions = desk.run(spoilt, stamps)
    touched = [
        p
        for p in predictions
        if p.window.end >= utc(stamps[2000]) and p.window.start <= utc(stamps[2011]) + 3.0
    ]
    assert len(touched) >= 7
    assert all(p.reasons[0] == Reason.GAP for p in touched)
    assert scores(touched) == [(None, None)] * len(touched)
    others = [p for p in predictions if p not in touched]
    assert {reason for p in others for reason in p.reasons} == {Reason.WARMING_UP}
    assert (desk.pipeline.counts.gaps, desk.pipeline.counts.missing) == (1, 12)
    assert "zeros or repeats on all channels" in str(desk.pipeline.describe_time())


# Latency


def ledgers(desk: Desk, sfreq: float) -> Iterator[tuple[Prediction, float]]:
    samples, stamps = person(sfreq)
    for start in range(0, len(stamps), 16):
        stop = min(start + 16, len(stamps))
        if prediction := desk.feed(samples[:, start:stop], stamps[start:stop]):
            # The last look at the clock in `feed` is the ledger's end.
            yield prediction, (desk.clock.now + UTC_OFFSET - prediction.window.end) * 1e3


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_the_latency_ledger_adds_up_to_the_time_since_the_last_sample(sfreq: float) -> None:
    desk, path = Desk(sfreq=sfreq), reference(sfreq)
    for prediction, elapsed_ms in ledgers(desk, sfreq):
        ledger = prediction.latency_ms
        assert ledger.arrival + ledger.path + ledger.inference == pytest.approx(
            ledger.total, abs=0.002
        )
        assert ledger.total == pytest.approx(elapsed_ms, abs=0.002)
        assert ledger.path == pytest.approx(TICK * 1e3)
        assert ledger.inference == pytest.approx(TICK * 1e3)
        # A window's last sample waits for its chunk, the resampler and the 10 ms way here.
        held = path.resampler_delay_seconds + 16 / sfreq + 1 / 128.0
        assert 10.0 - 0.01 <= ledger.arrival <= 10.0 + held * 1e3
        assert ledger.resampler == pytest.approx(path.resampler_delay_seconds * 1e3, abs=1e-3)
        assert ledger.filter == pytest.approx(path.filter_delay_seconds * 1e3, abs=1e-3)
