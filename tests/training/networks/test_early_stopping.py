from __future__ import annotations

from functools import partial

import pytest

from eeg_emotion_training.networks.early_stopping import EarlyStopping


def stopped_after(rule: EarlyStopping[str], losses: list[float]) -> int | None:
    """Evaluate every 10 steps until the rule stops; return the evaluations, None if it does not."""
    for number, loss in enumerate(losses, start=1):
        step = 10 * number
        weights = f"weights of step {step}"
        if rule.on_evaluation(step, loss, partial(str, weights)):
            return number
    return None


@pytest.mark.parametrize(
    ("losses", "stops", "best"),
    [
        ([3.0, 2.0, 1.0, 0.5], None, 40),
        ([1.0, 2.0, 2.0, 2.0, 0.1], 4, 10),
        ([3.0, 4.0, 4.0, 2.0, 3.0, 3.0, 3.0], 7, 40),  # an improvement restarts the count
        ([1.0, 1.0, 1.0, 1.0], 4, 10),  # an equal loss is no improvement
        ([1.0, 2.0, 2.0], None, 10),
    ],
    ids=["falling", "rising", "recovering", "flat", "ended first"],
)
def test_stops_after_patience_evaluations_without_a_lower_loss(
    losses: list[float], stops: int | None, best: int
) -> None:
    rule = EarlyStopping[str](patience=3)
    assert stopped_after(rule, losses) == stops
    assert (rule.best_step, rule.best_weights) == (best, f"weights of step {best}")


def test_weights_are_copied_only_at_an_improvement() -> None:
    rule = EarlyStopping[int](patience=5)
    copies: list[int] = []

    def weights() -> int:
        copies.append(len(copies))
        return copies[-1]

    for step, loss in enumerate([2.0, 3.0, 1.0, 1.5], start=1):
        assert not rule.on_evaluation(step, loss, weights)
    assert (copies, rule.best_weights) == ([0, 1], 1)


def test_nothing_is_best_before_the_first_evaluation() -> None:
    rule = EarlyStopping[str](patience=1)
    assert (rule.best_step, rule.best_weights) == (None, None)
