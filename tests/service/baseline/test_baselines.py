"""Who has whose baseline: each way into, through and out of a collection."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.pipeline import FakePipeline

from eeg_emotion.baseline.baselines import BaselineRefused, Baselines, SecondsError
from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.baseline.messages import progress
from eeg_emotion.baseline.profiles import (
    ProfileError,
    ProfileNameError,
    ProfileStore,
    UnknownProfile,
)
from eeg_emotion.codes import FAULTS, Reason, State
from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.rest_baseline import RestError
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.bus import Bus, Published
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    Headset,
    Latency,
    Prediction,
    Score,
    WindowSpan,
)

SFREQ = 128
SETTLE = 3
UTC = 1_700_000_000.0


class RecordingBus(Bus):
    def __init__(self) -> None:
        super().__init__()
        self.baselines: list[Baseline] = []

    def publish(self, message: Published) -> Frame:
        frame = super().publish(message)
        if isinstance(message, Baseline):
            self.baselines.append(message)
        return frame


@dataclass(frozen=True)
class FakeStream:
    pipeline: Any


@dataclass
class Desk:
    """Baselines over headsets and time that a test sets."""

    model: Model
    folder: Path
    signal: NDArray[np.float64]
    streams: dict[str, FakeStream] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    epochs: dict[str, str] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.bus = RecordingBus()
        self.store = ProfileStore(self.folder)
        self.baselines = Baselines(
            self.model,
            self.bus,
            self.store,
            clock=lambda: self.now,
            utc=lambda: UTC + self.now,
            random=Random(5),
        )
        self.baselines.attach(self)

    def headset(self, identifier: str) -> Headset | None:
        state = self.states.get(identifier)
        if state is None:
            return None
        return Headset(
            id=identifier, name="H", state=state, detail="put here", simulated=True,
            epoch=self.epochs.get(identifier, "e0"), sfreq=128.0,
        )  # fmt: skip

    def active_stream(self, identifier: str) -> FakeStream | None:
        return self.streams.get(identifier)

    def put(self, identifier: str, pipeline: Any, state: State = State.LIVE) -> None:
        self.streams[identifier] = FakeStream(pipeline)
        self.states[identifier] = state

    def second(
        self, identifier: str = "h1", number: int = 0, bad: bool = False, **said: Any
    ) -> None:
        """Deliver a second of samples as the fleet does: to the pipeline, then to the baselines."""
        self.now += 1.0
        samples = self.signal[:, number * SFREQ : (number + 1) * SFREQ]
        if (rest := self.streams[identifier].pipeline.rest) is not None:
            rest.feed(samples * np.nan if bad else samples)
        self.baselines.on_samples(identifier, self.prediction(identifier, **said) if said else None)

    def seconds(self, first: int, last: int, **reported: Any) -> None:
        for number in range(first, last):
            self.second(number=number, **reported)

    def prediction(
        self, identifier: str = "h1", *, seq: int = 0, late: float = 0.0, took: float = 0.001
    ) -> Prediction:
        """Make one whose samples arrived `late` seconds ago, and which took so long to make."""
        score = Score(probability=0.75, label="high")
        prediction = Prediction(
            headset=identifier, epoch=self.epochs.get(identifier, "e0"), seq=seq,
            window=WindowSpan(
                start=UTC + self.now - late - 5.1, end=UTC + self.now - late - 0.1
            ),
            arousal=score, valence=score, valid=True, reasons=(), quality=1.0, model="m 1",
            latency_ms=Latency(
                resampler=0.0, filter=60.0, arrival=100.0, path=took * 500, inference=took * 500,
                total=100.0 + took * 1e3,
            ),
        )  # fmt: skip
        self.bus.publish(prediction)
        return prediction


@pytest.fixture
def desk(
    adapted: Callable[..., Model],
    tmp_path: Path,
    rest_signal: NDArray[np.float64],
    fake_pipeline: FakePipeline,
) -> Desk:
    desk = Desk(adapted(rest=True), tmp_path / "profiles", rest_signal)
    desk.put("h1", fake_pipeline)
    return desk


def collect(desk: Desk, name: str | None = "p07", seconds: int = 20) -> Baseline:
    desk.baselines.begin("h1", seconds, name)
    desk.seconds(0, seconds + SETTLE)
    return desk.baselines.baseline("h1")


def seq_of(prediction: Prediction | None) -> int | None:
    return None if prediction is None else prediction.seq


def states(desk: Desk) -> list[BaselineState]:
    """Return the published states, without repetitions."""
    reported = [message.state for message in desk.bus.baselines]
    return [
        state
        for number, state in enumerate(reported)
        if number == 0 or reported[number - 1] != state
    ]


# -- a collection ------------------------------------------------------------------------------


def test_without_a_collection_there_is_none(desk: Desk) -> None:
    baseline = desk.baselines.baseline("h1")
    assert (baseline.state, baseline.profile) == (BaselineState.NONE, None)
    assert desk.baselines.normaliser_for("h1", desk.model) is None


def test_a_persons_rest_is_collected_stored_and_applied(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    begun = desk.baselines.begin("h1", 20, "p07")
    assert (begun.state, begun.profile) == (BaselineState.COLLECTING, "p07")
    assert (begun.seconds, begun.clean_seconds) == (20, 0)
    assert fake_pipeline.rest is not None
    desk.seconds(0, 20 + SETTLE)
    done = desk.baselines.baseline("h1")
    assert (done.state, done.profile) == (BaselineState.APPLIED, "p07")
    assert (done.seconds, done.clean_seconds, done.refused) == (20, 20, {"warming_up": SETTLE})
    assert fake_pipeline.rest is None
    stored = desk.store.load("p07")
    assert fake_pipeline.used == [stored.normaliser]
    assert desk.baselines.normaliser_for("h1", desk.model) == stored.normaliser
    assert states(desk) == [BaselineState.COLLECTING, BaselineState.APPLIED]


def test_the_profile_says_what_it_is_of(desk: Desk) -> None:
    collect(desk)
    stored, contract = desk.store.load("p07"), desk.model.contract
    assert (stored.model, stored.model_version) == (contract.name, contract.version)
    assert stored.model_sha256 == desk.model.sha256
    assert stored.channels == contract.path.channels
    assert stored.clean_seconds == 20
    assert stored.created.timestamp() == UTC + 20 + SETTLE


def test_channels_that_were_filled_in_during_rest_are_named(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    channels = fake_pipeline.settings.channels
    kept = [row for row, name in enumerate(channels) if name not in ("Cz", "O1")]
    labels = [channels[row] for row in kept]
    fake_pipeline.layout = plan_layout(
        labels, ["uV"] * len(labels), channels=channels, max_interpolated=2
    )
    desk.signal = desk.signal[kept]
    collect(desk)
    assert desk.store.load("p07").interpolated == ("O1", "Cz")


def test_each_clean_second_is_reported_and_each_other_with_its_reason(desk: Desk) -> None:
    desk.baselines.begin("h1", 20, "p07")
    desk.seconds(0, 5)
    desk.second(number=5, bad=True)
    reported = desk.bus.baselines
    assert [(item.clean_seconds, sum(item.refused.values())) for item in reported] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 3), (2, 3), (2, 4),
    ]  # fmt: skip
    assert reported[-1].refused == {"warming_up": 3, "out_of_range": 1}
    assert reported[-1].detail == (
        "2 of 20 s of clean rest; not counted: 3 s filters settling, 1 s samples out of range"
    )


def test_without_changes_nothing_is_published(desk: Desk) -> None:
    desk.baselines.begin("h1", 20, "p07")
    for _ in range(3):
        desk.baselines.on_samples("h1", None)
    assert len(desk.bus.baselines) == 1


@pytest.mark.parametrize("reason", [*FAULTS, Reason.WARMING_UP, Reason.GAP])
def test_each_reason_against_a_second_is_stated_in_words(reason: Reason) -> None:
    class Begun(RestCollection):
        """Four seconds are clean, and seven were not."""

        clean_seconds = 4

        def __init__(self) -> None:
            self.seconds = 20

        @property
        def refused(self) -> Counter[Reason]:
            return Counter({reason: 7})

    text = progress(Begun())
    assert re.fullmatch(r"4 of 20 s of clean rest; not counted: 7 s [a-z ,]+", text)


def test_a_person_without_a_name_gets_a_new_pseudonym(desk: Desk) -> None:
    first = collect(desk, None).profile
    second = collect(desk, None).profile
    assert desk.store.names() == tuple(sorted(map(str, (first, second))))
    assert first != second


def test_a_pseudonym_that_is_taken_is_not_given_again(desk: Desk) -> None:
    taken = collect(desk, None).profile
    restarted = Desk(desk.model, desk.folder, desk.signal, desk.streams, desk.states)  # same seed
    assert restarted.baselines.begin("h1", 20, None).profile != taken


def test_two_headsets_collect_side_by_side(desk: Desk, fake_pipeline: FakePipeline) -> None:
    other = type(fake_pipeline)(fake_pipeline.settings, fake_pipeline.layout)
    desk.put("h2", other)
    desk.baselines.begin("h1", 20, "a")
    desk.baselines.begin("h2", 20, "b")
    desk.seconds(0, 20 + SETTLE)
    assert desk.baselines.baseline("h1").state is BaselineState.APPLIED
    assert desk.baselines.baseline("h2").state is BaselineState.COLLECTING
    assert other.used == []
    assert desk.store.names() == ("a",)


# -- before and after --------------------------------------------------------------------------


def test_the_last_prediction_before_and_the_first_after_are_published(desk: Desk) -> None:
    desk.baselines.begin("h1", 20, "p07")
    for number in range(20 + SETTLE):
        desk.second(number=number, seq=number)
    done = desk.baselines.baseline("h1")
    assert (done.state, seq_of(done.before), done.after) == (BaselineState.APPLIED, 22, None)
    desk.second(number=30, seq=23)
    desk.second(number=31, seq=24)
    done = desk.bus.baselines[-1]
    assert (seq_of(done.before), seq_of(done.after)) == (22, 23)
    assert desk.baselines.baseline("h1") == done


def test_one_that_was_on_its_way_when_it_was_applied_is_before(desk: Desk) -> None:
    collect(desk)
    desk.now += 0.05
    desk.baselines.on_samples("h1", desk.prediction(seq=7, late=0.06))
    assert desk.baselines.baseline("h1").after is None
    assert seq_of(desk.baselines.baseline("h1").before) == 7
    desk.baselines.on_samples("h1", desk.prediction(seq=8, late=0.04))
    done = desk.baselines.baseline("h1")
    assert (seq_of(done.before), seq_of(done.after)) == (7, 8)


def test_one_that_was_being_made_when_it_was_applied_is_neither(desk: Desk) -> None:
    collect(desk)
    desk.now += 0.05
    desk.baselines.on_samples("h1", desk.prediction(seq=7, late=0.06, took=0.02))
    done = desk.baselines.baseline("h1")
    assert (done.before, done.after) == (None, None)


def test_a_prediction_of_another_connection_is_not_before(desk: Desk) -> None:
    desk.prediction(seq=99)
    desk.epochs["h1"] = "e1"
    assert collect(desk).before is None


# -- what is refused ---------------------------------------------------------------------------


def test_a_model_with_a_normaliser_of_its_own_takes_nobodys(
    adapted: Callable[..., Model],
    tmp_path: Path,
    rest_signal: NDArray[np.float64],
    fake_pipeline: FakePipeline,
) -> None:
    desk = Desk(adapted(), tmp_path, rest_signal)
    desk.put("h1", fake_pipeline)
    refusals: tuple[Callable[[], object], ...] = (
        lambda: desk.baselines.begin("h1", 60, None),
        lambda: desk.baselines.use("h1", "p07"),
    )
    for refused in refusals:
        with pytest.raises(BaselineRefused, match=r"its training data, .* trained with rest"):
            refused()
    training = desk.model.contract.training_normaliser
    assert desk.baselines.normaliser_for("h1", desk.model) == training


@pytest.mark.parametrize("seconds", [-1, 0, 19, 601])
def test_too_few_or_too_many_seconds_are_refused(desk: Desk, seconds: int) -> None:
    with pytest.raises(SecondsError, match=f"request for {seconds} s .* expected 20 to 600 s"):
        desk.baselines.begin("h1", seconds, None)


@pytest.mark.parametrize("seconds", [20, 600])
def test_the_least_and_the_most_are_taken(desk: Desk, seconds: int) -> None:
    assert desk.baselines.begin("h1", seconds, None).seconds == seconds


@pytest.mark.parametrize("state", [state for state in State if state is not State.LIVE])
def test_a_headset_that_is_not_live_is_refused_with_its_state(desk: Desk, state: State) -> None:
    desk.states["h1"] = state
    with pytest.raises(BaselineRefused, match=rf"h1 {state} \(put here\), expected it live"):
        desk.baselines.begin("h1", 60, None)


def test_a_headset_without_a_line_or_a_known_layout_is_refused(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    fake_pipeline.layout = None
    with pytest.raises(BaselineRefused, match="expected it live"):
        desk.baselines.begin("h1", 60, None)
    del desk.streams["h1"]
    with pytest.raises(BaselineRefused, match="expected it live"):
        desk.baselines.begin("h1", 60, None)


def test_one_collection_at_a_time(desk: Desk, fake_pipeline: FakePipeline) -> None:
    collect(desk, "old")
    desk.baselines.begin("h1", 20, "p07")
    desk.seconds(0, 5)
    under_way = fake_pipeline.rest
    refusals: tuple[Callable[[], object], ...] = (
        lambda: desk.baselines.begin("h1", 20, "p08"),
        lambda: desk.baselines.use("h1", "old"),
    )
    for refused in refusals:
        with pytest.raises(BaselineRefused, match=r"under way, with 2 of 20 s .* DELETE"):
            refused()
    assert fake_pipeline.rest is under_way


def test_a_persons_own_name_is_refused_before_anything_is_collected(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    with pytest.raises(ProfileNameError, match="never the person's own name"):
        desk.baselines.begin("h1", 60, "Anna Müller")
    assert fake_pipeline.rest is None


def test_a_folder_that_cannot_be_written_is_reported_before_the_collection(
    adapted: Callable[..., Model],
    tmp_path: Path,
    rest_signal: NDArray[np.float64],
    fake_pipeline: FakePipeline,
) -> None:
    (tmp_path / "file").write_text("")
    desk = Desk(adapted(rest=True), tmp_path / "file" / "profiles", rest_signal)
    desk.put("h1", fake_pipeline)
    with pytest.raises(ProfileError, match="cannot write"):
        desk.baselines.begin("h1", 60, "p07")
    assert fake_pipeline.rest is None


# -- what fails --------------------------------------------------------------------------------


def test_a_signal_that_never_is_clean_fails_with_the_counted_reasons(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    desk.baselines.begin("h1", 20, "p07")
    for number in range(60):
        desk.second(number=number % 40, bad=True)
    assert desk.baselines.baseline("h1").state is BaselineState.COLLECTING
    desk.second(number=0, bad=True)
    failed = desk.bus.baselines[-1]
    assert (failed.state, failed.profile) == (BaselineState.FAILED, None)
    assert failed.refused == {"warming_up": 3, "out_of_range": 58}
    assert "no baseline was made for p07: found 0 of 20 s of clean rest" in failed.detail
    assert "in 60 s; check that the electrodes touch" in failed.detail
    assert fake_pipeline.rest is None
    assert desk.store.names() == ()


def test_the_time_ends_even_if_no_more_samples_arrive(desk: Desk) -> None:
    desk.baselines.begin("h1", 20, "p07")
    desk.now = 60.5
    assert desk.baselines.baseline("h1").state is BaselineState.FAILED


def test_a_headset_that_is_lost_fails_its_collection_and_keeps_its_profile(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    collect(desk, "old")
    desk.baselines.begin("h1", 20, "p07")
    desk.seconds(0, 5)
    desk.baselines.lost("h1")
    failed = desk.bus.baselines[-1]
    assert (failed.state, failed.profile) == (BaselineState.FAILED, "old")
    assert "the headset was lost" in failed.detail
    assert failed.detail.endswith("; profile old stays in use")
    assert fake_pipeline.rest is None
    in_use = desk.store.load("old").normaliser
    assert desk.baselines.normaliser_for("h1", desk.model) == in_use


def test_a_headset_that_is_lost_after_its_last_second_has_its_baseline(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    desk.baselines.begin("h1", 20, "p07")
    assert fake_pipeline.rest is not None
    fake_pipeline.rest.feed(desk.signal[:, : 23 * SFREQ])
    del desk.streams["h1"]
    desk.baselines.lost("h1")
    assert desk.baselines.baseline("h1").state is BaselineState.APPLIED
    assert desk.store.names() == ("p07",)


def test_a_headset_that_came_back_on_a_new_line_has_lost_its_collection(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    desk.baselines.begin("h1", 20, "p07")
    desk.put("h1", type(fake_pipeline)(fake_pipeline.settings, fake_pipeline.layout))
    desk.baselines.on_samples("h1", None)
    assert desk.baselines.baseline("h1").state is BaselineState.FAILED


def test_a_signal_that_says_nothing_fails_with_why(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(collection: RestCollection) -> Normaliser:
        raise RestError("the resting signal cannot be used: found 1 features that do not vary")

    monkeypatch.setattr(RestCollection, "normaliser", refuse)
    failed = collect(desk)
    assert failed.state is BaselineState.FAILED
    assert "no baseline was made for p07: the resting signal cannot be used" in failed.detail
    assert desk.store.names() == ()


def test_a_disk_that_fills_up_meanwhile_fails_with_why(
    desk: Desk, fake_pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(old: str, new: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    failed = collect(desk)
    assert failed.state is BaselineState.FAILED
    assert "No space left" in failed.detail
    assert fake_pipeline.used == []
    assert desk.baselines.normaliser_for("h1", desk.model) is None


def test_after_a_failure_one_may_begin_again(desk: Desk) -> None:
    desk.baselines.begin("h1", 20, "p07")
    desk.baselines.lost("h1")
    assert collect(desk).state is BaselineState.APPLIED


# -- cancelling, using, forgetting -------------------------------------------------------------


def test_a_cancelled_collection_leaves_everything_as_it_was(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    desk.baselines.begin("h1", 20, "p07")
    desk.seconds(0, 10)
    cancelled = desk.baselines.cancel("h1")
    assert (cancelled.state, cancelled.profile) == (BaselineState.NONE, None)
    assert fake_pipeline.rest is None
    assert fake_pipeline.used == []
    assert desk.store.names() == ()
    assert desk.bus.baselines[-1] == cancelled


def test_a_cancelled_collection_leaves_the_profile_of_before_in_use(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    collect(desk, "old")
    desk.baselines.begin("h1", 20, "p07")
    cancelled = desk.baselines.cancel("h1")
    assert (cancelled.state, cancelled.profile) == (BaselineState.APPLIED, "old")
    assert cancelled.detail.startswith("the collection was cancelled; profile old is in use")
    assert len(fake_pipeline.used) == 1


def test_a_profile_is_used_no_more_when_that_is_asked_for(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    collect(desk)
    assert desk.baselines.cancel("h1").state is BaselineState.NONE
    assert fake_pipeline.used[-1] is None
    assert desk.baselines.normaliser_for("h1", desk.model) is None
    assert desk.store.names() == ("p07",)
    assert desk.baselines.cancel("h1").state is BaselineState.NONE


def test_a_stored_profile_is_used_on_another_headset(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    collect(desk)
    other = type(fake_pipeline)(fake_pipeline.settings, fake_pipeline.layout)
    desk.put("h2", other)
    used = desk.baselines.use("h2", "p07")
    assert (used.state, used.profile, used.clean_seconds) == (BaselineState.APPLIED, "p07", 20)
    assert other.used == [desk.store.load("p07").normaliser]
    desk.now += 1
    desk.baselines.on_samples("h2", desk.prediction("h2", seq=4))
    assert seq_of(desk.baselines.baseline("h2").after) == 4


def test_a_profile_may_be_chosen_before_the_headset_is_there(desk: Desk) -> None:
    collect(desk)
    desk.baselines.use("h9", "p07")
    in_use = desk.store.load("p07").normaliser
    assert desk.baselines.normaliser_for("h9", desk.model) == in_use


def test_a_profile_that_does_not_fit_or_is_not_there_is_refused(
    desk: Desk, fake_pipeline: FakePipeline
) -> None:
    collect(desk)
    stored = desk.store.load("p07")
    desk.store.save(stored.model_copy(update={"name": "p08", "model_sha256": "f" * 64}))
    with pytest.raises(BaselineRefused, match="profile p08 was made for the model"):
        desk.baselines.use("h1", "p08")
    with pytest.raises(UnknownProfile, match="known: p07, p08"):
        desk.baselines.use("h1", "p09")
    assert fake_pipeline.used == [stored.normaliser]


def test_a_profile_in_use_is_not_deleted_under_its_headset(desk: Desk) -> None:
    collect(desk)
    with pytest.raises(BaselineRefused, match=r"p07 in use by headset h1, .*/h1/baseline first"):
        desk.baselines.delete_profile("p07")
    desk.baselines.cancel("h1")
    desk.baselines.delete_profile("p07")
    assert desk.store.names() == ()


def test_a_profile_that_is_being_recollected_is_not_deleted_meanwhile(desk: Desk) -> None:
    collect(desk)
    desk.baselines.cancel("h1")
    desk.baselines.begin("h1", 20, "p07")
    with pytest.raises(BaselineRefused, match="in use by headset h1"):
        desk.baselines.delete_profile("p07")


def test_a_forgotten_headset_has_nothing(desk: Desk, fake_pipeline: FakePipeline) -> None:
    collect(desk)
    desk.baselines.begin("h1", 20, "p08")
    desk.baselines.forget("h1")
    assert fake_pipeline.rest is None
    assert desk.baselines.normaliser_for("h1", desk.model) is None
    assert desk.baselines.baseline("h1").state is BaselineState.NONE


def test_another_models_pipeline_gets_no_baseline_that_was_not_made_for_it(
    desk: Desk, adapted: Callable[..., Model]
) -> None:
    collect(desk)
    assert desk.baselines.normaliser_for("h1", desk.model) is not None
    assert desk.baselines.normaliser_for("h1", replace(desk.model, sha256="f" * 64)) is None
    assert desk.baselines.normaliser_for("h1", adapted()) == adapted().contract.training_normaliser
