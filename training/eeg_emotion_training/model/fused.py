"""The fitted network as an ONNX graph of fused nodes, with batch normalisation folded away.

tf2onnx writes a Keras 3 GRU as an ONNX `Loop`, measured 16 times slower than the one `GRU` node
that is written here; an LSTM it fuses itself. A test holds the two conversions together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import INPUT_NAME, TargetName
from eeg_emotion_training.networks.keras_import import load_keras

_OPSET = 17
_IR_VERSION = 8  # what opset 17 came with; older runtimes read it too


class FusionError(EegEmotionError):
    """A network has a layer for which there is no fused node."""


def fused_graph(networks: Mapping[TargetName, Any], steps: int, features: int) -> onnx.ModelProto:
    """Join one fitted network per target into one graph.

    Parameters
    ----------
    networks
        For each target's name its Keras network, of `build_network`.
    steps, features
        The shape of a window.

    Returns
    -------
    onnx.ModelProto
        Input `features` `(batch, steps, features)`; for each target an output of its name,
        `(batch, 2)`, the probabilities of low and high.

    Raises
    ------
    FusionError
        If a recurrent layer is neither a GRU nor an LSTM, or a GRU with `reset_after=False`.
    """
    # ONNX's GRU and LSTM take time first.
    nodes = [helper.make_node("Transpose", [INPUT_NAME], ["time_first"], perm=[1, 0, 2])]
    weights: list[onnx.TensorProto] = []
    for target, network in networks.items():
        target_nodes, target_weights = _branch(target, network)
        nodes += target_nodes
        weights += target_weights
    graph = helper.make_graph(
        nodes,
        "eeg_emotion",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", steps, features])],
        [
            helper.make_tensor_value_info(target, TensorProto.FLOAT, ["batch", 2])
            for target in networks
        ],
        initializer=[*weights, numpy_helper.from_array(np.array([0], np.int64), "first_axis")],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="eeg-emotion",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _branch(target: str, network: Any) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    layer = network.get_layer("recurrent")
    kind, recurrent_weights, attributes = _recurrent(layer)
    class_kernel, class_bias = _classes(network)
    tensors = {**recurrent_weights, "class_kernel": class_kernel, "class_bias": class_bias}
    named = {name: f"{target}_{name}" for name in tensors}
    hidden, last, logits = f"{target}_hidden", f"{target}_last", f"{target}_logits"
    nodes = [
        helper.make_node(
            kind,
            ["time_first", named["W"], named["R"], named["B"]],
            ["", hidden],  # the states of all steps are not wanted, only the last
            hidden_size=layer.units,
            **attributes,
        ),
        helper.make_node("Squeeze", [hidden, "first_axis"], [last]),
        helper.make_node("Gemm", [last, named["class_kernel"], named["class_bias"]], [logits]),
        helper.make_node("Softmax", [logits], [target], axis=1),
    ]
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(tensor, dtype=np.float32), named[name])
        for name, tensor in tensors.items()
    ]
    return nodes, weights


def _recurrent(layer: Any) -> tuple[str, dict[str, NDArray[np.float32]], dict[str, Any]]:
    """Return the node's kind, its tensors W, R and B with one direction, and its attributes."""
    layers = load_keras().layers
    if isinstance(layer, layers.GRU):
        if not layer.reset_after:
            raise FusionError("found a GRU with reset_after=False, expected reset_after=True")
        kernel, recurrent, bias = layer.get_weights()
        # Keras' gate order z, r, h is ONNX's own, and its two rows of bias are ONNX's two halves.
        tensors = {"W": kernel.T, "R": recurrent.T, "B": bias.reshape(-1)}
        kind, attributes = "GRU", {"linear_before_reset": 1}  # Keras' reset_after
    elif isinstance(layer, layers.LSTM):
        kernel, recurrent, bias = layer.get_weights()
        input_gate, forget, cell, output = np.split(np.arange(4 * layer.units), 4)
        order = np.concatenate([input_gate, output, forget, cell])
        # Keras has one bias, ONNX one for the input and one for the state.
        tensors = {
            "W": kernel.T[order],
            "R": recurrent.T[order],
            "B": np.concatenate([bias[order], np.zeros_like(bias)]),
        }
        kind, attributes = "LSTM", {}
    else:
        raise FusionError(f"found the recurrent layer {type(layer).__name__}, expected GRU or LSTM")
    return kind, {name: tensor[np.newaxis] for name, tensor in tensors.items()}, attributes


def _classes(network: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the last layer's weights; batch normalisation is folded in as it is at inference."""
    kernel, bias = (w.astype(np.float64) for w in network.get_layer("classes").get_weights())
    if all(layer.name != "normalisation" for layer in network.layers):
        return kernel, bias
    normalisation = network.get_layer("normalisation")
    gamma, beta, mean, variance = (w.astype(np.float64) for w in normalisation.get_weights())
    scale = gamma / np.sqrt(variance + normalisation.epsilon)
    return scale[:, np.newaxis] * kernel, bias + (beta - mean * scale) @ kernel
