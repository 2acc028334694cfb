from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.model import FakeModel

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.path import Window
from eeg_emotion.eeg.quality import WindowQuality
from eeg_emotion.inference.model import Model
from eeg_emotion.stream.scoring import (
    NO_SCORE,
    AssessedWindow,
    PredictionSequence,
    predict,
    reasons_of,
    score,
)

NEVER, ALWAYS = (0.5, 0.5), (0.0, 1.0)


class Reader(FakeModel):
    """A model whose estimates stand in the features; it keeps how many it was asked for."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.asked: list[int] = []

    def predict(self, features: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        self.asked.append(len(features))
        reported = features.astype(np.float64)
        return {"arousal": reported[:, 0, 0], "valence": reported[:, 0, 1]}


def window(
    arousal: float = 0.25,
    valence: float = 0.75,
    *,
    faults: tuple[Reason, ...] = (),
    settled: bool = True,
    overall: float = 0.9,
    interpolated: tuple[str, ...] = (),
    normalised: bool = True,
) -> Window:
    return Window(
        # Double precision, so that an estimate is exactly at a band's end.
        features=np.array([[arousal, valence]]),
        first_sample=0,
        last_sample=639,
        settled=settled,
        quality=WindowQuality(np.ones(2), (None, None), overall, faults),
        interpolated=interpolated,
        normalised=normalised,
        signal=(),
    )


def assessed(
    arousal: float = 0.25,
    valence: float = 0.75,
    *reasons: Reason,
    arrival: float = 0.02,
    arrived: float = 10.0,
    **of_window: Any,
) -> AssessedWindow:
    return AssessedWindow(
        window=window(arousal, valence, **of_window),
        reasons=reasons,
        start=1e9,
        end=1e9 + 5,
        resampler=0.148,
        filter=0.061,
        arrival=arrival,
        arrived=arrived,
    )


def ticking(*times: float) -> Callable[[], float]:
    left = iter(times)
    return lambda: next(left)


@pytest.fixture
def reader(adapted: Callable[..., Model]) -> Reader:
    return Reader(adapted(bands={"arousal": NEVER, "valence": NEVER}))


# Reasons


@pytest.mark.parametrize(
    ("settled", "after_gap", "normalised", "faults", "reasons"),
    [
        (True, False, True, (), ()),
        (True, True, True, (), ()),
        (False, False, True, (), (Reason.WARMING_UP,)),
        (False, True, True, (), (Reason.GAP, Reason.WARMING_UP)),
        (True, False, False, (), (Reason.NO_BASELINE,)),
        (True, False, True, (Reason.NOT_WORN,), (Reason.NOT_WORN,)),
        (
            False,
            True,
            False,
            (Reason.OUT_OF_RANGE, Reason.POOR_CONTACT),
            (
                Reason.GAP,
                Reason.WARMING_UP,
                Reason.OUT_OF_RANGE,
                Reason.POOR_CONTACT,
                Reason.NO_BASELINE,
            ),
        ),
    ],
)
def test_the_reasons_stand_in_the_order_of_their_causes(
    settled: bool,
    after_gap: bool,
    normalised: bool,
    faults: tuple[Reason, ...],
    reasons: tuple[Reason, ...],
) -> None:
    found = reasons_of(
        window(settled=settled, faults=faults, normalised=normalised), after_gap=after_gap
    )
    assert found == reasons


# Scores


def test_windows_with_a_reason_are_not_shown_to_the_model(reader: Reader) -> None:
    windows = [
        (window(0.25, 0.75), ()),
        (window(0.9, 0.9), (Reason.GAP,)),
        (window(0.625, 0.125), ()),
    ]
    first, second, third = score(reader, windows)
    assert reader.asked == [2]
    assert [each.probability for each in first] == [0.25, 0.75]
    assert second == (NO_SCORE, NO_SCORE)
    assert [each.probability for each in third] == [0.625, 0.125]


def test_without_a_window_that_can_be_scored_the_model_is_not_asked(reader: Reader) -> None:
    assert score(reader, [(window(), (Reason.STALE,))]) == [(NO_SCORE, NO_SCORE)]
    assert score(reader, []) == []
    assert reader.asked == []


def test_many_windows_are_judged_at_once_and_each_gets_its_own_scores(reader: Reader) -> None:
    chances = np.random.default_rng(1).uniform(0.0, 1.0, (100, 2))
    windows = [
        (window(*pair), (Reason.NOT_WORN,) if number % 7 == 0 else ())
        for number, pair in enumerate(chances.tolist())
    ]
    scores = score(reader, windows)
    assert sum(reader.asked) == 85
    assert len(reader.asked) <= 4
    for number, (pair, (arousal, valence)) in enumerate(zip(chances, scores, strict=True)):
        if number % 7:
            assert arousal.probability == pytest.approx(pair[0], abs=1e-6)
            assert valence.probability == pytest.approx(pair[1], abs=1e-6)
        else:
            assert (arousal, valence) == (NO_SCORE, NO_SCORE)


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
) -> None:
    reader = Reader(adapted(bands={"arousal": unsure, "valence": NEVER}))
    (reported,) = predict(
        reader, [(PredictionSequence("a", "e"), assessed(probability, 0.9))], lambda: 0.0
    )
    assert (reported.arousal.probability, reported.arousal.label) == (probability, label)
    # The other target has a band of its own.
    assert (reported.valence.probability, reported.valence.label) == (0.9, "high")
    assert (reported.valid, reported.reasons) == (True, ())


# Predictions


def test_each_headset_has_its_own_numbers_name_and_scores(reader: Reader) -> None:
    a, b = PredictionSequence("a", "e1"), PredictionSequence("b", "e2", seq=7)
    rounds = [
        [(a, assessed(0.25, 0.75)), (b, assessed(0.125, 0.875, interpolated=("Cz",)))],
        [(b, assessed(0.5, 0.5, Reason.GAP, overall=0.333333)), (a, assessed(0.0, 1.0))],
    ]
    reported = [p for each in rounds for p in predict(reader, each, lambda: 0.0)]
    assert reader.asked == [2, 1]
    assert [(p.headset, p.epoch, p.seq) for p in reported] == [
        ("a", "e1", 0), ("b", "e2", 7), ("b", "e2", 8), ("a", "e1", 1),
    ]  # fmt: skip
    assert [p.arousal.probability for p in reported] == [0.25, 0.125, None, 0.0]
    assert [p.valence.probability for p in reported] == [0.75, 0.875, None, 1.0]
    assert [(p.valid, p.reasons) for p in reported[1:3]] == [(True, ()), (False, (Reason.GAP,))]
    assert [p.interpolated for p in reported[:2]] == [(), ("Cz",)]
    assert reported[2].quality == 0.3333
    assert {p.model for p in reported} == {f"{reader.contract.name} {reader.contract.version}"}
    assert {(p.window.start, p.window.end) for p in reported} == {(1e9, 1e9 + 5)}


def test_the_ledger_adds_up_for_each_window_of_a_batch(reader: Reader) -> None:
    # The first one has waited 3 ms for the second; the model then takes 4 ms for both.
    items = [
        (PredictionSequence("a", "e"), assessed(arrival=0.170, arrived=10.000)),
        (PredictionSequence("b", "e"), assessed(arrival=0.020, arrived=10.003)),
    ]
    first, second = (p.latency_ms for p in predict(reader, items, ticking(10.005, 10.009)))
    assert (first.arrival, first.path, first.inference) == (170.0, 5.0, 4.0)
    assert (second.arrival, second.path, second.inference) == (20.0, 2.0, 4.0)
    assert (first.total, second.total) == (179.0, 26.0)
    # What the resampler holds back is a part of the arrival, and the filter's of nothing.
    assert (first.resampler, first.filter) == (148.0, 61.0)


def test_where_the_model_fails_no_number_is_used_up(adapted: Callable[..., Model]) -> None:
    class Broken(FakeModel):
        def predict(self, features: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
            raise RuntimeError("a defect")

    sequence = PredictionSequence("a", "e")
    with pytest.raises(RuntimeError, match="a defect"):
        predict(Broken(adapted()), [(sequence, assessed())], lambda: 0.0)
    assert sequence.seq == 0
