from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.scalars import scalars


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a folder."""
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {
        name: [(event.step, event.tensor_proto.float_val[0]) for event in accumulator.Tensors(name)]
        for name in accumulator.Tags()["tensors"]
    }


def point(step: int, **others: float) -> Point:
    return Point(step=step, seconds=1.5, training_loss=1 / step, training_accuracy=0.5, **others)


def test_tensorboard_shows_the_curve_by_step(tmp_path: Path) -> None:
    with scalars(tmp_path / "logs") as write:
        write(point(10, validation_loss=0.75))
        write(point(20, validation_loss=0.5))
    shown = read(tmp_path / "logs")
    assert set(shown) == {"training_loss", "training_accuracy", "validation_loss"}
    assert shown["validation_loss"] == [(10, 0.75), (20, 0.5)]
    assert [step for step, _ in shown["training_loss"]] == [10, 20]
    assert [loss for _, loss in shown["training_loss"]] == pytest.approx([0.1, 0.05])


def test_what_is_not_known_is_not_shown(tmp_path: Path) -> None:
    with scalars(tmp_path) as write:
        write(point(10, test_accuracy=0.25))
    assert set(read(tmp_path)) == {"training_loss", "training_accuracy", "test_accuracy"}


def test_points_of_a_training_that_fails_are_written(tmp_path: Path) -> None:
    def fail(write: Callable[[Point], None]) -> None:
        write(point(10))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), scalars(tmp_path) as write:
        fail(write)
    assert read(tmp_path)["training_accuracy"] == [(10, 0.5)]
