from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from tests.support.examples import examples

from eeg_emotion_training.evaluation.calibration import expected_calibration_error
from eeg_emotion_training.evaluation.scores import (
    METRICS,
    Predictions,
    by_trial,
    majority_by_person,
    per_person,
    summarise,
)

UNDEFINED_FOR_ONE_CLASS = ("balanced_accuracy", "auroc", "kappa")

COLUMNS = ("person", "trial", "high", "probability")


def draw(
    seed: int = 3,
    people: int = 3,
    trials: int = 6,
    windows: tuple[int, int] = (1, 5),
    share_high: float = 0.5,
) -> Predictions:
    """Predictions that are a little right, with equal ones among them; no two trials alike."""
    rng = np.random.default_rng(seed)
    columns: list[Predictions] = []
    for person in range(people):
        for trial in range(trials):
            high = bool(rng.random() < share_high)
            middle = 0.5 + 0.1 * (high - 0.5) + 0.15 * rng.normal()
            count = int(rng.integers(windows[0], windows[1] + 1))
            said = np.clip(middle + 0.2 * rng.normal(size=count), 0, 1).round(2)
            columns.append(
                Predictions(
                    person=np.full(count, f"s{person:02d}"),
                    trial=np.full(count, trial),
                    high=np.full(count, high),
                    probability=said,
                )
            )
    return Predictions(
        *(np.concatenate([getattr(part, name) for part in columns]) for name in COLUMNS)
    )


def with_one_class(p: Predictions, person: str, high: bool) -> Predictions:
    return replace(p, high=np.where(p.person == person, high, p.high))


