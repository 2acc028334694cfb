"""When a training ends, and which of its weights are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Weights = TypeVar("Weights")


class EarlyStopping(Generic[Weights]):
    """Keeps the weights of the lowest validation loss, and ends a training that has stalled.

    Without a validation part it is never called: nothing is chosen, and training runs its full
    length.

    Attributes
    ----------
    best_step
        The step with the lowest loss so far; None before the first.
    best_weights
        The weights at that step.
    """

    def __init__(self, patience: int) -> None:
        """Make the rule of one training; `patience` is in evaluations."""
        self.best_step: int | None = None
        self.best_weights: Weights | None = None
        self._patience = patience
        self._best_loss = float("inf")
        self._misses = 0

    def on_evaluation(self, step: int, loss: float, weights: Callable[[], Weights]) -> bool:
        """Record an evaluation, and return whether to stop.

        Parameters
        ----------
        step
            The step after which the validation part was evaluated.
        loss
            Its loss. An equal one is no improvement: the earliest of the best steps is kept.
        weights
            Copies the current weights; called only if this is the best step so far.

        Returns
        -------
        bool
            True once `patience` evaluations in a row have not improved on the best one.
        """
        if loss < self._best_loss:
            self.best_step, self._best_loss, self.best_weights = step, loss, weights()
            self._misses = 0
            return False
        self._misses += 1
        return self._misses >= self._patience
