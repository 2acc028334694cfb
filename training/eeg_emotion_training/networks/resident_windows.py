"""The layer that holds all windows on the device. Importing this module imports Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_emotion_training.networks.keras_import import load_keras


class ResidentWindows(load_keras().layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """All windows of a study, kept on the device; returns those whose numbers come in.

    Its input is `(batch,)` int32, its output `(batch, steps, features)`.
    """

    def __init__(self, windows: int, steps: int, features: int, **options: Any) -> None:
        super().__init__(**options)
        self.table = self.add_weight(
            shape=(windows, steps, features), initializer="zeros", trainable=False, name="table"
        )

    def put(self, windows: NDArray[np.float32]) -> None:
        """Keep `(windows, steps, features)`, numbered from 0; numbers above are windows of 0.

        Raises
        ------
        ValueError
            If there are more windows than places, or their shape is another.
        """
        places, *shape = self.table.shape
        if list(windows.shape[1:]) != shape or len(windows) > places:
            raise ValueError(
                f"found windows of the shape {windows.shape}, expected at most {places} of "
                f"{tuple(shape)}"
            )
        if len(windows) < places:
            padding = np.zeros((places - len(windows), *shape), np.float32)
            windows = np.concatenate([windows, padding])
        self.table.assign(windows)

    def call(self, numbers: Any) -> Any:
        """Gather the windows of these numbers."""
        return load_keras().ops.take(self.table, numbers, axis=0)
