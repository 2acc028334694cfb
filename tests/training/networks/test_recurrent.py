"""The four networks: one contract for all of them, and training from windows on the device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import onnxruntime
import pytest

from eeg_emotion_training.model.fused import fused_graph
from eeg_emotion_training.networks.keras_import import load_keras
from eeg_emotion_training.networks.names import NETWORKS, NetworkName
from eeg_emotion_training.networks.recurrent import (
    LEARNING_RATE,
    build_network,
    fresh_weights,
    reset,
    resident,
)

pytestmark = pytest.mark.slow

UNITS = 5
# Short windows of many measures, and long ones of few, as bands and samples are.
SHAPES = {"bands": (4, 12), "raw": (12, 4)}
CASES = ["gru-bands", "gru-raw", "bn-gru-bands", "bn-gru-raw"]
CASES += ["lstm-bands", "lstm-raw", "bn-lstm-bands", "bn-lstm-raw"]


class Case(NamedTuple):
    name: NetworkName
    shape: tuple[int, int]
    network: Any


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """A network in which nothing is at its start: biases and statistics are neither 0 nor 1."""
    name, _, kind = request.param.rpartition("-")
    network = build_network(name, *SHAPES[kind], UNITS)
    rng = np.random.default_rng(4)
    network.set_weights(
        [weight + rng.uniform(0.05, 0.5, weight.shape) for weight in fresh_weights(network, 4)]
    )
    return Case(name, SHAPES[kind], network)


def windows_of(shape: tuple[int, int], count: int = 12) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(count, *shape)).astype(np.float32)


def probabilities(network: Any, windows: np.ndarray) -> np.ndarray:
    """What a network predicts, without compiling it first."""
    return np.asarray(network(windows, training=False))


def test_every_network_has_its_cases() -> None:
    assert sorted(CASES) == sorted(f"{name}-{kind}" for name in NETWORKS for kind in SHAPES)
    assert get_args(NetworkName) == NETWORKS


def test_a_network_is_its_layers_and_returns_two_probabilities(case: Case) -> None:
    layers = load_keras().layers
    kind = layers.LSTM if "lstm" in case.name else layers.GRU
    expected: list[tuple[str, type]] = [("recurrent", kind)]
    if case.name.startswith("bn-"):
        expected.append(("normalisation", layers.BatchNormalization))
    expected.append(("classes", layers.Dense))
    assert [(layer.name, type(layer)) for layer in case.network.layers] == expected
    said = probabilities(case.network, windows_of(case.shape))
    assert said.shape == (12, 2)
    np.testing.assert_allclose(said.sum(axis=1), 1.0, atol=1e-6)
    # A network that predicts the same for everything would pass.
    assert np.ptp(said[:, 1]) > 0.01


def test_evaluation_is_deterministic_and_looks_at_each_window_alone(case: Case) -> None:
    windows = windows_of(case.shape)
    said = probabilities(case.network, windows)
    np.testing.assert_array_equal(probabilities(case.network, windows), said)
    # With a batch's own statistics a window's neighbours would matter.
    alone = np.concatenate([probabilities(case.network, w[None]) for w in windows[:3]])
    np.testing.assert_allclose(alone, said[:3], atol=1e-6)


def test_normalisation_uses_moving_statistics_in_evaluation(case: Case) -> None:
    windows = windows_of(case.shape)
    layer = case.network.get_layer("recurrent")
    last = np.asarray(layer(windows, training=False))
    if case.name.startswith("bn-"):
        normalisation = case.network.get_layer("normalisation")
        gamma, beta, mean, variance = normalisation.get_weights()
        last = gamma * (last - mean) / np.sqrt(variance + normalisation.epsilon) + beta
    kernel, bias = case.network.get_layer("classes").get_weights()
    expected = np.exp(last @ kernel + bias)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities(case.network, windows), expected, atol=1e-5)


def test_a_saved_network_predicts_the_same(case: Case, tmp_path: Path) -> None:
    case.network.save(tmp_path / "network.keras")
    loaded = load_keras().models.load_model(tmp_path / "network.keras")
    windows = windows_of(case.shape)
    np.testing.assert_array_equal(
        probabilities(loaded, windows), probabilities(case.network, windows)
    )


@pytest.mark.parametrize("kind", ["random", "extreme"])
def test_the_fused_graph_predicts_what_the_network_predicts(case: Case, kind: str) -> None:
    windows = windows_of(case.shape)
    if kind == "extreme":
        levels = np.array([0.0, 8.0, -8.0, 1e3, -1e3], np.float32)
        windows = np.broadcast_to(levels[:, None, None], (5, *case.shape)).copy()
    graph = fused_graph({"valence": case.network}, *case.shape).SerializeToString()
    (said,) = onnxruntime.InferenceSession(graph).run(None, {"features": windows})
    expected = probabilities(case.network, windows)
    assert np.ptp(expected[:, 1]) > 0.01
    np.testing.assert_allclose(said, expected, atol=1e-5)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="found the network 'bn-rnn', expected one of gru, bn-gru"):
        build_network("bn-rnn", 4, 3, 5)  # type: ignore[arg-type]  # as from a file


def test_keras_is_not_imported_before_a_network_is_built() -> None:
    program = (
        "import sys; from eeg_emotion_training.model import export, fit; "
        "from eeg_emotion_training.networks.names import NETWORKS; "
        "print(NETWORKS, 'keras' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.strip() == f"{NETWORKS} False", said.stderr


# Training from resident windows, at a size that compiles in a second.

STEPS, FEATURES, WINDOWS, BATCH = 6, 3, 24, 8


class Data(NamedTuple):
    features: np.ndarray
    high: np.ndarray
    batches: np.ndarray


@pytest.fixture(scope="module")
def data() -> Data:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(WINDOWS, STEPS, FEATURES)).astype(np.float32)
    high = (features[:, -1, 0] > 0).astype(np.int32)
    return Data(features, high, rng.integers(0, WINDOWS, (12, BATCH)).astype(np.int32))


# Each layer once, with and without normalisation: a compilation takes seconds.
COMPILED: tuple[NetworkName, ...] = ("bn-gru", "lstm")


@pytest.fixture(
    scope="module", params=["bn-gru", pytest.param("lstm", marks=pytest.mark.needs("time"))]
)
def model(request: pytest.FixtureRequest) -> Any:
    """One compiled model for all tests of a network: they share it as folds do."""
    return resident(build_network(request.param, STEPS, FEATURES, UNITS), WINDOWS)


def network_of(model: Any) -> Any:
    return model.layers[-1]


def trained(model: Any, data: Data) -> list[np.ndarray]:
    """Losses of all steps, and then all weights."""
    losses = [model.train_on_batch(batch, data.high[batch]) for batch in data.batches]
    return [np.array(losses), *network_of(model).get_weights()]


def assert_same_bits(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_compiled_model_serves_many_folds_as_new_ones_would(model: Any, data: Data) -> None:
    other = Data(data.features[::-1] * 2.0, data.high[::-1].copy(), data.batches[::-1])
    found = []
    for seed, fold in ((1, data), (2, other)):
        reset(model, seed)
        model.get_layer("resident").put(fold.features)
        found.append(trained(model, fold))
        # What a callback may have left behind is put back too.
        model.optimizer.learning_rate = 0.5
    assert model.jit_compile is True
    # The second one comes after all that the first can have left; the first has no such history.
    network = build_network(network_of(model).name, STEPS, FEATURES, UNITS)
    network.set_weights(fresh_weights(network, 2))
    new = resident(network, WINDOWS)
    new.get_layer("resident").put(other.features)
    assert float(new.optimizer.learning_rate) == pytest.approx(LEARNING_RATE)
    assert_same_bits(found[1], trained(new, other))
    assert np.abs(found[0][0] - found[1][0]).max() > 0.01


def test_training_from_numbers_is_training_on_their_windows(model: Any, data: Data) -> None:
    data = data._replace(batches=data.batches[:4])
    network = build_network(network_of(model).name, STEPS, FEATURES, UNITS)
    network.set_weights(fresh_weights(network, 1))
    network.compile(
        load_keras().optimizers.Adam(LEARNING_RATE),
        "sparse_categorical_crossentropy",
        run_eagerly=True,
    )
    fed = [network.train_on_batch(data.features[b], data.high[b]) for b in data.batches]
    reset(model, 1)
    model.get_layer("resident").put(data.features)
    gathered = trained(model, data)
    # What XLA compiles may order its sums differently; a wrong window costs 0.01 and more.
    np.testing.assert_allclose(gathered[0], fed, atol=1e-5)
    numbers = np.arange(WINDOWS, dtype=np.int32)
    np.testing.assert_allclose(
        model.predict(numbers, batch_size=BATCH, verbose=0),
        network.predict(data.features, batch_size=BATCH, verbose=0),
        atol=1e-5,
    )


def test_weights_are_shared_and_the_table_is_never_trained(model: Any, data: Data) -> None:
    reset(model, 1)
    model.get_layer("resident").put(data.features)
    before = network_of(model).get_weights()
    trained(model, data)
    np.testing.assert_array_equal(model.get_layer("resident").table, data.features)
    after = network_of(model).get_weights()
    assert all(np.abs(one - other).max() > 0 for one, other in zip(before, after, strict=True))
    np.testing.assert_allclose(
        network_of(model).predict(data.features, verbose=0),
        model.predict(np.arange(WINDOWS), verbose=0),
        atol=1e-6,
    )


def test_rows_beyond_the_data_are_never_used(model: Any, data: Data) -> None:
    layer = model.get_layer("resident")
    few = Data(data.features[:10], data.high[:10], data.batches % 10)
    reset(model, 1)
    layer.put(data.features)  # what an earlier, larger fold left
    layer.put(few.features)
    np.testing.assert_array_equal(np.asarray(layer.table)[10:], 0.0)
    expected = trained(model, few)
    # Were those rows looked at in any way, the losses and weights could not be the same numbers.
    layer.table.assign(np.concatenate([few.features, np.full_like(data.features[10:], np.nan)]))
    reset(model, 1)
    assert_same_bits(trained(model, few), expected)
    assert all(np.isfinite(part).all() for part in expected)


@pytest.mark.parametrize("shape", [(WINDOWS + 1, STEPS, FEATURES), (WINDOWS, FEATURES, STEPS)])
def test_windows_that_do_not_fit_the_table_are_refused(shape: tuple[int, ...]) -> None:
    from eeg_emotion_training.networks.resident_windows import ResidentWindows

    layer = ResidentWindows(WINDOWS, STEPS, FEATURES)
    with pytest.raises(ValueError, match=r"expected at most 24 of \(6, 3\)"):
        layer.put(np.zeros(shape, np.float32))


@pytest.mark.parametrize("name", NETWORKS)
def test_fresh_weights_are_drawn_as_keras_draws_them(name: NetworkName) -> None:
    network = build_network(name, 4, 32, 64)
    keras_weights, ours = network.get_weights(), fresh_weights(network, 1)
    names = [weight.name for weight in network.weights]
    for kind, found, expected in zip(names, ours, keras_weights, strict=True):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        if kind == "kernel":
            limit = np.sqrt(6.0 / sum(expected.shape))
            assert np.abs(found).max() <= limit
            # A uniform draw's deviation, to four of its standard errors.
            error = 4 * limit / np.sqrt(3) * np.sqrt(0.2 / found.size)
            assert found.std() == pytest.approx(limit / np.sqrt(3), abs=error)
            assert expected.std() == pytest.approx(limit / np.sqrt(3), abs=error)
        elif kind == "recurrent_kernel":
            np.testing.assert_allclose(found @ found.T, np.eye(64), atol=1e-5)
            np.testing.assert_allclose(expected @ expected.T, np.eye(64), atol=1e-5)
        else:
            np.testing.assert_array_equal(found, expected)
    assert_same_bits(fresh_weights(network, 1), ours)
    assert np.abs(fresh_weights(network, 2)[0] - ours[0]).max() > 0.01


ON_ANOTHER_BACKEND = """
import sys
import keras
import numpy as np
from eeg_emotion_training.networks.recurrent import build_network, reset, resident

