from __future__ import annotations

import numpy as np
import pytest

from eeg_emotion_training.evaluation.protocols import Fold, WindowIndex
from eeg_emotion_training.networks import baselines

NOTHING = np.empty(0, dtype=np.intp)
INDEX = WindowIndex(
    person=np.array(["a"] * 5 + ["b"] * 5),
    trial=np.arange(10, dtype=np.int32),
    stimulus=np.array(["video"] * 10),
    high=np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 1], dtype=np.bool_),
)
FOLD = Fold("f", np.array([0, 1, 3, 5, 6]), np.array([2, 7]), np.array([9, 4, 8]))


def test_majority_predicts_the_training_parts_share_for_every_test_person() -> None:
    assert baselines.majority(INDEX, FOLD).tolist() == pytest.approx([0.4] * 3)


def test_person_majority_predicts_each_test_persons_own_share_in_hindsight() -> None:
    # a: 3 of 5 are high, b: 1 of 5.
    assert baselines.person_majority(INDEX, FOLD).tolist() == pytest.approx([0.2, 0.6, 0.2])


def ridge_logistic(rows: np.ndarray, high: np.ndarray, strength: float) -> np.ndarray:
    """Minimise |w|²/2 + strength * log loss by Newton's method; the last weight is the bias."""
    rows = np.column_stack([rows, np.ones(len(rows))])
    free = np.diag([1.0] * (rows.shape[1] - 1) + [0.0])
    weights = np.zeros(rows.shape[1])
    for _ in range(50):
        said = 1 / (1 + np.exp(-rows @ weights))
        slope = free @ weights + strength * rows.T @ (said - high)
        bend = free + strength * (rows * (said * (1 - said))[:, None]).T @ rows
        weights -= np.linalg.solve(bend, slope)
    return weights


def say(weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-(rows @ weights[:-1] + weights[-1]))))


def made(seed: int, noise: float) -> tuple[np.ndarray, WindowIndex]:
    """`(60, 3, 4)` features: their mean shows the label, their last row something else."""
    rng = np.random.default_rng(seed)
    high = np.arange(60) % 2 == 1
    features = rng.normal(0, noise, (60, 3, 4)) + high[:, None, None]
    features[:, -1] = rng.normal(0, 1, (60, 4))
    index = WindowIndex(
        np.array(["a"] * 60), np.arange(60, dtype=np.int32), np.array(["v"] * 60), high
    )
    return features.astype(np.float32), index


@pytest.mark.parametrize("last_step", [False, True])
def test_logistic_without_validation_is_the_fixed_penalty_on_one_row_a_window(
    last_step: bool,
) -> None:
    features, index = made(1, 1.0)
    fold = Fold("f", np.arange(40), NOTHING, np.arange(40, 60))
    validation, test = baselines.logistic(features, index, fold, last_step=last_step)
    rows = features[:, -1] if last_step else features.mean(axis=1)
    expected = say(ridge_logistic(rows[:40], index.high[:40], 1e-2), rows[40:])
    assert test == pytest.approx(expected, abs=1e-3)
    assert not len(validation)


@pytest.mark.parametrize(("noise", "strongest"), [(0.3, True), (3.0, False)])
def test_logistic_chooses_the_penalty_with_the_lowest_validation_loss(
    noise: float, strongest: bool
) -> None:
    features, index = made(2, noise)
    fold = Fold("f", np.arange(30), np.arange(30, 45), np.arange(45, 60))
    rows = features.mean(axis=1)
    strengths = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    models = [ridge_logistic(rows[:30], index.high[:30], strength) for strength in strengths]
    losses = []
    for model in models:
        said = say(model, rows[30:45])
        losses.append(-np.log(np.where(index.high[30:45], said, 1 - said)).mean())
    best = int(np.argmin(losses))
    # The two cases choose differently, and neither as without validation.
    assert (best == len(strengths) - 1) is strongest
    validation, test = baselines.logistic(features, index, fold, last_step=False)
    assert validation == pytest.approx(say(models[best], rows[30:45]), abs=2e-3)
    assert test == pytest.approx(say(models[best], rows[45:]), abs=2e-3)


def test_the_test_part_chooses_nothing() -> None:
    features, index = made(3, 1.0)
    fold = Fold("f", np.arange(30), np.arange(30, 45), np.arange(45, 60))
    before = baselines.logistic(features, index, fold, last_step=False)
    changed = features.copy()
    changed[45] += 100.0
    flipped = WindowIndex(
        index.person, index.trial, index.stimulus, np.where(np.arange(60) < 45, index.high, True)
    )
    after = baselines.logistic(changed, flipped, fold, last_step=False)
    assert after[0].tolist() == before[0].tolist()
    assert after[1][1:].tolist() == before[1][1:].tolist()
    assert baselines.majority(flipped, fold).tolist() == baselines.majority(index, fold).tolist()


def test_features_that_are_no_numbers_are_refused() -> None:
    features, index = made(4, 1.0)
    features[35] = np.nan
    fold = Fold("f", np.arange(30), np.arange(30, 45), np.arange(45, 60))
    with pytest.raises(ValueError, match="NaN"):
        baselines.logistic(features, index, fold, last_step=False)
