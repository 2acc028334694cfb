"""A training's curve as TensorBoard's scalars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tensorboard.summary import Writer

from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.keras_import import load_keras


@contextmanager
def scalars(folder: Path) -> Iterator[Callable[[Point], None]]:
    """Open a folder for TensorBoard, and return what writes a point of the curve into it."""
    # TensorBoard imports TensorFlow where it is installed, with all that it says and as it is set.
    load_keras()
    writer = Writer(str(folder))

    def write(point: Point) -> None:
        for name, value in point.model_dump(exclude={"step", "seconds"}).items():
            if value is not None:
                writer.add_scalar(name, value, point.step)

    try:
        yield write
    finally:
        writer.close()
