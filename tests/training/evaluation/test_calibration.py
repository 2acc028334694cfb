from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from eeg_emotion.inference.calibration import is_unsure, scale
from eeg_emotion_training.evaluation.calibration import (
    ALWAYS_UNSURE,
    NEVER_UNSURE,
    bin_index,
    expected_calibration_error,
    fit_temperature,
    reliability,
    unsure_band,
)

probabilities = st.floats(0.0, 1.0)
windows = st.lists(st.tuples(probabilities, st.booleans()), min_size=1, max_size=40)


def calibrated(count: int, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and labels that are high exactly that often."""
    rng = np.random.default_rng(11)
    probability = expit(spread * rng.normal(size=count))
    return probability, rng.random(count) < probability


def confident_and_right(count: int, accuracies: dict[float, float]) -> tuple[np.ndarray, ...]:
    """`count` windows at each probability, of which the share given is labelled rightly."""
    probability = np.repeat(list(accuracies), count)
    right = np.concatenate([np.arange(count) < round(count * a) for a in accuracies.values()])
    return probability, (probability > 0.5) == right


# -- expected calibration error ----------------------------------------------------------------


def test_the_calibration_error_of_a_case_worked_by_hand() -> None:
    # Bins of a quarter. Lowest: mean 0.1, none of 2 high; third: mean 0.6, 1 of 2 high;
    # highest: 0.9, high. The second is empty. (2 * 0.1 + 2 * 0.1 + 1 * 0.1) / 5
    probability = [0.05, 0.15, 0.55, 0.65, 0.9]
    high = [False, False, True, False, True]
    assert expected_calibration_error(probability, high, bins=4) == pytest.approx(0.1)


def test_errors_of_opposite_sign_cancel_within_a_bin_but_not_between_bins() -> None:
    assert expected_calibration_error([0.5, 0.5], [True, False], bins=1) == pytest.approx(0.0)
    assert expected_calibration_error([0.4, 0.6], [True, False], bins=2) == pytest.approx(0.6)


def test_it_is_on_the_probability_of_high_and_not_on_the_confidence() -> None:
    # By confidence both lie in one bin, where 0.9 is predicted and one of two is right: 0.4.
    assert expected_calibration_error([0.1, 0.9], [True, True]) == pytest.approx((0.9 + 0.1) / 2)


def test_fifteen_bins_by_default() -> None:
    probability, high = calibrated(300)
    expected = expected_calibration_error(probability, high, bins=15)
    assert expected_calibration_error(probability, high) == expected
    assert expected_calibration_error(probability, high, bins=14) != expected


def test_a_bin_holds_its_lower_edge_and_the_last_one_holds_one() -> None:
    edges = np.array([0.0, 0.2499, 0.25, 0.5, 0.75, 1.0])
    assert bin_index(edges, 4).tolist() == [0, 0, 1, 2, 3, 3]


@given(cases=windows, bins=st.integers(1, 20))
def test_the_calibration_error_is_that_of_the_reliability_diagram(
    cases: list[tuple[float, bool]], bins: int
) -> None:
    probability, high = map(list, zip(*cases, strict=True))
    mean, share, count = reliability(probability, high, bins)
    assert count.sum() == len(cases)
    error = expected_calibration_error(probability, high, bins)
    assert error == pytest.approx((np.abs(mean - share) * count).sum() / len(cases), abs=1e-12)
    assert 0.0 <= error <= 1.0


def test_the_reliability_diagram_is_scikit_learns_without_empty_bins() -> None:
    probability, high = calibrated(200, spread=0.4)
    mean, share, count = reliability(probability, high)
    expected_share, expected_mean = calibration_curve(high, probability, n_bins=10)
    np.testing.assert_allclose(mean, expected_mean)
    np.testing.assert_allclose(share, expected_share)
    assert len(count) < 10
    assert (count > 0).all()


# -- temperature -------------------------------------------------------------------------------


@pytest.mark.parametrize("sharpened", [0.4, 1.0, 2.5])
def test_the_temperature_that_sharpened_calibrated_probabilities_is_found(sharpened: float) -> None:
    probability, high = calibrated(20_000)
    said = expit(sharpened * logit(probability))
    assert fit_temperature(said, high) == pytest.approx(sharpened, rel=0.05)


def test_no_other_temperature_has_a_lower_log_loss() -> None:
    probability, high = calibrated(500)
    # Biased as well as too sharp: temperatures that serve other losses are elsewhere.
    said = expit(3.0 * logit(probability) + 2.0)
    best = fit_temperature(said, high)
    losses = [log_loss(high, scale(said, best * factor)) for factor in (0.98, 1.0, 1.02)]
    assert losses[1] == min(losses)


def test_scaling_lowers_the_calibration_error_of_an_overconfident_network() -> None:
    probability, high = calibrated(4_000)
    said = expit(4.0 * logit(probability))
    scaled = scale(said, fit_temperature(said, high))
    assert expected_calibration_error(said, high) > 0.1
    assert expected_calibration_error(scaled, high) < 0.03


def test_the_temperature_stays_in_range_where_no_best_one_exists() -> None:
    assert fit_temperature([0.4, 0.6], [False, True]) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature([0.4, 0.6], [True, False]) == pytest.approx(20.0, rel=1e-3)
    assert 0.05 <= fit_temperature([0.0, 1.0, 1.0], [False, True, False]) <= 20.0


@pytest.mark.parametrize(("high", "word"), [(True, "high"), (False, "low")])
def test_a_temperature_for_one_class_is_refused(high: bool, word: str) -> None:
    with pytest.raises(ValueError, match=f"found only {word} windows, expected both"):
        fit_temperature([0.3, 0.6], [high, high])


# -- the unsure band ---------------------------------------------------------------------------


def test_the_band_ends_half_way_to_the_confidence_at_which_labels_are_right_often_enough() -> None:
    probability, high = confident_and_right(100, {0.55: 0.5, 0.4: 0.55, 0.7: 0.65, 0.1: 0.9})
    assert unsure_band(probability, high) == pytest.approx((0.35, 0.65))
    assert unsure_band(probability, high, 0.52) == pytest.approx((0.425, 0.575))
    assert unsure_band(probability, high, 0.8) == pytest.approx((0.2, 0.8))


def test_an_accuracy_that_falls_with_confidence_is_pooled() -> None:
    # 0.7 at the lower confidence and 0.5 at the higher are 0.6 together, and neither is unsure.
    probability, high = confident_and_right(100, {0.52: 0.3, 0.6: 0.7, 0.7: 0.5, 0.9: 0.9})
    assert unsure_band(probability, high, 0.6) == pytest.approx((0.44, 0.56))
    assert unsure_band(probability, high, 0.61) == pytest.approx((0.2, 0.8))


def test_an_accuracy_of_exactly_the_limit_is_enough() -> None:
    probability, high = confident_and_right(5, {0.45: 0.6, 0.7: 0.8})
    assert unsure_band(probability, high, 0.6) == NEVER_UNSURE


def test_a_model_that_is_right_at_every_confidence_is_never_unsure() -> None:
    probability, high = confident_and_right(50, {0.5: 0.7, 0.4: 0.8, 0.9: 0.9})
    band = unsure_band(probability, high)
    assert band == NEVER_UNSURE == (0.5, 0.5)
    assert not is_unsure([0.0, 0.4999, 0.5, 0.5001, 1.0], band).any()


def test_a_model_that_is_right_at_no_confidence_is_always_unsure() -> None:
    probability, high = confident_and_right(50, {0.5: 0.4, 0.2: 0.5, 1.0: 0.58})
    band = unsure_band(probability, high)
    assert band == ALWAYS_UNSURE == (0.0, 1.0)
    assert is_unsure([0.0, 1e-300, 0.5, 1.0], band).all()


@pytest.mark.parametrize("seed", range(10))
def test_a_model_at_chance_is_always_unsure_however_lucky_its_most_confident_windows(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    probability = rng.random(2_000)
    high = rng.random(2_000) < 0.5
    high[np.argsort(-np.abs(probability - 0.5))[:20]] = (
        probability[np.argsort(-np.abs(probability - 0.5))[:20]] > 0.5
    )
    assert unsure_band(probability, high) == ALWAYS_UNSURE


@pytest.mark.parametrize(("sure", "band"), [(9, ALWAYS_UNSURE), (10, (0.25, 0.75))])
def test_a_tenth_of_the_windows_must_be_sure(sure: int, band: tuple[float, float]) -> None:
    probability = np.array([0.6] * (100 - sure) + [0.9] * sure)
    high = np.arange(100) % 2 == 0
    high[-sure:] = True
    assert unsure_band(probability, high) == pytest.approx(band)


def test_confidences_equal_but_for_rounding_are_on_the_same_side_of_the_band() -> None:
    probability, high = [0.7, 0.7 + 1e-12, 0.9], [False, True, True]
    assert unsure_band(probability, high) == pytest.approx((0.2, 0.8))


@given(cases=windows, least=probabilities)
def test_the_band_is_symmetric_and_what_it_lets_through_is_right_often_enough(
    cases: list[tuple[float, bool]], least: float
) -> None:
    probability, high = (np.array(column) for column in zip(*cases, strict=True))
    low, up = band = unsure_band(probability, high, least)
    assert 0.0 <= low <= 0.5 <= up <= 1.0
    assert low + up == pytest.approx(1.0)
    let = ~is_unsure(probability, band)
    if let.any():
        assert ((probability > 0.5) == high)[let].mean() >= least - 1e-6


@pytest.mark.parametrize("least", [-0.1, 1.1, math.nan])
def test_a_least_accuracy_beyond_a_share_is_refused(least: float) -> None:
    with pytest.raises(ValueError, match="found a least accuracy of"):
        unsure_band([0.3, 0.6], [False, True], least)


# -- what is refused everywhere ----------------------------------------------------------------


@pytest.mark.parametrize(
    "measure", [expected_calibration_error, reliability, fit_temperature, unsure_band]
)
@pytest.mark.parametrize(
    ("probability", "high", "message"),
    [
        ([0.1, 0.2], [True], r"found probabilities of shape \(2,\) and labels of \(1,\)"),
        ([[0.1, 0.9]], [[True, False]], r"found probabilities of shape \(1, 2\)"),
        ([], [], r"found probabilities of shape \(0,\)"),
        ([0.1, math.nan], [True, False], "found probabilities from nan"),
        ([0.1, 1.01], [True, False], r"found probabilities from 0\.1 to 1\.01, expected 0 to 1"),
        ([-0.01, 1.0], [True, False], r"found probabilities from -0\.01"),
        ([0.1, 0.9], [0, 2], r"found labels \[0 2\], expected True and False"),
    ],
)
def test_what_is_no_probability_or_no_label_is_refused(
    measure: object, probability: list[float], high: list[bool], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(probability, high)  # type: ignore[operator]


def test_no_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="found 0 bins"):
        expected_calibration_error([0.1], [True], bins=0)
