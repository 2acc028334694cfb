from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tests.support.study_results import record, result, small_study, spec

from eeg_emotion_training.evaluation.scores import Predictions
from eeg_emotion_training.report.rows import (
    leaks,
    over_people,
    paired,
    rows_of,
    significance_of,
    varying,
)
from eeg_emotion_training.study.results import skipped


def test_folds_of_a_model_become_one_row() -> None:
    results = [
        result([1, 0], [0.9, 0.1], person="s01"),
        result([1, 0], [0.2, 0.1], person="s02"),
        result([1, 0], [0.9, 0.1], person="s01", network="lstm"),
    ]
    gru, lstm = rows_of(record(results), results)

    assert (gru.key.network, lstm.key.network) == ("gru", "lstm")
    assert (gru.windows.people, gru.windows.trials, gru.windows.windows) == (2, 4, 8)
    assert gru.windows.scores["accuracy"].value == (1.0 + 0.5) / 2
    assert gru.trials.windows == 4
    assert lstm.windows.people == 1


def test_a_trial_is_judged_by_the_mean_probability_of_its_windows() -> None:
    # The high trial's windows have 0.9 and 0.2, on average high; two of four windows are right.
    results = [result([1, 0], [0.9, 0.2, 0.4, 0.7])]
    (row,) = rows_of(record(results), results)

    assert row.windows.scores["accuracy"].value == 0.5
    assert row.trial_scaled.probability == pytest.approx([0.55, 0.55])


def test_calibration_error_before_scaling_is_of_the_raw_probabilities() -> None:
    results = [
        result([1, 0], [1.0, 0.0], scaled=[0.7, 0.3], person="s01"),
        result([1, 0], [0.0, 1.0], scaled=[0.3, 0.7], person="s02"),
    ]
    (row,) = rows_of(record(results), results)

    assert row.raw_ece == pytest.approx((0.0 + 1.0) / 2)
    assert row.windows.scores["ece"].value == pytest.approx((0.3 + 0.7) / 2)
    assert row.calibrated


def test_nothing_is_calibrated_without_a_validation_part() -> None:
    results = [result([1, 0], [0.9, 0.1], protocol="segment")]

    assert not rows_of(record(results), results)[0].calibrated


def test_a_skipped_fold_adds_nothing() -> None:
    results = [result([1, 0], [0.9, 0.1]), skipped(spec(fold="s02-1"), "too few")]
    (row,) = rows_of(record(results), results)

    assert row.windows.people == 1


def test_leak_share_is_the_mean_over_test_windows() -> None:
    results = small_study()
    shares = {row.key.protocol: row.leak_share for row in rows_of(record(results), results)}

    assert shares == {"segment": 0.75, "trial": 0.0}


def test_rows_stand_in_the_order_of_the_study_and_of_the_paper() -> None:
    results = small_study()
    keys = [row.key for row in rows_of(record(results), results)]

    assert [(key.protocol, key.network) for key in keys] == [
        (protocol, network)
        for protocol in ("segment", "trial")
        for network in ("gru", "majority", "logistic")
    ]


def test_what_leaking_adds_is_paired_by_person() -> None:
    leaky = [(0.9, 0.1), (0.9, 0.1), (0.9, 0.1)]
    honest = [(0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
    results = [
        result([1, 0], of[number], person=f"s0{number + 1}", protocol=protocol)
        for protocol, of in (("segment", leaky), ("trial", honest))
        for number in range(3)
    ]
    # Only the leaky one has a fourth person, who is no part of the difference.
    results.append(result([1, 0], (0.1, 0.9), person="s04", protocol="segment"))
    (leak,) = leaks(rows_of(record(results), results))

    assert leak.accuracy.people == 3
    assert leak.accuracy.difference.value == pytest.approx((0.0 + 0.5 + 1.0) / 3)
    assert leak.accuracy[1:3] == pytest.approx((1.0, 0.5))
    _, low, high = dataclasses.astuple(leak.accuracy.difference)
    assert 0.0 <= low < 0.5 < high <= 1.0


def test_constant_guesses_have_no_leak_and_are_not_tested() -> None:
    results = small_study()
    rows = rows_of(record(results), results)

    assert {leak.key.network for leak in leaks(rows)} == {"gru", "logistic"}
    assert {key.network for key in significance_of(rows)} == {"gru", "logistic"}


def test_holm_counts_the_results_of_one_protocol() -> None:
    results = small_study()
    tests = significance_of(rows_of(record(results), results))

    # Six people, all above chance: 0.5**6; two results under segment.
    segment = [test for key, test in tests.items() if key.protocol == "segment"]
    assert [test.p for test in segment] == [pytest.approx(0.5**6)] * 2
    assert [test.holm for test in segment] == [pytest.approx(2 * 0.5**6)] * 2
    assert [test.holm_majority for test in segment] == [pytest.approx(2 * 0.5**6)] * 2
    # Under trial everyone is at exactly chance.
    assert {test.p for key, test in tests.items() if key.protocol == "trial"} == {1.0}


def test_holm_counts_targets_and_steps_down() -> None:
    people = [f"s0{number}" for number in range(1, 7)]
    right, half = [0.9, 0.1, 0.9, 0.1], [0.9, 0.1, 0.1, 0.9]
    results = [result([1, 0, 1, 0], right, person=one) for one in people]
    results += [result([1, 0, 1, 0], half, person=one, target="valence") for one in people]
    arousal, valence = significance_of(rows_of(record(results), results)).values()

    assert arousal.holm == pytest.approx(2 * 0.5**6)
    assert (valence.p, valence.holm) == (1.0, 1.0)


def test_a_person_of_one_class_is_tested_against_their_majority_only() -> None:
    results = [result([1, 0], [0.9, 0.1], person=f"s0{number}") for number in range(1, 4)]
    results.append(result([1, 1], [0.9, 0.9], person="s04"))
    (test,) = significance_of(rows_of(record(results), results)).values()

    assert test.people == 3
    assert test.p == pytest.approx(0.5**3)
    # The fourth is at exactly their majority, and is no evidence either way.
    assert test.p_majority == pytest.approx(0.5**3)


def test_one_person_has_no_interval_over_people() -> None:
    score = over_people(np.array([0.25]))

    assert score.value == 0.25
    assert math.isnan(score.low)
    assert math.isnan(score.high)


def test_results_without_people_in_common_have_no_difference() -> None:
    def said(person: str) -> Predictions:
        high = np.array([True, False])
        return Predictions(np.array([person] * 2), np.arange(2), high, np.array([0.9, 0.1]))

    nobody = paired(said("s01"), said("s02"), "accuracy")

    assert nobody.people == 0
    assert math.isnan(nobody.difference.value)


def test_only_models_that_see_windows_count_as_varying() -> None:
    results = [
        result([1, 0], [0.9, 0.1]),
        result([1, 0], [0.9, 0.1], montage="two"),
        result([1, 0], [0.9, 0.1], network="majority", representation="raw"),
    ]

    assert varying(rows_of(record(results), results)) == ["montage"]
