"""A training's course, as TensorBoard shows it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Point(BaseModel):
    """Training seen at one step.

    `test_accuracy` is there only under protocols without a validation part, where training runs
    its full length whatever the test shows; `validation_loss` only under the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    seconds: float
    training_loss: float
    training_accuracy: float
    validation_loss: float | None = None
    test_accuracy: float | None = None
