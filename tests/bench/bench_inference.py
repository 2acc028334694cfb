"""The fused ONNX file against tf2onnx's plain one and Keras, one thread, the same windows."""

from __future__ import annotations

import os

from tests.support.report import Report

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # Keras as users have it

import statistics
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

from eeg_emotion.inference.contract import INPUT_NAME
from eeg_emotion_training.model.fused import fused_graph
from eeg_emotion_training.networks.recurrent import build_network

UNITS = 64
ROUNDS = 7


def session_of(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def milliseconds(call: Callable[[], object], seconds: float = 0.6) -> float:
    """Return the median time of a call, in ms, over as many as fit."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


@pytest.mark.parametrize(("name", "shape"), [("raw", (640, 32)), ("bands", (20, 128))])
def test_inference(report: Report, name: str, shape: tuple[int, int]) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    network = build_network("bn-gru", *shape, UNITS)
    graph_call = tf.function(
        lambda x: network(x, training=False),
        input_signature=[tf.TensorSpec((None, *shape), tf.float32, name=INPUT_NAME)],
    )
    plain, _ = tf2onnx.convert.from_function(
        graph_call,
        input_signature=[tf.TensorSpec((None, *shape), tf.float32, name=INPUT_NAME)],
        opset=17,
    )
    fused_run = session_of(fused_graph({"arousal": network}, *shape).SerializeToString())
    plain_run = session_of(plain.SerializeToString())
    for batch in (1, 64):
        windows = np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)
        tensor = tf.constant(windows)
        calls = {
            "fused": lambda w=windows: fused_run.run(None, {INPUT_NAME: w}),
            "plain tf2onnx": lambda w=windows: plain_run.run(None, {INPUT_NAME: w}),
            "Keras graph call": lambda t=tensor: graph_call(t),
            "Keras model.predict": lambda w=windows: network.predict(w, verbose=0),
        }
        # Round by round, so that a slow moment of the machine affects all of them.
        times: dict[str, list[float]] = {call: [] for call in calls}
        for _ in range(ROUNDS if batch == 1 else 3):
            for call, run in calls.items():
                times[call].append(milliseconds(run))
        middle = {call: statistics.median(values) for call, values in times.items()}
        for call, value in middle.items():
            ratio = value / middle["fused"]
            has_aim = name == "raw" and batch == 1 and call == "plain tf2onnx"
            report(
                f"{name}, {UNITS} units, batch {batch}: {call}",
                f"{value:8.3f} ms {ratio:6.1f} x",
                "aim: >= 12 x the fused file" if has_aim else "",
                ratio >= 12 if has_aim else None,
            )