def by_reference(high: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """The metrics of one person by scikit-learn."""
    said = probability > 0.5
    both = len(np.unique(high)) == 2
    return {
        "accuracy": reference.accuracy_score(high, said),
        "balanced_accuracy": reference.balanced_accuracy_score(high, said) if both else math.nan,
        "macro_f1": reference.f1_score(high, said, average="macro"),
        "auroc": reference.roc_auc_score(high, probability) if both else math.nan,
        "kappa": reference.cohen_kappa_score(high, said) if both else math.nan,
        "ece": expected_calibration_error(probability, high),
    }


def slow_interval(p: Predictions, replicates: int, seed: int) -> dict[str, tuple[float, float]]:
    """The bootstrap in plain steps: draw trials, copy their rows, score, average over people."""
    rng = np.random.default_rng(seed)
    values = np.full((len(METRICS), len(np.unique(p.person)), replicates), np.nan)
    for number, person in enumerate(sorted(set(p.person))):
        rows_of = [
            np.flatnonzero((p.person == person) & (p.trial == trial))
            for trial in sorted(set(p.trial[p.person == person]))
        ]
        count = len(rows_of)
        for replicate, times in enumerate(rng.multinomial(count, [1 / count] * count, replicates)):
            rows = np.concatenate([np.tile(r, t) for r, t in zip(rows_of, times, strict=True)])
            found = by_reference(p.high[rows], p.probability[rows])
            values[:, number, replicate] = [found[metric] for metric in METRICS]
    interval = {}
    for metric, of_metric in zip(METRICS, values, strict=True):
        means = [
            column[~np.isnan(column)].mean() for column in of_metric.T if not np.isnan(column).all()
        ]
        low, high = np.percentile(means, [2.5, 97.5]) if means else (np.nan, np.nan)
        interval[metric] = (float(low), float(high))
    return interval


@pytest.fixture
def mixed() -> Predictions:
    """Three people with both classes and one whose ratings are all high."""
    return with_one_class(draw(people=4), "s02", high=True)


# -- metrics by person -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_each_persons_metrics_are_scikit_learns(seed: int) -> None:
    p = with_one_class(draw(seed, people=4), "s02", high=bool(seed % 2))
    found = per_person(p)
    assert list(found) == ["s00", "s01", "s02", "s03"]
    for person, metrics in found.items():
        rows = p.person == person
        assert tuple(metrics) == METRICS
        expected = by_reference(p.high[rows], p.probability[rows])
        assert metrics == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_one_class_leaves_undefined_what_compares_classes_and_nothing_else() -> None:
    p = with_one_class(draw(people=1), "s00", high=False)
    undefined = [metric for metric, value in per_person(p)["s00"].items() if math.isnan(value)]
    assert undefined == list(UNDEFINED_FOR_ONE_CLASS)


def test_exactly_a_half_is_predicted_low() -> None:
    p = Predictions(
        np.array(["a", "a"]), np.array([0, 1]), np.array([False, True]), np.array([0.5, 0.5])
    )
    found = per_person(p)["a"]
    assert (found["accuracy"], found["auroc"], found["kappa"]) == (0.5, 0.5, 0.0)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_class_neither_rated_nor_predicted_does_not_enter_macro_f1() -> None:
    p = Predictions(np.array(["a"]), np.array([0]), np.array([False]), np.array([0.2]))
    assert per_person(p)["a"]["macro_f1"] == 1.0


def test_the_chance_level_is_the_share_of_each_persons_larger_class(mixed: Predictions) -> None:
    expected = {
        str(person): max((mixed.high == side)[mixed.person == person].mean() for side in (0, 1))
        for person in np.unique(mixed.person)
    }
    assert majority_by_person(mixed) == pytest.approx(expected)
    assert majority_by_person(mixed)["s02"] == 1.0
    assert summarise(mixed, 5).majority_accuracy == pytest.approx(np.mean(list(expected.values())))


# -- summary -----------------------------------------------------------------------------------


def test_a_metric_is_the_mean_over_people_for_whom_it_is_defined(mixed: Predictions) -> None:
    by_person = per_person(mixed)
    for metric, score in summarise(mixed, replicates=5).scores.items():
        defined = [of[metric] for of in by_person.values() if not math.isnan(of[metric])]
        assert len(defined) == (3 if metric in UNDEFINED_FOR_ONE_CLASS else 4)
        assert score.value == pytest.approx(np.mean(defined))


def test_people_trials_and_windows_are_counted(mixed: Predictions) -> None:
    found = summarise(mixed, replicates=5)
    assert (found.people, found.people_scored, found.trials) == (4, 3, 24)
    assert found.windows == len(mixed.high) > 24
    assert tuple(found.scores) == METRICS
    assert summarise(by_trial(mixed), replicates=5).windows == 24


@pytest.mark.parametrize("share_high", [0.5, 0.15])
def test_the_interval_is_that_of_the_bootstrap_in_plain_steps(share_high: float) -> None:
    p = with_one_class(draw(5, people=4, share_high=share_high), "s02", high=True)
    found = summarise(p, replicates=25, seed=9).scores
    for metric, expected in slow_interval(p, replicates=25, seed=9).items():
        assert (found[metric].low, found[metric].high) == pytest.approx(expected, abs=1e-12)


def test_the_interval_is_that_of_the_bootstrap_over_single_rows_too() -> None:
    p = by_trial(draw(6, people=2, trials=10))
    found = summarise(p, replicates=25, seed=2).scores
    for metric, expected in slow_interval(p, replicates=25, seed=2).items():
        assert (found[metric].low, found[metric].high) == pytest.approx(expected, abs=1e-12)


def test_the_interval_has_the_width_of_the_normal_approximation() -> None:
    p = by_trial(draw(people=12, trials=40))
    found = summarise(p).scores["accuracy"]
    shares = np.array([of["accuracy"] for of in per_person(p).values()])
    deviation = math.sqrt((shares * (1 - shares) / 40).sum()) / 12
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.08)
    assert (found.high + found.low) / 2 == pytest.approx(found.value, abs=0.005)


def test_more_windows_of_the_same_trials_are_no_more_evidence() -> None:
    p = draw()
    twelvefold = Predictions(*(np.repeat(getattr(p, name), 12) for name in COLUMNS))
    once, often = summarise(p).scores, summarise(twelvefold).scores
    for metric in METRICS:
        assert often[metric].value == pytest.approx(once[metric].value)
        assert often[metric].low == pytest.approx(once[metric].low)
        assert often[metric].high == pytest.approx(once[metric].high)


def test_the_order_of_rows_does_not_matter(mixed: Predictions) -> None:
    order = np.random.default_rng(1).permutation(len(mixed.high))
    turned = Predictions(
        mixed.person[order], mixed.trial[order], mixed.high[order], mixed.probability[order]
    )
    one, other = summarise(mixed, 100), summarise(turned, 100)
    for metric in METRICS:
        found, expected = one.scores[metric], other.scores[metric]
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )


