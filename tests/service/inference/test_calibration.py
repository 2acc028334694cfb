from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_emotion.inference.calibration import is_unsure, log_odds, scale


@given(probability=st.floats(1e-6, 1 - 1e-6))
def test_log_odds_are_natural_and_a_temperature_of_one_changes_nothing(probability: float) -> None:
    expected = math.log(probability) - math.log1p(-probability)
    assert float(log_odds(probability)) == pytest.approx(expected, abs=1e-9)
    assert float(scale(probability, 1.0)) == pytest.approx(probability, abs=1e-12)


def test_log_odds_of_zero_and_one_are_finite_and_opposite() -> None:
    low, middle, high = log_odds([0.0, 0.5, 1.0])
    assert middle == 0.0
    assert high == pytest.approx(-low, rel=1e-6)
    assert 16 < high < 17


@given(probability=st.floats(0.001, 0.999), temperature=st.floats(0.05, 20.0))
def test_scaling_divides_the_log_odds_and_keeps_every_label(
    probability: float, temperature: float
) -> None:
    scaled = float(scale(probability, temperature))
    odds = (probability / (1 - probability)) ** (1 / temperature)
    assert scaled == pytest.approx(odds / (1 + odds))
    if abs(probability - 0.5) > 1e-9:
        assert (scaled > 0.5) == (probability > 0.5)
    assert scale(0.5, temperature) == 0.5


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.inf, math.nan])
def test_no_temperature_at_all_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="found a temperature of"):
        scale([0.3], temperature)


def test_the_ends_of_the_band_are_in_it() -> None:
    assert is_unsure([0.39, 0.4, 0.41, 0.5, 0.59, 0.6, 0.61], (0.4, 0.6)).tolist() == [
        False, True, True, True, True, True, False,
    ]  # fmt: skip


def test_a_band_of_equal_ends_contains_nothing_and_the_widest_contains_everything() -> None:
    assert not is_unsure([0.0, 0.5, 1.0], (0.5, 0.5)).any()
    assert is_unsure([0.0, 1e-300, 0.5, 1.0], (0.0, 1.0)).all()
