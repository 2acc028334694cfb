from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit, logit

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import INPUT_NAME, METADATA_KEY, ContractError
from eeg_emotion.inference.model import (
    SUMS_NAME,
    Model,
    ModelError,
    demo_model_path,
    load_model,
    open_model,
)

DEMO = demo_model_path()
WIDTH = 128  # the demo model's features: four bands of 32 channels


def contract_fields() -> dict[str, Any]:
    graph = onnx.load(DEMO)
    stated = next(item.value for item in graph.metadata_props if item.key == METADATA_KEY)
    return dict(json.loads(stated))


def with_metadata(key: str, text: str) -> bytes:
    graph = onnx.load(DEMO)
    del graph.metadata_props[:]
    helper.set_model_props(graph, {key: text})
    return bytes(graph.SerializeToString())


def with_contract(change: Callable[[dict[str, Any]], object]) -> bytes:
    fields = contract_fields()
    change(fields)
    return with_metadata(METADATA_KEY, json.dumps(fields))


def small_graph(
    *,
    inputs: tuple[str, ...] = (INPUT_NAME,),
    shape: tuple[int | str, ...] = ("batch", 20, WIDTH),
    kind: int = TensorProto.FLOAT,
    outputs: tuple[str, ...] = ("arousal", "valence"),
    classes: int = 2,
    gain: float = 1.0,
    temperature: float | None = None,
) -> bytes:
    """A graph that agrees with the demo model's contract, except for what is asked for."""
    fields = contract_fields()
    if temperature is not None:
        for target in fields["targets"]:
            target["calibration"]["temperature"] = temperature
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    drawn = np.random.default_rng(0).normal(0.0, 0.1 * gain, (int(shape[-1]), classes))
    weights = drawn.astype(dtype)
    nodes = [
        helper.make_node("ReduceMean", [inputs[0]], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        *[helper.make_node("Softmax", ["logits"], [name], axis=1) for name in outputs],
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [helper.make_tensor_value_info(name, kind, ("batch", classes)) for name in outputs],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(fields)})
    return bytes(model.SerializeToString())


def opened(data: bytes) -> Model:
    return open_model(data, hashlib.sha256(data).hexdigest())


