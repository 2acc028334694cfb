from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import SignalPath
from eeg_emotion.headset.link import STALE_SECONDS
from eeg_emotion.inference.contract import Contract
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.monitor import ClockError, Monitor
from eeg_emotion.publish.messages import Prediction, Reason
from eeg_emotion.recordings.simulation import simulated_recording

SOURCE_START = 77.25  # the source's clock, which has nothing to do with this machine's
CLOCK_OFFSET = 5000.125
UTC_OFFSET = 1_700_000_000.5
TICK = 0.001  # what each look at the clock takes

Array = NDArray[np.float64]


@cache
def model() -> Model:
    return load_model(demo_model_path())


@cache
def person(sfreq: float = 128.0, seconds: int = 40) -> tuple[Array, Array]:
    """A simulated headset's samples `(32, n)` µV and its own stamps."""
    stretches = simulated_recording(3, 2, sfreq=sfreq, seconds_per_state=10.0).stretches()
    samples = np.concatenate([next(stretches).samples for _ in range(seconds)], axis=1)
    stamps = SOURCE_START + np.arange(samples.shape[1]) / sfreq
    for array in (samples, stamps):
        array.setflags(write=False)
    return samples, stamps


@dataclass(frozen=True)
class Saying:
    """A model that says what a test wants it to, of every window."""

    contract: Contract
    arousal: float
    valence: float

    def predict(self, features: NDArray[np.float32]) -> dict[str, Array]:
        return {"arousal": np.array([self.arousal]), "valence": np.array([self.valence])}


