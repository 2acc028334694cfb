"""The Open Inference Protocol by a real client over real sockets, and bodies that are wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.examples import examples
from tests.support.service import Service

from eeg_emotion.api.body_limit import LARGEST_BODY_BYTES
from eeg_emotion.inference.model import Model, demo_model_path
from eeg_emotion.open_inference.body import HEADER_LENGTH, InferenceError, infer

CheckAnswer = Callable[[httpx.Response], Awaitable[None]]
NAME = "demo-simulated"
INFER = f"/v2/models/{NAME}/infer"
TARGETS = ["arousal", "valence"]


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    """The graph itself, not by way of the service."""
    return onnxruntime.InferenceSession(demo_model_path(), providers=["CPUExecutionProvider"])


@pytest.fixture
def check_answer(strict_json: Callable[[bytes], Any]) -> CheckAnswer:
    """Every error must have the protocol's form and nothing else."""

    async def check(response: httpx.Response) -> None:
        body = await response.aread()
        if response.is_error:
            assert response.headers["content-type"] == "application/json"
            found = strict_json(body)
            assert list(found) == ["error"]
            assert found["error"]

    return check


def features(windows: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(windows)
    return generator.standard_normal((windows, 20, 128)).astype(np.float32)


def request(values: NDArray[np.float32], **changes: Any) -> dict[str, Any]:
    tensor = {
        "name": "features",
        "shape": list(values.shape),
        "datatype": "FP32",
        "data": values.ravel().tolist(),
    }
    return {"inputs": [tensor | changes]}


def expected(
    session: onnxruntime.InferenceSession, values: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    return dict(zip(TARGETS, session.run(TARGETS, {"features": values}), strict=True))


# -- a real client -----------------------------------------------------------------------------


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    client = triton.InferenceServerClient(address, connection_timeout=60, network_timeout=60)
    try:
        yield client
    finally:
        client.close()


async def test_a_triton_client_finds_the_server_and_what_the_graph_takes_and_gives(
    address: str, service: Service
) -> None:
    def ask() -> None:
        with connected(address) as client:
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready(NAME)
            assert client.is_model_ready(NAME, "1")
            assert not client.is_model_ready(NAME, "2")
            assert not client.is_model_ready("another")
            assert client.get_server_metadata()["name"] == "eeg-emotion"
            found = client.get_model_metadata(NAME)
            assert found == client.get_model_metadata(NAME, "1")
            assert found == {
                "name": NAME,
                "versions": ["1"],
                "platform": "onnx_onnxv1",
                "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 20, 128]}],
                "outputs": [
                    {"name": name, "datatype": "FP32", "shape": [-1, 2]} for name in TARGETS
                ],
            }
            service.subscribers.draining = True
            assert client.is_server_live()
            assert not client.is_server_ready()
            assert not client.is_model_ready(NAME)

    await asyncio.to_thread(ask)


@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "JSON in"])
@pytest.mark.parametrize("outputs", [None, True, False], ids=["all", "binary out", "JSON out"])
async def test_a_triton_client_gets_what_the_graph_gives(
    address: str,
    session: onnxruntime.InferenceSession,
    binary_in: bool,
    outputs: bool | None,
) -> None:
    values = features(4)

    def ask() -> Any:
        tensor = triton.InferInput("features", values.shape, "FP32")
        tensor.set_data_from_numpy(values, binary_data=binary_in)
        wanted = None
        if outputs is not None:
            wanted = [triton.InferRequestedOutput(name, binary_data=outputs) for name in TARGETS]
        with connected(address) as client:
            return client.infer(NAME, [tensor], "1", outputs=wanted, request_id="seven")

    result = await asyncio.to_thread(ask)
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (NAME, "1", "seven")
    for name, probabilities in expected(session, values).items():
        np.testing.assert_array_equal(result.as_numpy(name), probabilities)
        assert result.get_output(name)["datatype"] == "FP32"
        in_json = outputs is False
        assert ("data" in result.get_output(name)) is in_json


async def test_a_triton_client_learns_what_is_wrong(address: str) -> None:
    values = features(5)

    def ask() -> None:
        tensor = triton.InferInput("features", values.shape, "FP32")
        tensor.set_data_from_numpy(values)
        with connected(address) as client:
            client.infer(NAME, [tensor])

    with pytest.raises(Exception, match=r"found the shape \[5, 20, 128\], expected \[1 to 4, 20"):
        await asyncio.to_thread(ask)


# -- requests ----------------------------------------------------------------------------------


async def test_data_may_be_nested_and_outputs_chosen(
    client: httpx.AsyncClient, session: onnxruntime.InferenceSession
) -> None:
    values = features(2)
    body = request(values, data=values.tolist()) | {"outputs": [{"name": "valence"}]}
    response = await client.post(INFER, json=body)
    assert response.status_code == 200
    (output,) = response.json()["outputs"]
    assert (output["name"], output["shape"]) == ("valence", [2, 2])
    np.testing.assert_array_equal(
        np.array(output["data"], dtype=np.float32).reshape(2, 2),
        expected(session, values)["valence"],
    )


