"""The paper's network: GRU, batch normalisation, softmax.

Source: Guo, Liu, Wei, Chen 2019, *Emotional Recognition Based on EEG Signals Comparing Long-term
and Short-term Memory with Gated Recurrent Unit Using Batch Normalization*, MEET 2019, 106-114.
The paper states Adam at 0.001; it states no number of units, batch size or seed.
"""

from __future__ import annotations

from typing import Any

import keras

LEARNING_RATE = 0.001


def build_bn_gru(steps: int, features: int, units: int) -> Any:
    """Build and compile the network over `(batch, steps, features)` windows.

    Its output is `(batch, 2)`: the probabilities of low and high.
    """
    network = keras.Sequential(
        [
            keras.Input((steps, features)),
            keras.layers.GRU(units, name="gru"),
            keras.layers.BatchNormalization(name="normalisation"),
            keras.layers.Dense(2, activation="softmax", name="classes"),
        ],
        name="bn_gru",
    )
    network.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network
