from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata

from eeg_emotion_training.evaluation.significance import above_chance, holm, least_p


def by_all_signs(differences: list[float]) -> float:
    """The test's p by its definition: how often random signs give as large a sum of ranks."""
    ranks = rankdata(np.abs(differences))
    found = ranks[np.array(differences) > 0].sum()
    signs = np.array(list(itertools.product([0, 1], repeat=len(ranks))))
    return float((signs @ ranks >= found).mean())


@pytest.mark.parametrize(
    "differences",
    [
        [0.01, 0.02, 0.03, -0.04, 0.05, 0.06],
        [-0.01, -0.02, 0.03],
        [0.05, 0.05, -0.05, 0.1],
        [0.05, 0.05, 0.05, 0.05, -0.1, 0.15, 0.15],
        [-0.1, -0.2],
    ],
)
def test_p_is_the_exact_one_of_wilcoxons_signed_ranks(differences: list[float]) -> None:
    chance = np.linspace(0.5, 0.7, len(differences))
    assert above_chance(chance + differences, chance) == pytest.approx(by_all_signs(differences))


def test_many_people_without_ties_are_tested_exactly() -> None:
    # The 32 people of DEAP, all above chance; the normal approximation would be 4e-7.
    assert above_chance(0.5 + np.arange(1, 33) / 100, np.full(32, 0.5)) == least_p(32)


def test_many_people_with_ties_are_tested_by_the_normal_approximation() -> None:
    differences = np.repeat([0.05, -0.05, 0.1], [12, 8, 12])
    ranks = rankdata(np.abs(differences))
    deviation = math.sqrt((ranks**2).sum() / 4)
    z = (ranks[differences > 0].sum() - ranks.sum() / 2) / deviation
    p = above_chance(0.5 + differences, np.full(32, 0.5))
    assert p == pytest.approx(norm.sf(z), rel=1e-9)


def test_everyone_is_measured_against_their_own_chance_level() -> None:
    values = [0.6, 0.7, 0.8, 0.65, 0.75]
    assert above_chance(values, [0.5, 0.61, 0.72, 0.58, 0.69]) == least_p(5)
    assert above_chance(values, [0.72, 0.61, 0.5, 0.58, 0.69]) > least_p(5)


def test_below_chance_is_no_evidence() -> None:
    assert above_chance([0.4, 0.3, 0.2], [0.5, 0.5, 0.5]) == 1.0


def test_differences_equal_but_for_rounding_are_ties() -> None:
    values, chance = [0.3, 0.8, 0.5, 0.7], [0.2, 0.7, 0.6, 0.6]
    assert len(set(np.subtract(values, chance))) > 2
    assert above_chance(values, chance) == pytest.approx(by_all_signs([1, 1, -1, 1]))


def test_a_person_at_exactly_the_chance_level_is_not_ranked() -> None:
    values, chance = [0.3, 0.55, 0.62, 0.1 + 0.2], [0.3, 0.5, 0.5, 0.3]
    assert values[3] != chance[3]
    assert above_chance(values, chance) == pytest.approx(by_all_signs([0.05, 0.12]))


def test_p_is_one_where_everyone_is_at_the_chance_level() -> None:
    assert above_chance([0.5, 0.6], [0.5, 0.6]) == 1.0


@pytest.mark.parametrize(
    ("values", "chance"),
    [([], []), ([0.9], [0.5]), ([0.9, math.nan], [0.5, 0.5]), ([0.9, 0.9], [0.5, math.nan])],
)
def test_fewer_than_two_people_cannot_be_tested(values: list[float], chance: list[float]) -> None:
    assert math.isnan(above_chance(values, chance))


def test_a_person_without_the_metric_is_dropped() -> None:
    with_nan = above_chance([0.6, math.nan, 0.7, 0.4], [0.5, 0.5, 0.5, 0.5])
    assert with_nan == above_chance([0.6, 0.7, 0.4], [0.5, 0.5, 0.5])


@pytest.mark.parametrize("chance", [[0.5], 0.5, [0.5, 0.5, 0.5], [[0.5, 0.5]]])
def test_unmatched_chance_levels_are_refused(chance: object) -> None:
    with pytest.raises(ValueError, match=r"found values of shape \(2,\) and chance levels of"):
        above_chance([0.6, 0.7], chance)  # type: ignore[arg-type]


def test_holms_adjustment_of_a_case_worked_by_hand() -> None:
    # In order: 0.005 * 4 = 0.02; 0.01 * 3 = 0.03; 0.03 * 2 = 0.06; 0.04 * 1, raised to 0.06.
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(adjusted) == ["a", "b", "c", "d"]


def test_an_adjusted_p_is_never_above_one() -> None:
    assert holm({1: 0.6, 2: 0.7, 3: 0.2}) == pytest.approx({1: 1.0, 2: 1.0, 3: 0.6})


def test_a_test_that_could_not_be_made_is_not_counted() -> None:
    adjusted = holm({"arousal": 0.02, "none": math.nan, "valence": 0.03})
    assert math.isnan(adjusted.pop("none"))
    assert adjusted == pytest.approx({"arousal": 0.04, "valence": 0.04})


def test_nothing_to_adjust() -> None:
    assert holm({}) == {}


@given(ps=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), level=st.floats(0.001, 0.999))
def test_holm_rejects_what_its_step_down_rejects(ps: list[float], level: float) -> None:
    adjusted = holm(dict(enumerate(ps)))
    rejected: set[int] = set()
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        if ps[index] * (len(ps) - rank) > level:
            break
        rejected.add(index)
    assert {index for index, p in adjusted.items() if p <= level} == rejected
    assert all(p <= adjusted[index] <= 1.0 for index, p in enumerate(ps))


@pytest.mark.parametrize("p", [-0.01, 1.01, math.inf])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=f"found p = {p} for valence"):
        holm({"valence": p})


@pytest.mark.parametrize("people", [2, 3, 4, 5, 12])
def test_the_least_p_is_that_of_everyone_above_chance(people: int) -> None:
    values = 0.5 + np.arange(1, people + 1) / 100
    assert above_chance(values, np.full(people, 0.5)) == pytest.approx(least_p(people))


def test_four_people_can_show_nothing_at_five_percent_and_five_can() -> None:
    assert (least_p(4), least_p(5)) == (0.0625, 0.03125)


def test_the_least_p_of_no_people_is_refused() -> None:
    with pytest.raises(ValueError, match="found 0 people"):
        least_p(0)
