"""Whether people's results exceed chance, by tests whose unit is the person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import wilcoxon

K = TypeVar("K")

# Differences of shares that are equal up to rounding must rank as ties, and zeros as zeros.
_DECIMALS = 12


def above_chance(values: ArrayLike, chance: ArrayLike) -> float:
    """Return the one-sided p of Wilcoxon's signed-rank test that people exceed their chance level.

    It is exact up to 50 people without ties and up to 13 with ties, and the normal approximation
    beyond. A person at exactly the chance level is no evidence either way and is not ranked. A pair
    with NaN, of a person for whom the metric is undefined, is dropped before anything is counted.

    Parameters
    ----------
    values
        `(people,)`, such as the accuracy of each person.
    chance
        `(people,)`, each person's own chance level, such as the share of the larger class.

    Returns
    -------
    float
        p; NaN for fewer than two people, 1 where everyone is at exactly the chance level.

    Raises
    ------
    ValueError
        If there is not one chance level for each person.
    """
    found = np.asarray(values, dtype=np.float64)
    against = np.asarray(chance, dtype=np.float64)
    if found.ndim != 1 or found.shape != against.shape:
        raise ValueError(
            f"found values of shape {found.shape} and chance levels of {against.shape}, expected "
            "one of each for each person"
        )
    differences = np.round(found - against, _DECIMALS)
    differences = differences[~np.isnan(differences)]
    if len(differences) < 2:
        return math.nan
    ranked = differences[differences != 0]
    if not ranked.size:
        return 1.0
    return float(wilcoxon(ranked, alternative="greater").pvalue)


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Adjust p values for their number by Holm's step-down method (1979), in the given order.

    A NaN stays NaN and is not counted: a test that could not be made raises no bar.

    Raises
    ------
    ValueError
        If a p value is not between 0 and 1.
    """
    for key, p in p_values.items():
        if not (math.isnan(p) or 0 <= p <= 1):
            raise ValueError(f"found p = {p} for {key}, expected 0 to 1")
    adjusted = dict.fromkeys(p_values, math.nan)
    tested = [key for key, p in p_values.items() if not math.isnan(p)]
    tested.sort(key=lambda key: p_values[key])
    worst = 0.0
    for rank, key in enumerate(tested):
        # Never below that of a smaller p, or a hypothesis would be rejected after one that was not.
        worst = max(worst, min(1.0, (len(tested) - rank) * p_values[key]))
        adjusted[key] = worst
    return adjusted


def least_p(people: int) -> float:
    """Return the smallest exact p of `above_chance`: everyone above chance, 0.5**people.

    With four people it is 0.0625, so that four people can show nothing at 5 %.
    """
    if people < 1:
        raise ValueError(f"found {people} people, expected at least 1")
    return 0.5**people