class Clock:
    """This machine's clock, set by hand; it moves on a little with each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += TICK
        return self.now


class Desk:
    """A monitor, and a machine on which each chunk arrives just after it was measured."""

    def __init__(
        self,
        *,
        sfreq: float = 128.0,
        labels: tuple[str, ...] = DEAP32,
        hop_seconds: float = 1.0,
        late: float = 0.01,
        ahead: bool = False,
        served: Model | Saying | None = None,
    ) -> None:
        served = served or model()
        contract = served.contract
        settings = replace(contract.path, hop_seconds=hop_seconds)
        layout = plan_layout(
            labels,
            ["uV"] * len(labels),
            channels=settings.channels,
            max_interpolated=settings.max_interpolated,
        )
        self.path = SignalPath(settings, layout, sfreq, normaliser=contract.training_normaliser)
        self.clock = Clock()
        self.late = late
        self.monitor = Monitor(
            headset="a",
            epoch="e1",
            path=self.path,
            model=served,
            clock=self.clock,
            utc_offset=lambda: UTC_OFFSET,
            ahead=ahead,
        )

    def feed(self, samples: Array, stamps: Array) -> Prediction | None:
        finite = stamps[np.isfinite(stamps)]
        self.clock.now = finite[-1] + CLOCK_OFFSET + self.late - TICK
        return self.monitor.feed(samples, stamps, CLOCK_OFFSET)

    def run(self, samples: Array, stamps: Array, chunk: int = 16) -> list[Prediction]:
        return [
            prediction
            for start in range(0, len(stamps), chunk)
            if (
                prediction := self.feed(
                    samples[:, start : start + chunk], stamps[start : start + chunk]
                )
            )
        ]


def scores(predictions: list[Prediction]) -> list[tuple[float | None, float | None]]:
    return [(p.arousal.probability, p.valence.probability) for p in predictions]


def valid(predictions: list[Prediction]) -> list[Prediction]:
    return [prediction for prediction in predictions if prediction.valid]


def without(predictions: list[Prediction], *fields: str) -> list[dict[str, Any]]:
    return [prediction.model_dump(exclude=set(fields)) for prediction in predictions]


def utc(stamp: float) -> float:
    return stamp + CLOCK_OFFSET + UTC_OFFSET


# Windows and numbers


def test_predictions_are_numbered_from_zero_without_holes():
    predictions = Desk().run(*person())
    assert [prediction.seq for prediction in predictions] == list(range(36))
    assert {(p.headset, p.epoch) for p in predictions} == {("a", "e1")}
    contract = model().contract
    assert {p.model for p in predictions} == {f"{contract.name} {contract.version}"}


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_a_windows_stamps_are_those_of_its_first_and_last_raw_sample(sfreq: float):
    samples, stamps = person(sfreq)
    # Stamps that are not the grid's: each must be looked up, not computed.
    jittered = stamps + np.random.default_rng(0).uniform(-0.2, 0.2, len(stamps)) / sfreq
    predictions = Desk(sfreq=sfreq).run(samples, jittered)
    for prediction in predictions:
        first = round(prediction.seq * sfreq)
        last = first + round((5.0 - 1 / 128.0) * sfreq)
        assert prediction.window.start == utc(jittered[first])
        assert prediction.window.end == utc(jittered[last])
    assert len(predictions) >= 35


def test_a_clock_offset_that_changes_is_used_from_then_on():
    samples, stamps = person()
    desk = Desk()
    desk.run(samples[:, :1279], stamps[:1279])
    desk.clock.now = stamps[1279] + CLOCK_OFFSET + 1.0
    prediction = desk.monitor.feed(samples[:, 1279:1280], stamps[1279:1280], CLOCK_OFFSET + 0.5)
    assert prediction is not None
    assert prediction.window.end == stamps[1279] + (CLOCK_OFFSET + 0.5) + UTC_OFFSET


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_the_first_windows_warm_up_and_the_rest_of_a_good_signal_is_valid(sfreq: float):
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


def test_the_scores_are_the_models_for_the_signal_paths_windows():
    samples, stamps = person()
    desk = Desk()
    windows = [window for window in desk.path.segment().feed(samples) if window.settled]
    told = valid(desk.run(samples, stamps))
    for prediction, window in zip(told, windows, strict=True):
        chances = model().predict(window.features[np.newaxis])
        assert prediction.arousal.probability == pytest.approx(chances["arousal"][0], abs=1e-6)
        assert prediction.valence.probability == pytest.approx(chances["valence"][0], abs=1e-6)


# What is unsure

NEVER, ALWAYS = (0.5, 0.5), (0.0, 1.0)


@pytest.mark.parametrize(
    ("probability", "unsure", "label"),
    [
        (0.43, (0.43, 0.57), "unsure"),
        (0.57, (0.43, 0.57), "unsure"),
        (0.5, (0.43, 0.57), "unsure"),
        (0.429999, (0.43, 0.57), "low"),
        (0.570001, (0.43, 0.57), "high"),
        (0.5, (0.5, 0.57), "unsure"),
        (0.499999, (0.5, 0.57), "low"),
        (0.5, (0.43, 0.5), "unsure"),
        (0.500001, (0.43, 0.5), "high"),
        (0.5, NEVER, "low"),
        (0.499999, NEVER, "low"),
        (0.500001, NEVER, "high"),
        (0.0, ALWAYS, "unsure"),
        (1.0, ALWAYS, "unsure"),
        (0.0, (0.43, 0.57), "low"),
        (1.0, (0.43, 0.57), "high"),
    ],
)
def test_from_end_to_end_of_its_band_an_estimate_is_unsure_and_valid_all_the_same(
    adapted: Callable[..., Model], probability: float, unsure: tuple[float, float], label: str
):
    contract = adapted(bands={"arousal": unsure, "valence": NEVER}).contract
    predictions = Desk(served=Saying(contract, probability, 0.9)).run(*person(seconds=10))
    (told,) = {(p.arousal, p.valence, p.valid, p.reasons) for p in valid(predictions)}
    assert (told[0].probability, told[0].label) == (probability, label)
    # The other target has a band of its own.
    assert (told[1].probability, told[1].label) == (0.9, "high")
    assert told[2:] == (True, ())


def test_the_bands_change_labels_and_nothing_else(adapted: Callable[..., Model]):
    plain, vague = (
        Desk(served=adapted(bands={"arousal": band, "valence": band})).run(*person())
        for band in (NEVER, ALWAYS)
    )
    assert scores(plain) == scores(vague)
    assert [p.valid for p in plain] == [p.valid for p in vague]
    for sure, unsure in zip(valid(plain), valid(vague), strict=True):
        for target in ("arousal", "valence"):
            score = getattr(sure, target)
            assert score.label == ("high" if score.probability > 0.5 else "low")
            assert getattr(unsure, target).label == "unsure"
    assert {(p.arousal.label, p.valence.label) for p in vague[:3]} == {(None, None)}


# A model that needs a person's rest


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_without_the_persons_rest_no_window_is_scored_and_that_is_the_only_reason_once_settled(
    adapted: Callable[..., Model], sfreq: float
):
    predictions = Desk(sfreq=sfreq, served=adapted(rest=True)).run(*person(sfreq))
    assert scores(predictions) == [(None, None)] * len(predictions)
    assert {(p.arousal.label, p.valence.label) for p in predictions} == {(None, None)}
    assert not any(p.valid for p in predictions)
    assert {p.reasons for p in predictions[:3]} == {(Reason.WARMING_UP, Reason.NO_BASELINE)}
    assert {p.reasons for p in predictions[3:]} == {(Reason.NO_BASELINE,)}
    # The rest of what is told is as ever.
    usual = Desk(sfreq=sfreq).run(*person(sfreq))
    assert [(p.quality, p.window) for p in predictions] == [(p.quality, p.window) for p in usual]


def test_a_missing_baseline_does_not_hide_what_else_is_wrong(adapted: Callable[..., Model]):
    samples, stamps = person()
    still = np.broadcast_to(samples[:, :1], samples.shape)
    predictions = Desk(served=adapted(rest=True)).run(still, stamps)
    assert {p.reasons for p in predictions[3:]} == {(Reason.NOT_WORN, Reason.NO_BASELINE)}


def test_with_a_persons_own_normaliser_a_model_that_needs_one_scores(
    adapted: Callable[..., Model],
):
    desk = Desk(served=adapted(rest=True))
    # Any of the right width will do: here the demo model's.
    desk.path.normaliser = model().contract.training_normaliser
    assert scores(desk.run(*person())) == scores(Desk().run(*person()))


def test_the_size_of_the_chunks_does_not_matter():
    one, other = (Desk().run(*person(), chunk=chunk) for chunk in (1, 37))
    assert without(one, "latency_ms") == without(other, "latency_ms")


def test_the_order_of_the_channels_does_not_matter():
    samples, stamps = person()
    order = np.random.default_rng(4).permutation(32)
    labels = tuple(f"EEG {DEAP32[i]}" for i in order)
    found = Desk(labels=labels).run(samples[order], stamps)
    assert found == Desk().run(samples, stamps)


def test_channels_that_were_filled_in_are_named_and_lower_the_quality():
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
def test_no_window_spans_a_gap(missing: int, at: int):
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(at, at + missing))
    desk = Desk(hop_seconds=0.25)
    predictions = desk.run(samples[:, kept], stamps[kept])
    before, after = utc(stamps[at - 1]), utc(stamps[at + missing])
    for prediction in predictions:
        window = prediction.window
        assert window.end <= before or window.start >= after
        assert window.end - window.start == pytest.approx(639 / 128.0, abs=1e-6)
    assert {p.window.start >= after for p in predictions} == {True, False}
    assert (desk.monitor.counts.gaps, desk.monitor.counts.missing) == (1, missing)


def test_after_a_gap_the_reasons_are_gap_and_warming_up_until_the_filters_settled():
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(2000, 2010))
    desk = Desk()
    predictions = desk.run(samples[:, kept], stamps[kept])
    after = [p for p in predictions if p.window.start >= utc(stamps[2010])]
    assert after[0].window.start == utc(stamps[2010])  # the grid starts afresh there
    assert all(p.reasons == (Reason.GAP, Reason.WARMING_UP) for p in after[:3])
    assert scores(after[:3]) == [(None, None)] * 3
    assert all(p.valid for p in after[3:])
    assert len(after) > 6
    assert [p.seq for p in predictions] == list(range(len(predictions)))


def test_a_segment_after_a_gap_gives_what_a_fresh_connection_would():
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(2000, 2010))
    after = [
        p for p in Desk().run(samples[:, kept], stamps[kept]) if p.window.start >= utc(stamps[2010])
    ]
    fresh = Desk().run(samples[:, 2010:], stamps[2010:])
    assert scores(after) == scores(fresh)


def test_a_gap_during_warm_up_starts_it_again():
    samples, stamps = person()
    kept = np.delete(np.arange(len(stamps)), np.arange(700, 703))
    predictions = Desk().run(samples[:, kept], stamps[kept])
    assert predictions[0].reasons == (Reason.WARMING_UP,)
    assert all(p.reasons == (Reason.GAP, Reason.WARMING_UP) for p in predictions[1:4])
    assert predictions[4].valid


def test_a_clock_that_jumps_back_is_a_gap_with_nothing_missing():
    samples, stamps = person()
    jumped = stamps.copy()
    jumped[2000:] -= 100.0
    desk = Desk()
    predictions = desk.run(samples, jumped)
    assert (desk.monitor.counts.gaps, desk.monitor.counts.missing) == (1, 0)
    assert Reason.GAP in {reason for p in predictions for reason in p.reasons}
    assert all(p.window.end > p.window.start for p in predictions)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_prediction_has_a_stamp_that_is_not_finite(value: float):
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
def test_of_a_burst_only_the_newest_window_is_told_and_the_others_are_counted(offset: int):
    samples, stamps = person()
    steady, desk = Desk(hop_seconds=0.25), Desk(hop_seconds=0.25)
    expected = steady.run(samples, stamps, chunk=1)
    start, stop = 1280 + offset, 1280 + offset + 256  # two seconds, the inlet's largest pull
    before = desk.run(samples[:, :start], stamps[:start])
    newest = desk.feed(samples[:, start:stop], stamps[start:stop])
    assert newest is not None
    assert desk.monitor.counts.superseded == 7
    assert newest.seq == before[-1].seq + 1  # what is not told takes no number
    (same,) = [p for p in expected if p.window == newest.window]
    assert newest.window.end > utc(stamps[stop - 1 - 32])
    assert scores([newest]) == scores([same])


def test_every_window_is_told_or_counted():
    samples, stamps = person()
    desk, told, start = Desk(hop_seconds=0.25), 0, 0
    rng = np.random.default_rng(1)
    while start < len(stamps):
        stop = start + int(rng.integers(1, 256))
        told += desk.feed(samples[:, start:stop], stamps[start:stop]) is not None
        start = stop
    assert desk.monitor.counts.superseded > 0
    assert told + desk.monitor.counts.superseded == (len(stamps) - 640) // 32 + 1
    assert desk.monitor.counts.received == len(stamps)


def test_a_backlog_older_than_stale_gives_no_score():
    fresh = Desk(late=STALE_SECONDS - 0.2).run(*person())
    assert len(valid(fresh)) == len(fresh) - 3
    stale = Desk(late=STALE_SECONDS + 0.1).run(*person())
    assert all(p.reasons[0] == Reason.STALE for p in stale)
    assert scores(stale) == [(None, None)] * len(stale)


def test_stamps_in_the_future_are_refused_with_the_remedy():
    Desk(late=-4.0).run(*person(seconds=2))
    with pytest.raises(ClockError, match=r"ahead of this machine's LSL clock.*not with Unix time"):
        Desk(late=-6.0).run(*person(seconds=2))


def test_a_recording_played_fast_may_run_ahead():
    samples, stamps = person(seconds=12)
    assert valid(Desk(late=-6.0, ahead=True).run(samples, stamps))


# Bad samples


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_bad_samples_give_null_scores_with_their_reason_and_never_a_repeated_value(value: float):
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
    told = [p for p in predictions[3:] if p not in touched]
    assert all(p.valid for p in told)
    assert len(set(scores(told))) == len(told)
    for found, expected in zip(predictions, clean, strict=True):
        if found.valid:
            assert found.arousal.probability == pytest.approx(
                expected.arousal.probability, abs=0.01
            )


def test_an_endless_run_of_nan_never_gives_a_score():
    samples, stamps = person()
    predictions = Desk().run(np.full_like(samples, np.nan), stamps)
    assert len(predictions) == 36
    assert scores(predictions) == [(None, None)] * 36
    assert all(Reason.OUT_OF_RANGE in p.reasons for p in predictions)


def test_a_dead_electrode_and_a_wrong_unit_are_told():
    samples, stamps = person()
    dead = samples.copy()
    dead[20] = dead[20, 0]
    assert {p.reasons for p in Desk().run(dead, stamps)[3:]} == {(Reason.POOR_CONTACT,)}
    assert {p.reasons for p in Desk().run(samples * 1e-6, stamps)[3:]} == {(Reason.UNIT_SUSPECT,)}
    still = np.broadcast_to(samples[:, :1], samples.shape)
    assert {p.reasons for p in Desk().run(still, stamps)[3:]} == {(Reason.NOT_WORN,)}


# Latency


def ledgers(desk: Desk, sfreq: float) -> Iterator[tuple[Prediction, float]]:
    samples, stamps = person(sfreq)
    for start in range(0, len(stamps), 16):
        stop = min(start + 16, len(stamps))
        if prediction := desk.feed(samples[:, start:stop], stamps[start:stop]):
            # The last look at the clock in `feed` is the ledger's end.
            yield prediction, (desk.clock.now + UTC_OFFSET - prediction.window.end) * 1e3


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_the_latency_ledger_adds_up_to_the_time_since_the_last_sample(sfreq: float):
    desk = Desk(sfreq=sfreq)
    for prediction, elapsed_ms in ledgers(desk, sfreq):
        ledger = prediction.latency_ms
        assert ledger.arrival + ledger.path + ledger.inference == pytest.approx(
            ledger.total, abs=0.002
        )
        assert ledger.total == pytest.approx(elapsed_ms, abs=0.002)
        assert ledger.path == pytest.approx(TICK * 1e3)
        assert ledger.inference == pytest.approx(TICK * 1e3)
        # A window's last sample waits for its chunk, the resampler and the 10 ms way here.
        held = desk.path.resampler_delay_seconds + 16 / sfreq + 1 / 128.0
        assert 10.0 - 0.01 <= ledger.arrival <= 10.0 + held * 1e3
        assert ledger.resampler == pytest.approx(desk.path.resampler_delay_seconds * 1e3, abs=1e-3)
        assert ledger.filter == pytest.approx(desk.path.filter_delay_seconds * 1e3, abs=1e-3)