def refused(data: bytes) -> str:
    with pytest.raises(ContractError) as caught:
        opened(data)
    return str(caught.value)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The demo model and its list in a folder of their own."""
    for name in (DEMO.name, SUMS_NAME):
        (tmp_path / name).write_bytes(DEMO.with_name(name).read_bytes())
    return tmp_path / DEMO.name


@pytest.fixture(scope="module")
def demo() -> Model:
    return load_model(DEMO)


def graph_outputs(model: Model, windows: int) -> dict[str, np.ndarray]:
    """What the graph itself says, `(windows, 2)` for each target, in double precision."""
    names = [target.name for target in model.contract.targets]
    outputs = model._session.run(names, {INPUT_NAME: features(windows)})
    return {name: out.astype(np.float64) for name, out in zip(names, outputs, strict=True)}


def features(windows: int) -> np.ndarray:
    return np.random.default_rng(8).normal(0.0, 1.0, (windows, 20, WIDTH)).astype(np.float32)


# Estimates


def test_the_demo_model_loads_and_says_that_it_is_simulated(demo: Model) -> None:
    assert demo.contract.trained_on.simulated
    assert demo.sha256 == hashlib.sha256(DEMO.read_bytes()).hexdigest()
    assert {target.name for target in demo.contract.targets} >= {"arousal", "valence"}


def test_each_target_gets_a_probability_for_each_window(demo: Model) -> None:
    found = demo.predict(features(7))
    assert set(found) == {target.name for target in demo.contract.targets}
    for chances in found.values():
        assert chances.shape == (7,)
        assert chances.dtype == np.float64
        assert ((chances > 0) & (chances < 1)).all()
        assert len(set(chances.tolist())) == 7  # it looks at the window


def test_the_two_classes_probabilities_sum_to_one_and_the_second_is_returned() -> None:
    plain = opened(small_graph(temperature=1.0))
    reported = plain.predict(features(5))
    for name, chances in graph_outputs(plain, 5).items():
        np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-6)
        # To rounding: the graph's two sum to 1 in single precision only.
        np.testing.assert_allclose(reported[name], chances[:, 1], atol=1e-7)
    assert {target.classes for target in plain.contract.targets} == {("low", "high")}


# Calibration


@pytest.mark.parametrize("temperature", [0.25, 1.0, 1.7, 9.0])
def test_the_log_odds_are_divided_by_the_temperature_and_nothing_else(temperature: float) -> None:
    def cool(fields: dict[str, Any]) -> None:
        for target in fields["targets"]:
            target["calibration"]["temperature"] = temperature

    model = opened(with_contract(cool))
    reported = model.predict(features(50))
    for name, chances in graph_outputs(model, 50).items():
        high = chances[:, 1].astype(np.float64)
        np.testing.assert_allclose(reported[name], expit(logit(high) / temperature), rtol=1e-9)


def test_each_target_has_the_temperature_that_it_states() -> None:
    model = opened(
        with_contract(lambda fields: fields["targets"][1]["calibration"].update(temperature=1e6))
    )
    first, second = (target.name for target in model.contract.targets)
    reported, demos = model.predict(features(9)), load_model(DEMO).predict(features(9))
    np.testing.assert_array_equal(reported[first], demos[first])
    np.testing.assert_allclose(reported[second], 0.5, atol=1e-4)


def test_a_very_sure_graph_is_as_sure_as_single_precision_can_tell() -> None:
    model = opened(small_graph(gain=40.0, temperature=10.0))
    reported = model.predict(features(50))
    for name, chances in graph_outputs(model, 50).items():
        assert chances.min() < 1e-9
        np.testing.assert_allclose(reported[name].min(), expit(logit(1e-7) / 10.0), rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.05, 1.0, 20.0])
def test_probabilities_of_exactly_0_and_1_stay_finite_and_on_their_side(temperature: float) -> None:
    model = opened(small_graph(gain=1e6, temperature=temperature))
    reported = model.predict(features(20))
    for name, chances in graph_outputs(model, 20).items():
        assert set(chances.ravel().tolist()) == {0.0, 1.0}
        assert np.isfinite(reported[name]).all()
        assert ((reported[name] >= 0.0) & (reported[name] <= 1.0)).all()
        np.testing.assert_array_equal(reported[name] > 0.5, chances[:, 1] == 1.0)


def test_the_same_window_always_gives_the_same(demo: Model) -> None:
    first = demo.predict(features(3))
    again = load_model(DEMO).predict(features(3))
    for name in first:
        np.testing.assert_array_equal(first[name], demo.predict(features(3))[name])
        np.testing.assert_array_equal(first[name], again[name])


def test_a_batch_gives_what_its_windows_give_singly(demo: Model) -> None:
    batch = demo.predict(features(6))
    for number, window in enumerate(features(6)):
        for name, chance in demo.predict(window[np.newaxis]).items():
            # float32 sums in another order within a matrix product
            assert chance[0] == pytest.approx(batch[name][number], abs=1e-6)


def test_outputs_are_returned_under_their_own_names() -> None:
    data = small_graph(outputs=("valence", "arousal"), temperature=1.0)
    swapped = opened(data)
    assert set(swapped.predict(features(1))) == {"arousal", "valence"}
    graph = onnx.load_model_from_string(data)
    # Negated logits for one of the two: they must not be mixed up.
    graph.graph.node.insert(2, helper.make_node("Neg", ["logits"], ["negative"]))
    graph.graph.node[3].input[0] = "negative"
    assert graph.graph.node[3].output[0] == "valence"
    found = opened(graph.SerializeToString()).predict(features(1))
    assert found["arousal"][0] == pytest.approx(swapped.predict(features(1))["arousal"][0])
    assert found["valence"][0] == pytest.approx(1.0 - found["arousal"][0])


# Trust


def test_a_file_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the model .*gone\.onnx: No such file"):
        load_model(tmp_path / "gone.onnx")
    with pytest.raises(ModelError, match="name an ONNX file that 'eeg-emotion-train export' wrote"):
        load_model(tmp_path)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    limit = 32 * 1024 * 1024
    with path.open("wb") as file:
        file.truncate(limit + 1)  # sparse: it takes no room
    with pytest.raises(ModelError, match=f"found {limit + 1} bytes, expected at most {limit}"):
        load_model(path)


def test_a_file_without_a_list_beside_it_is_refused_with_the_remedy(copied: Path) -> None:
    copied.with_name(SUMS_NAME).unlink()
    with pytest.raises(ModelError, match=r"no list of trusted digests .*sha256sum demo") as caught:
        load_model(copied)
    assert str(copied.parent) in str(caught.value)


def test_a_file_that_is_not_listed_is_refused(copied: Path) -> None:
    other = copied.rename(copied.with_name("other.onnx"))
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(ModelError, match=f"found SHA-256 {digest}, expected an entry by"):
        load_model(other)


def test_a_file_that_was_changed_is_refused_with_both_digests(copied: Path) -> None:
    listed = hashlib.sha256(copied.read_bytes()).hexdigest()
    copied.write_bytes(copied.read_bytes() + b"\0")
    found = hashlib.sha256(copied.read_bytes()).hexdigest()
    with pytest.raises(ModelError, match=f"found SHA-256 {found}, expected {listed}"):
        load_model(copied)


def test_the_digest_is_checked_before_the_bytes_are_opened(copied: Path) -> None:
    copied.write_bytes(b"no graph at all")
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(copied)


@pytest.mark.parametrize(
    "line", ["{digest}  {name}", "{digest} *{name}", "{upper}  {name}", "0  x\n\n{digest}  {name}"]
)
def test_every_form_of_sha256sums_list_is_read(copied: Path, line: str) -> None:
    digest = hashlib.sha256(copied.read_bytes()).hexdigest()
    text = line.format(digest=digest, upper=digest.upper(), name=copied.name)
    copied.with_name(SUMS_NAME).write_text(text + "\n", encoding="utf-8")
    assert load_model(copied).sha256 == digest


def test_the_remedy_in_the_message_works(copied: Path) -> None:
    """A model that the user trusts is listed as the message says, here by hashlib."""
    copied.write_bytes(small_graph())
    with pytest.raises(ModelError, match="list it if you trust it"):
        load_model(copied)
    digest = hashlib.sha256(copied.read_bytes()).hexdigest()
    with copied.with_name(SUMS_NAME).open("a", encoding="utf-8") as sums:
        sums.write(f"{digest}  {copied.name}\n")
    assert load_model(copied).sha256 == digest


@pytest.mark.parametrize("data", [b"", b"no graph at all", b"\x89PNG\r\n", b"\0" * 100])
def test_bytes_that_are_no_onnx_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="not an ONNX graph that ONNX Runtime can run"):
        opened(data)


def test_a_file_that_was_cut_short_is_refused() -> None:
    with pytest.raises(ModelError, match="not an ONNX graph"):
        opened(DEMO.read_bytes()[:5000])


# The contract in the file


def test_a_file_without_a_contract_is_refused_with_the_remedy() -> None:
    message = refused(with_metadata("another_key", "{}"))
    assert f"found no contract under {METADATA_KEY!r}" in message
    assert "eeg-emotion-train export" in message


def test_a_broken_contract_is_refused() -> None:
    assert "not JSON" in refused(with_metadata(METADATA_KEY, "{broken"))
    assert "schema version 9, expected 3" in refused(
        with_contract(lambda fields: fields.update(schema_version=9))
    )


def test_a_graph_that_agrees_with_its_contract_is_taken() -> None:
    found = opened(small_graph()).predict(features(2))
    assert set(found) == {"arousal", "valence"}


@pytest.mark.parametrize(
    ("data", "found", "expected"),
    [
        (lambda: small_graph(inputs=("eeg",)), "found inputs ['eeg']", f"['{INPUT_NAME}']"),
        (
            lambda: small_graph(inputs=(INPUT_NAME, "state")),
            f"found inputs ['{INPUT_NAME}', 'state']",
            f"['{INPUT_NAME}']",
        ),
        (
            lambda: small_graph(shape=("batch", 16, WIDTH)),
            "['batch', 16, 128]",
            "(batch, 20, 128)",
        ),
        (lambda: small_graph(shape=("batch", 20, 64)), "['batch', 20, 64]", "(batch, 20, 128)"),
        (
            lambda: small_graph(shape=("batch", "steps", WIDTH)),
            "['batch', 'steps', 128]",
            "(batch, 20, 128)",
        ),
        (lambda: small_graph(kind=TensorProto.DOUBLE), "tensor(double)", "tensor(float)"),
        (lambda: small_graph(outputs=("arousal",)), "{'arousal': ['batch', 2]}", "'valence'"),
        (lambda: small_graph(classes=3), "['batch', 3]", "(batch, 2)"),
        (
            lambda: with_contract(lambda fields: fields["path"].update(window_seconds=4.0)),
            "['batch', 20, 128]",
            "(batch, 16, 128)",
        ),
        (
            lambda: with_contract(
                lambda fields: fields["targets"].append(
                    fields["targets"][0] | {"name": "liking"}
                )
            ),
            "'valence': ['batch', 2]",
            "'liking'",
        ),
    ],
    ids=["input name", "second input", "steps", "features", "free steps", "type", "no output",
         "output width", "contract's window", "contract's target"],
)  # fmt: skip
def test_a_graph_that_contradicts_its_contract_is_refused_with_what_was_found_and_expected(
    data: Callable[[], bytes], found: str, expected: str
) -> None:
    message = refused(data())
    assert message.startswith("the contract contradicts the graph: found")
    assert re.search(f"{re.escape(found)}.*expected.*{re.escape(expected)}", message), message


def test_refusals_share_the_projects_root() -> None:
    assert issubclass(ModelError, EegEmotionError)
