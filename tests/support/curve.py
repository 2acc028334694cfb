"""The curve of a training."""

from __future__ import annotations

from collections.abc import Sequence

from eeg_emotion_training.networks.curve import Point


def losses_of(curve: Sequence[Point]) -> dict[int, float]:
    """Return the validation losses by step, of a curve that has them."""
    losses = {point.step: point.validation_loss for point in curve}
    known = {step: loss for step, loss in losses.items() if loss is not None}
    assert known.keys() == losses.keys()
    return known