def test_the_same_seed_draws_the_same_interval_and_another_another() -> None:
    p = draw()
    assert summarise(p, 100, seed=4) == summarise(p, 100, seed=4)
    assert summarise(p, 100, seed=4) != summarise(p, 100, seed=5)


def test_people_of_one_class_alone_leave_three_metrics_undefined() -> None:
    found = summarise(with_one_class(draw(people=1), "s00", high=True), replicates=20)
    assert found.people_scored == 0
    for metric, score in found.scores.items():
        undefined = [math.isnan(value) for value in (score.value, score.low, score.high)]
        assert undefined == [metric in UNDEFINED_FOR_ONE_CLASS] * 3


def test_trials_far_apart_in_number_and_of_two_people_are_kept_apart() -> None:
    p = Predictions(
        np.array(["b", "a", "b", "a"]),
        np.array([900, 900, -1, 900]),
        np.array([True, False, False, False]),
        np.array([0.9, 0.1, 0.2, 0.3]),
    )
    found = summarise(p, replicates=5)
    assert (found.people, found.people_scored, found.trials, found.windows) == (2, 1, 3, 4)
    assert found.scores["accuracy"].value == 1.0


def test_no_replicates_are_refused() -> None:
    with pytest.raises(ValueError, match="found 0 replicates"):
        summarise(draw(), replicates=0)


def test_the_whole_of_deap_is_scored_in_less_than_three_seconds_of_this_process() -> None:
    p = draw(people=32, trials=40, windows=(12, 12))
    started = time.process_time()
    summarise(p)
    assert time.process_time() - started < 3.0


# -- by trial ----------------------------------------------------------------------------------


def test_a_trial_is_one_row_with_its_mean_probability() -> None:
    p = Predictions(
        np.array(["b", "a", "b", "a", "a"]),
        np.array([1, 7, 1, 7, 2]),
        np.array([True, False, True, False, True]),
        np.array([0.9, 0.1, 0.6, 0.3, 0.4]),
    )
    found = by_trial(p)
    assert found.person.tolist() == ["a", "a", "b"]
    assert found.trial.tolist() == [2, 7, 1]
    assert found.high.tolist() == [True, False, True]
    assert found.probability == pytest.approx([0.4, 0.2, 0.75])


@examples(30)
@given(seed=st.integers(0, 1000))
def test_a_trials_mean_of_means_is_its_mean(seed: int) -> None:
    once = by_trial(draw(seed))
    twice = by_trial(once)
    for column in ("person", "trial", "high", "probability"):
        np.testing.assert_array_equal(getattr(twice, column), getattr(once, column))


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trial": np.array([0])}, r"found shapes .*'trial': \(1,\).*expected the same"),
        ({"high": np.array([[True], [False]])}, "found shapes"),
        ({"probability": np.array([0.1, np.nan])}, "found a probability of nan, expected 0 to 1"),
        ({"probability": np.array([0.1, 1.5])}, r"found a probability of 1\.5, expected 0 to 1"),
        ({"probability": np.array([-0.5, 0.5])}, r"found a probability of -0\.5"),
        ({"high": np.array([1, 0])}, "found high of int64"),
        ({"trial": np.array([0.0, 1.0])}, "found trial of float64"),
        ({"person": np.array([1, 2])}, "found person of int64"),
        ({"probability": np.array([0, 1])}, "found probability of int64"),
        ({"trial": np.array([4, 4])}, "found both classes in trial 4 of a, expected one rating"),
    ],
)
def test_what_cannot_be_scored_is_refused(changes: dict[str, np.ndarray], message: str) -> None:
    whole = {
        "person": np.array(["a", "a"]),
        "trial": np.array([0, 1]),
        "high": np.array([True, False]),
        "probability": np.array([0.2, 0.7]),
    }
    Predictions(**whole)
    with pytest.raises(ValueError, match=message):
        Predictions(**(whole | changes))


def test_no_windows_at_all_are_refused() -> None:
    empty = np.array([])
    with pytest.raises(ValueError, match=r"found shapes .*expected the same .*at least one"):
        Predictions(empty.astype(str), empty.astype(int), empty.astype(bool), empty)
