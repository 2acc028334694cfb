"""The fitted network as an ONNX graph of fused nodes, with batch normalisation folded away.

tf2onnx writes a Keras 3 GRU as an ONNX `Loop`, measured 16 times slower than the one `GRU` node
that is written here. The two are held against each other in a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from eeg_emotion.inference.contract import INPUT_NAME, TargetName

_OPSET = 17
_IR_VERSION = 8  # what opset 17 came with; older runtimes read it too


def fused_graph(networks: Mapping[TargetName, Any], steps: int, features: int) -> onnx.ModelProto:
    """Join one fitted BN-GRU per target into one graph.

    Parameters
    ----------
    networks
        For each target's name its Keras network.
    steps, features
        The shape of a window.

    Returns
    -------
    onnx.ModelProto
        Input `features` `(batch, steps, features)`; for each target an output of its name,
        `(batch, 2)`, the probabilities of low and high.
    """
    # ONNX's GRU takes time first.
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
    gru = network.get_layer("gru")
    kernel, recurrent, bias = gru.get_weights()
    class_kernel, class_bias = _fold(network)
    tensors = {
        # One direction; Keras' gate order z, r, h is ONNX's own.
        "W": kernel.T[np.newaxis],
        "R": recurrent.T[np.newaxis],
        "B": bias.reshape(1, -1),
        "class_kernel": class_kernel,
        "class_bias": class_bias,
    }
    named = {name: f"{target}_{name}" for name in tensors}
    hidden, last, logits = f"{target}_hidden", f"{target}_last", f"{target}_logits"
    nodes = [
        helper.make_node(
            "GRU",
            ["time_first", named["W"], named["R"], named["B"]],
            ["", hidden],
            hidden_size=gru.units,
            linear_before_reset=1,  # Keras' reset_after
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


def _fold(network: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fold batch normalisation, as it is at inference, into the last layer's weights."""
    normalisation = network.get_layer("normalisation")
    gamma, beta, mean, variance = (w.astype(np.float64) for w in normalisation.get_weights())
    kernel, bias = (w.astype(np.float64) for w in network.get_layer("classes").get_weights())
    scale = gamma / np.sqrt(variance + normalisation.epsilon)
    return scale[:, np.newaxis] * kernel, bias + (beta - mean * scale) @ kernel