async def test_one_output_may_be_binary_and_another_not(
    client: httpx.AsyncClient, session: onnxruntime.InferenceSession
) -> None:
    values = features(3)
    wanted = [
        {"name": "valence", "parameters": {"binary_data": False}},
        {"name": "arousal"},
    ]
    body = request(values) | {"outputs": wanted, "parameters": {"binary_data_output": True}}
    response = await client.post(f"/v2/models/{NAME}/versions/1/infer", json=body)
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers[HEADER_LENGTH])
    first, second = json.loads(response.content[:length])["outputs"]
    right = expected(session, values)
    assert first["data"] == right["valence"].ravel().tolist()
    assert (second["name"], second["parameters"]) == ("arousal", {"binary_data_size": 24})
    assert response.content[length:] == right["arousal"].tobytes()


async def test_parameters_that_change_nothing_are_passed_over(client: httpx.AsyncClient) -> None:
    body = request(features(1), parameters={"content_type": "np"})
    assert (await client.post(INFER, json=body)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"name": "eeg"}, "found the inputs ['eeg'], expected ['features']"),
        ({"datatype": "FP64"}, "found the datatype 'FP64', expected FP32"),
        ({"shape": [1, 128, 20]}, "found the shape [1, 128, 20], expected [1 to 4, 20, 128]"),
        ({"shape": [2560]}, "found the shape [2560]"),
        ({"shape": []}, "found the shape []"),
        ({"shape": [0, 20, 128], "data": []}, "inputs.0.shape.0"),
        ({"shape": [10**30, 20, 128]}, "inputs.0.shape.0"),
        ({"shape": [2**62, 20, 128]}, "found the shape [46116860"),
        ({"shape": [1.0, 20, 128]}, "inputs.0.shape.0"),
        ({"data": None}, "found no 'data' and no 'binary_data_size'"),
        ({"data": [0.0] * 2559}, "found 2559 elements, expected 2560"),
        ({"data": [[[0.0] * 128] * 19]}, "nested otherwise"),
        ({"data": [[[0.0] * 127] * 20]}, "nested otherwise"),
        ({"data": [[0.0] * 2560]}, "nested otherwise"),
        ({"data": [[[0.0] * 128] * 20] * 2}, "found 5120 elements"),
        ({"data": ["0"] * 2560}, "found elements that are no numbers"),
        ({"data": [True] * 2560}, "found elements that are no numbers"),
        ({"data": [None] * 2560}, "found elements that are no numbers"),
        ({"data": [0.0] * 2559 + [[0.0]]}, "found elements that are no numbers"),
        ({"data": [0.0] * 2559 + [1e39]}, "not finite as FP32"),
        ({"data": [0.0] * 2559 + [10**400]}, "found an integer beyond all floating point"),
        ({"parameters": {"binary_data_size": 10240}}, "found both"),
        ({"parameters": {"binary_data_size": 10240}, "data": None}, "0 bytes after the JSON"),
        ({"parameters": {"shared_memory_region": "r"}}, "'shared_memory_region'"),
        ({"colour": "red"}, "inputs.0.colour"),
    ],
)
async def test_an_input_that_does_not_fit_the_graph_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], reported: str
) -> None:
    response = await client.post(INFER, json=request(features(1), **changes))
    assert response.status_code == 400
    assert reported in response.json()["error"]


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({"outputs": [{"name": "liking"}]}, "found the outputs ['liking']"),
        ({"outputs": [{"name": "arousal"}] * 2}, "each at most once"),
        ({"outputs": [{"name": "arousal", "parameters": {"classification": 1}}]}, "classification"),
        ({"outputs": [{"name": "arousal", "parameters": {"binary_data": 1}}]}, "true or false"),
        ({"parameters": {"binary_data_output": "yes"}}, "true or false"),
        ({"inputs": []}, "found the inputs []"),
        ({"inputs": request(features(1))["inputs"] * 2}, "found the inputs"),
        ({"id": 7}, "id"),
    ],
)
async def test_a_request_for_what_there_is_not_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], reported: str
) -> None:
    response = await client.post(INFER, json=request(features(1)) | fields)
    assert response.status_code == 400
    assert reported in response.json()["error"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_a_number_that_is_not_finite_is_refused(
    client: httpx.AsyncClient, number: str
) -> None:
    text = json.dumps(request(features(1), data=["here", *[0.0] * 2559]))
    response = await client.post(INFER, content=text.replace('"here"', number))
    assert response.status_code == 400
    assert "not finite" in response.json()["error"]


def binary(
    values: NDArray[np.float32], size: int, *, dtype: str = "<f4"
) -> tuple[bytes, dict[str, str]]:
    body = request(values, parameters={"binary_data_size": size})
    del body["inputs"][0]["data"]
    text = json.dumps(body).encode()
    return text + values.astype(dtype).tobytes(), {HEADER_LENGTH: str(len(text))}


@pytest.mark.parametrize("number", [np.nan, np.inf])
async def test_a_binary_number_that_is_not_finite_is_refused(
    client: httpx.AsyncClient, number: float
) -> None:
    values = features(1)
    values[0, 3, 5] = number
    content, headers = binary(values, values.nbytes)
    response = await client.post(INFER, content=content, headers=headers)
    assert response.status_code == 400
    assert "not finite" in response.json()["error"]


@pytest.mark.parametrize(("size", "dtype"), [(10236, "<f4"), (20480, "<f8"), (10240, "<f8")])
async def test_a_binary_tensor_of_another_size_is_refused(
    client: httpx.AsyncClient, size: int, dtype: str
) -> None:
    content, headers = binary(features(1), size, dtype=dtype)
    response = await client.post(INFER, content=content, headers=headers)
    assert response.status_code == 400
    assert "expected 10240 of FP32" in response.json()["error"]


async def test_bytes_that_no_input_states_are_refused(client: httpx.AsyncClient) -> None:
    text = json.dumps(request(features(1))).encode()
    response = await client.post(
        INFER, content=text + b"\0\0\0\0", headers={HEADER_LENGTH: str(len(text))}
    )
    assert response.status_code == 400
    assert "found 4 bytes after the JSON" in response.json()["error"]


@pytest.mark.parametrize("length", ["-1", "", "two", "1e3", "99999999", "9" * 5000, "²"])
async def test_a_length_of_the_json_that_cannot_be_is_refused(
    client: httpx.AsyncClient, length: str
) -> None:
    content, _ = binary(features(1), 10240)
    headers = {HEADER_LENGTH.encode(): length.encode("latin-1")}
    response = await client.post(INFER, content=content, headers=headers)
    assert response.status_code == 400
    assert f"found {HEADER_LENGTH}" in response.json()["error"]


class Overflowing:
    """A graph in which something grows beyond all numbers; the demo model's saturates."""

    def run(self, names: list[str], _: object) -> list[NDArray[np.float32]]:
        return [np.full((1, 2), np.nan, np.float32) for _ in names]


async def test_outputs_that_are_not_finite_are_not_given(
    own_client: httpx.AsyncClient, service: Service
) -> None:
    service.model = replace(service.model, _session=Overflowing())
    response = await own_client.post(INFER, json=request(features(1)))
    assert response.status_code == 400
    assert "found outputs that are not finite" in response.json()["error"]


async def test_a_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(INFER, content=b"x", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert "'gzip'" in response.json()["error"]


async def test_a_body_beyond_a_mebibyte_is_refused_stated_or_not(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY_BYTES // 65536 + 1):
            yield b" " * 65536

    for content in (b" " * (LARGEST_BODY_BYTES + 1), chunks()):
        assert (await client.post(INFER, content=content)).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/another", 404),
        ("GET", f"/v2/models/{NAME}/versions/2", 404),
        ("GET", f"/v2/models/{NAME}/versions/2/ready", 404),
        ("POST", "/v2/models/another/infer", 404),
        ("POST", f"/v2/models/{NAME}/versions/2/infer", 404),
        ("GET", "/v2/nowhere", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/", 404),
        ("GET", INFER, 405),
        ("POST", "/v2", 405),
    ],
)
async def test_unknown_paths_and_models_are_errors_in_the_protocols_form(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, path)).status_code == status


# -- anything at all ---------------------------------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
tensors = st.fixed_dictionaries(
    {"name": st.just("features") | anything, "shape": st.just([1, 20, 128]) | anything},
    optional={
        "datatype": st.just("FP32") | anything,
        "data": st.just([0.0] * 2560) | anything,
        "parameters": st.dictionaries(st.just("binary_data_size"), st.just(10240) | scalars)
        | anything,
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=2) | anything},
    optional={
        "id": anything,
        "outputs": st.lists(st.fixed_dictionaries({"name": st.sampled_from(TARGETS) | anything}))
        | anything,
        "parameters": anything,
    },
)
bodies = requests.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=64)


@examples(300)
@given(body=bodies, tail=st.binary(max_size=8), length=st.none() | st.integers(-2, 400))
def test_whatever_is_sent_is_answered_or_refused(
    model: Model, body: bytes, tail: bytes, length: int | None
) -> None:
    with contextlib.suppress(InferenceError):
        answer, _ = infer(model, body + tail, None if length is None else str(length))
        assert {output["name"] for output in json.loads(answer)["outputs"]} <= set(TARGETS)