data = np.load(sys.argv[1])
said = {"backend": np.array(keras.backend.backend())}
for name in sys.argv[3:]:
    network = build_network(name, *data["features"].shape[1:], 5)
    model = resident(network, len(data["features"]))
    model.get_layer("resident").put(data["features"])
    for seed in (2, 1):
        reset(model, seed)
        start = network.get_weights()
        for batch in data["batches"]:
            model.train_on_batch(batch, data["high"][batch])
    said |= {f"{name} {place}": weight for place, weight in enumerate(start)}
    said[name] = network.predict(data["features"], verbose=0)
np.savez(sys.argv[2], **said)
"""


@pytest.fixture(scope="module")
def on_jax(data: Data, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What the networks start with and predict after the same training with Keras on JAX."""
    folder = tmp_path_factory.mktemp("jax")
    np.savez(folder / "data.npz", **data._asdict())
    files = [str(folder / "data.npz"), str(folder / "said.npz")]
    # A backend is chosen once for a process.
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, *files, *COMPILED],
        env=os.environ
        | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = dict(np.load(folder / "said.npz"))
    assert said["backend"] == "jax"
    return said


def test_jax_trains_to_the_same_network(
    model: Any, data: Data, on_jax: dict[str, np.ndarray]
) -> None:
    network = network_of(model)
    reset(model, 1)
    start = network.get_weights()
    assert_same_bits([on_jax[f"{network.name} {i}"] for i in range(len(start))], start)
    model.get_layer("resident").put(data.features)
    before = network.predict(data.features, verbose=0)
    trained(model, data)
    said = network.predict(data.features, verbose=0)
    # Rounding is 1e-7 a step, but Adam divides each gradient by its own size: where one is all
    # rounding, backends may step apart by up to the learning rate. Training itself moves the
    # probabilities a hundred times further than what is allowed here.
    assert np.abs(said - before).max() > 0.01
    np.testing.assert_allclose(on_jax[network.name], said, atol=1e-4)
