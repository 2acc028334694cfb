"""The fused graph against tf2onnx's own conversion and against Keras."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest

from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.normaliser import fit_normaliser
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.representation import BandPower, RawSignal
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion_training.model.fused import FusionError, fused_graph
from eeg_emotion_training.networks.keras_import import load_keras
from eeg_emotion_training.networks.names import NetworkName
from eeg_emotion_training.networks.recurrent import build_network

if TYPE_CHECKING:
    pass

# Where only JAX is installed, as on the newest Python, other tests hold the graph against Keras.
pytestmark = pytest.mark.skipif(
    not (find_spec("tensorflow") and find_spec("tf2onnx")),
    reason="TensorFlow and tf2onnx are not both installed",
)

REAL = Path(__file__).resolve().parents[3].parent / "shared/data/eegmat/Subject00_2.edf"
PATHS = {
    "bands": PathSettings(representation=BandPower()),
    "raw": PathSettings(representation=RawSignal()),
}
TOLERANCE = 1e-5


def network_with_random_weights(
    steps: int, features: int, units: int, seed: int, name: NetworkName = "bn-gru"
) -> Any:
    """A network in which nothing is at its start: biases and statistics are neither 0 nor 1."""
    load_keras().utils.set_random_seed(seed)
    network = build_network(name, steps, features, units)
    rng = np.random.default_rng(seed)
    kernel, recurrent, bias = network.get_layer("recurrent").get_weights()
    bias = rng.normal(0.0, 0.5, bias.shape)
    network.get_layer("recurrent").set_weights([kernel, recurrent, bias])
    if name.startswith("bn-"):
        gamma, beta = rng.uniform(0.5, 1.5, units), rng.normal(0.0, 0.5, units)
        mean, variance = rng.normal(0.0, 0.3, units), rng.uniform(0.02, 0.5, units)
        network.get_layer("normalisation").set_weights([gamma, beta, mean, variance])
    kernel, bias = network.get_layer("classes").get_weights()
    network.get_layer("classes").set_weights([kernel, rng.normal(0.0, 0.5, bias.shape)])
    return network


def plain_graph(network: Any) -> onnx.ModelProto:
    """What tf2onnx makes of the network by itself."""
    load_keras()  # before TensorFlow, whose start it keeps quiet
    import tensorflow as tf
    import tf2onnx

    def infer(features: Any) -> Any:
        return network(features, training=False)

    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32, name="features")]
    converted, _ = tf2onnx.convert.from_function(
        tf.function(infer, input_signature=signature), input_signature=signature, opset=17
    )
    assert isinstance(converted, onnx.ModelProto)
    return converted


def run(graph: onnx.ModelProto, features: np.ndarray) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    outputs = session.run(None, {"features": features})
    return {item.name: value for item, value in zip(session.get_outputs(), outputs, strict=True)}


def kinds(graph: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in graph.graph.node]


class Case(NamedTuple):
    name: NetworkName
    network: Any
    plain: onnx.ModelProto
    fused: onnx.ModelProto
    representation: str


# Windows of raw samples are long: Keras takes its time with them.
LONG = pytest.mark.needs("time")
CASES = [
    *("gru_bands_8", "bn-gru_bands_64", "lstm_bands_64", "bn-lstm_bands_8"),
    *(pytest.param(name, marks=LONG) for name in ("bn-gru_raw_8", "bn-gru_raw_64")),
    pytest.param("bn-lstm_raw_64", marks=LONG),
]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    name, representation, units = request.param.split("_")
    shape = PATHS[representation].window_shape
    network = network_with_random_weights(*shape, int(units), seed=4, name=name)
    return Case(
        name,
        network,
        plain_graph(network),
        fused_graph({"valence": network}, *shape),
        representation,
    )


@pytest.fixture(scope="module")
def eeg_windows() -> dict[str, np.ndarray]:
    """Normalised windows of real EEG, or of simulated where the recording is absent."""
    if REAL.exists():
        pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")
        from eeg_emotion.readers.mne_files import read_recording

        recording = read_recording(REAL)
        samples = np.concatenate([part.samples for part in recording.stretches()], axis=1)
        labels, units, sfreq = recording.channels, recording.units, recording.sfreq
        labels = tuple(label.removeprefix("EEG ") for label in labels)
    else:
        labels, units, sfreq = PATHS["raw"].channels, ("uV",) * 32, 128.0
        samples = SimulatedPerson(5, 1).run(0, sfreq).next(30 * 128, 0.0, 0.0)
    made = {}
    for name, path in PATHS.items():
        layout = plan_layout(labels, units, channels=path.channels, max_interpolated=13)
        windows = np.stack(
            [
                window.features
                for window in SignalPath(path, layout, sfreq).segment().feed(samples)
                if window.settled
            ]
        )
        normaliser = fit_normaliser([windows], path.representation)
        made[name] = normaliser.apply(windows.astype(np.float64), path.representation)
    return made


def windows_of(kind: str, case: Case, eeg_windows: dict[str, np.ndarray]) -> np.ndarray:
    shape = PATHS[case.representation].window_shape
    if kind == "eeg":
        return eeg_windows[case.representation]
    if kind == "random":
        return np.random.default_rng(7).normal(size=(32, *shape)).astype(np.float32)
    levels = np.array([0.0, 8.0, -8.0, 1e3, -1e3], np.float32)
    return np.broadcast_to(levels[:, None, None], (5, *shape)).copy()


@pytest.mark.parametrize("kind", ["random", "extreme", "eeg"])
def test_fused_graph_predicts_what_tf2onnx_and_keras_predict(
    case: Case, eeg_windows: dict[str, np.ndarray], kind: str
) -> None:
    windows = windows_of(kind, case, eeg_windows)
    fused = run(case.fused, windows)["valence"]
    (plain,) = run(case.plain, windows).values()
    # Compiled: over 640 steps a plain call takes seconds.
    direct = case.network.predict(windows, verbose=0)
    # A network that predicts the same for everything would agree with anything.
    assert np.ptp(direct[:, 1]) > 0.01
    differences = {
        "tf2onnx": float(np.abs(fused - plain).max()),
        "keras": float(np.abs(fused - direct).max()),
    }
    assert max(differences.values()) <= TOLERANCE, differences


@pytest.mark.needs("time")
def test_tf2onnx_still_writes_a_gru_as_a_loop(case: Case) -> None:
    # Should this fail for a GRU, tf2onnx has learnt Keras 3's, and the fused graph may not be
    # needed. It knows the LSTM.
    expected = {"LSTM"} if "lstm" in case.name else {"Loop"}
    assert {"GRU", "LSTM", "Loop"} & set(kinds(case.plain)) == expected


def test_fused_graph_is_one_node_with_batch_normalisation_folded_away(case: Case) -> None:
    node = "LSTM" if "lstm" in case.name else "GRU"
    assert kinds(case.fused) == ["Transpose", node, "Squeeze", "Gemm", "Softmax"]


@pytest.mark.parametrize(
    ("make_layer", "found"),
    [
        (lambda layers: layers.SimpleRNN(4, name="recurrent"), "the recurrent layer SimpleRNN"),
        (
            lambda layers: layers.Bidirectional(layers.GRU(4), name="recurrent"),
            "the recurrent layer Bidirectional",
        ),
        (
            lambda layers: layers.GRU(4, reset_after=False, name="recurrent"),
            "a GRU with reset_after=False",
        ),
    ],
    ids=["simple", "bidirectional", "reset-before"],
)
def test_a_layer_without_a_fused_node_is_refused(
    make_layer: Callable[[Any], Any], found: str
) -> None:
    keras = load_keras()
    layer = make_layer(keras.layers)
    classes = keras.layers.Dense(2, activation="softmax", name="classes")
    network = keras.Sequential([keras.Input((20, 128)), layer, classes])
    with pytest.raises(FusionError, match=f"found {found}, expected"):
        fused_graph({"valence": network}, 20, 128)


def test_fused_graph_takes_any_batch(case: Case) -> None:
    shape = PATHS[case.representation].window_shape
    windows = np.random.default_rng(3).normal(size=(64, *shape)).astype(np.float32)
    together = run(case.fused, windows)["valence"]
    assert together.shape == (64, 2)
    for index in (0, 63):
        alone = run(case.fused, windows[index : index + 1])["valence"]
        np.testing.assert_allclose(alone, together[index : index + 1], atol=1e-6)


def test_each_target_of_a_joined_graph_is_its_own_networks() -> None:
    chosen: list[tuple[str, int, int, NetworkName]] = [
        ("arousal", 8, 1, "bn-gru"),
        ("valence", 12, 2, "lstm"),
    ]
    networks = {
        target: network_with_random_weights(20, 128, units, seed, name)
        for target, units, seed, name in chosen
    }
    windows = np.random.default_rng(3).normal(size=(16, 20, 128)).astype(np.float32)
    joined = fused_graph(networks, 20, 128)
    assert [kind for kind in kinds(joined) if kind in ("GRU", "LSTM")] == ["GRU", "LSTM"]
    outputs = run(joined, windows)
    assert list(outputs) == ["arousal", "valence"]
    for target, network in networks.items():
        expected = np.asarray(network(windows, training=False))
        np.testing.assert_allclose(outputs[target], expected, atol=TOLERANCE)
    assert np.abs(outputs["arousal"] - outputs["valence"]).max() > 0.1
