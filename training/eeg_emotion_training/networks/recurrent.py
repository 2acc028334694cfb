"""The paper's four networks: GRU or LSTM, with or without batch normalisation, then softmax.

Source: Guo, Liu, Wei, Chen 2019, *Emotional Recognition Based on EEG Signals Comparing Long-term
and Short-term Memory with Gated Recurrent Unit Using Batch Normalization*, MEET 2019, 106-114.
The paper states Adam at 0.001; it states no number of units, batch size or seed.

Nothing here depends on the Keras backend: initial weights are drawn by NumPy, so that a seed means
the same start on every backend.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eeg_emotion_training.networks.keras_import import load_keras
from eeg_emotion_training.networks.names import NETWORKS, NetworkName

LEARNING_RATE = 0.001


def build_network(name: NetworkName, steps: int, features: int, units: int) -> Any:
    """Build a network over `(batch, steps, features)` windows, not compiled.

    Its output is `(batch, 2)`: the probabilities of low and high.

    Raises
    ------
    ValueError
        If `name` is none of `NETWORKS`.
    """
    if name not in NETWORKS:
        raise ValueError(f"found the network {name!r}, expected one of {', '.join(NETWORKS)}")
    keras = load_keras()
    recurrent = keras.layers.LSTM if name.endswith("lstm") else keras.layers.GRU
    layers = [keras.Input((steps, features)), recurrent(units, name="recurrent")]
    if name.startswith("bn-"):
        layers.append(keras.layers.BatchNormalization(name="normalisation"))
    layers.append(keras.layers.Dense(2, activation="softmax", name="classes"))
    return keras.Sequential(layers, name=name)


def resident(network: Any, windows: int) -> Any:
    """Join `network` to a table of `windows` windows that stays on the device, and compile it.

    Parameters
    ----------
    network
        Of `build_network`; its weights are shared, not copied.
    windows
        How many windows the table has places for.

    Returns
    -------
    keras.Model
        From window numbers `(batch,)` int32 to `(batch, 2)`. Its layer `resident` holds the data:
        `model.get_layer("resident").put(array)`.
    """
    # Its base class is Keras', which is imported no sooner than a network is built.
    from eeg_emotion_training.networks.resident_windows import ResidentWindows

    keras = load_keras()
    table = ResidentWindows(windows, *network.input_shape[1:], name="resident")
    numbers = keras.Input((), dtype="int32", name="numbers")
    model = keras.Model(numbers, network(table(numbers)), name=f"resident-{network.name}")
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
        # "auto" means no XLA on a CPU, where a step takes more than twice as long without it.
        # Keras warns, and goes without, where TensorFlow's op determinism is on.
        jit_compile=True,
    )
    # Now rather than at the first step: `reset` then always finds all of its variables.
    model.optimizer.build(model.trainable_variables)
    return model


def fresh_weights(network: Any, seed: int) -> list[NDArray[np.float32]]:
    """Draw initial weights for `network`, in the order of `network.get_weights()`.

    Their distributions are Keras' own: Glorot's uniform, an orthogonal recurrent kernel, biases of
    0 but 1 for the forget gate of an LSTM. The draws depend on the seed alone, neither on the
    backend nor on a global state.
    """
    rng = np.random.default_rng(seed)
    drawn = [_draw(weight.name, tuple(weight.shape), rng) for weight in network.weights]
    recurrent = network.get_layer("recurrent")
    if isinstance(recurrent, load_keras().layers.LSTM):
        forget = slice(recurrent.units, 2 * recurrent.units)
        drawn[2][forget] = 1.0  # after the kernel and the recurrent kernel of the first layer
    return drawn


def reset(model: Any, seed: int) -> None:
    """Put a model of `resident` back to the start: weights of `seed`, an optimizer of no steps.

    The compiled functions and the table stay: training then returns bit for bit what a new model
    of that seed would return.
    """
    zeros = load_keras().ops.zeros
    network = model.layers[-1]
    network.set_weights(fresh_weights(network, seed))
    for variable in model.optimizer.variables:
        variable.assign(zeros(variable.shape, variable.dtype))
    model.optimizer.learning_rate = LEARNING_RATE


def _draw(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    match name:
        case "kernel":
            limit = np.sqrt(6.0 / sum(shape))
            return rng.uniform(-limit, limit, shape).astype(np.float32)
        case "recurrent_kernel":
            # The rows are orthonormal over all gates. The signs make the draw uniform.
            orthogonal, upper = np.linalg.qr(rng.normal(size=shape[::-1]))
            return (orthogonal * np.sign(np.diag(upper))).T.astype(np.float32)
        case "gamma" | "moving_variance":
            return np.ones(shape, np.float32)
        case "bias" | "beta" | "moving_mean":
            return np.zeros(shape, np.float32)
        case _:
            raise ValueError(f"found a weight named {name!r}, expected one of these networks'")
