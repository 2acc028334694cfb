"""The Open Inference Protocol's requests and responses, as JSON only or with binary tensors.

Binary tensors follow the JSON in the same body, as in the protocol's extension for them; the header
`Inference-Header-Content-Length` states where the JSON ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from eeg_emotion.api.predict import MOST_WINDOWS
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.model import Model
from eeg_emotion.open_inference.messages import (
    FLOAT32,
    InferInput,
    InferredOutput,
    InferRequest,
    InferResponse,
    OutputParameters,
    Parameters,
)

HEADER_LENGTH = "Inference-Header-Content-Length"

# They ask for the data elsewhere or for something else than the data; others may be passed over.
_REFUSED = ("shared_memory_region", "classification")


class InferenceError(EegEmotionError):
    """A request does not fit the graph, or its answer is not finite."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that fits the graph.

    Attributes
    ----------
    id
        The caller's name for it.
    features
        `(windows, steps, features)`.
    outputs
        The names of the outputs that are wanted, each with whether it is to be binary.
    """

    id: str | None
    features: NDArray[np.float32]
    outputs: dict[str, bool]


def infer(model: Model, body: bytes, header_length: str | None) -> tuple[bytes, int | None]:
    """Answer a request.

    Parameters
    ----------
    model
        Its graph is run.
    body
        The request's body.
    header_length
        The header that states where the JSON ends; None without one.

    Returns
    -------
    tuple
        The answer's body, and where its JSON ends; None where it is JSON alone.

    Raises
    ------
    InferenceError
        If the request does not fit the graph, or numbers come out that are not finite.
    """
    wanted = parse(model, body, header_length)
    names = list(wanted.outputs)
    found = dict(zip(names, model.run(wanted.features, names), strict=True))
    if not all(np.isfinite(values).all() for values in found.values()):
        raise InferenceError(
            "found outputs that are not finite, expected finite ones; the input lies too far from "
            "what the model was trained on: send normalised features"
        )
    response = InferResponse(
        model_name=model.contract.name,
        model_version=model.contract.version,
        id=wanted.id,
        outputs=[_output(name, values, wanted.outputs[name]) for name, values in found.items()],
    )
    text = response.model_dump_json(exclude_none=True).encode()
    if not any(wanted.outputs.values()):
        return text, None
    binary = [
        values.astype("<f4").tobytes() for name, values in found.items() if wanted.outputs[name]
    ]
    return b"".join([text, *binary]), len(text)


def parse(model: Model, body: bytes, header_length: str | None) -> Inference:
    """Parse a request, and check it against the graph before any array is made of it.

    Raises
    ------
    InferenceError
        If it does not fit the graph.
    """
    text, binary = _split(body, header_length)
    try:
        request = InferRequest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise InferenceError(
            f"{place}: {first['msg']}; expected an inference request in JSON, as /docs describes"
        ) from error
    return Inference(
        id=request.id,
        features=_features(model, request.inputs, binary),
        outputs=_wanted(model, request),
    )


def _split(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    # A limit on the digits, since int() refuses very many of them in its own way.
    stated = header_length if header_length.isascii() and header_length.isdigit() else ""
    if not stated or len(stated) > 9 or int(stated) > len(body):
        raise InferenceError(
            f"found {HEADER_LENGTH} {header_length[:20]!r}, expected the length of the JSON in "
            f"bytes, at most the body's {len(body)}"
        )
    return body[: int(stated)], body[int(stated) :]


def _features(model: Model, inputs: list[InferInput], binary: bytes) -> NDArray[np.float32]:
    expected = model.input
    names = [tensor.name for tensor in inputs]
    if names != [expected.name]:
        raise InferenceError(f"found the inputs {names}, expected [{expected.name!r}]")
    (tensor,) = inputs
    _refuse_parameters(tensor.name, tensor.parameters)
    if tensor.datatype != FLOAT32:
        raise InferenceError(
            f"{tensor.name}: found the datatype {tensor.datatype!r}, expected {FLOAT32}"
        )
    windows, *shape = tensor.shape or [0]
    rest = ", ".join(map(str, expected.shape))
    if tuple(shape) != expected.shape or not 1 <= windows <= MOST_WINDOWS:
        raise InferenceError(
            f"{tensor.name}: found the shape {tensor.shape}, expected "
            f"[1 to {MOST_WINDOWS}, {rest}]; send more windows in more requests"
        )
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if binary:
            raise InferenceError(
                f"found {len(binary)} bytes after the JSON, expected none: no input has "
                "'binary_data_size'"
            )
        values = _from_json(tensor)
    else:
        values = _from_binary(tensor, size, binary)
    if not np.isfinite(values).all():
        raise InferenceError(
            f"{tensor.name}: found numbers that are not finite as {FLOAT32}, expected finite ones"
        )
    return values.reshape(tensor.shape)


def _from_binary(
    tensor: InferInput, size: bool | int | float | str, binary: bytes
) -> NDArray[np.float32]:
    expected = 4 * math.prod(tensor.shape)
    if tensor.data is not None:
        raise InferenceError(
            f"{tensor.name}: found both 'data' and 'binary_data_size', expected one of them"
        )
    if type(size) is not int or size != expected or len(binary) != expected:
        raise InferenceError(
            f"{tensor.name}: found 'binary_data_size' {_short(size)} and {len(binary)} bytes after "
            f"the JSON, expected {expected} of {FLOAT32} in the shape {tensor.shape}; is "
            f"{HEADER_LENGTH} right?"
        )
    return np.frombuffer(binary, dtype="<f4").astype(np.float32)


def _from_json(tensor: InferInput) -> NDArray[np.float32]:
    if tensor.data is None:
        raise InferenceError(
            f"{tensor.name}: found no 'data' and no 'binary_data_size', expected one of them"
        )
    numbers = tensor.data
    if numbers and isinstance(numbers[0], list):
        numbers = _flat(tensor, numbers)
    count = math.prod(tensor.shape)
    if len(numbers) != count:
        raise InferenceError(
            f"{tensor.name}: found {len(numbers)} elements, expected {count} for the shape "
            f"{tensor.shape}"
        )
    if not all(type(number) is float or type(number) is int for number in numbers):
        raise InferenceError(f"{tensor.name}: found elements that are no numbers, expected numbers")
    try:
        exact = np.array(numbers, dtype=np.float64)
    except OverflowError as error:
        raise InferenceError(
            f"{tensor.name}: found an integer beyond all floating point, expected {FLOAT32}"
        ) from error
    with np.errstate(over="ignore"):  # what becomes infinite is refused by our caller
        return exact.astype(np.float32)


def _flat(tensor: InferInput, rows: list[Any]) -> list[Any]:
    for length in tensor.shape[1:]:
        if not all(isinstance(row, list) and len(row) == length for row in rows):
            raise InferenceError(
                f"{tensor.name}: found 'data' nested otherwise than the shape {tensor.shape}, "
                "expected it flat or nested so"
            )
        rows = [item for row in rows for item in row]
    return rows


def _wanted(model: Model, request: InferRequest) -> dict[str, bool]:
    known = [tensor.name for tensor in model.outputs]
    usual = _flag(request.parameters, "binary_data_output", False)
    if not request.outputs:
        return dict.fromkeys(known, usual)
    names = [output.name for output in request.outputs]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise InferenceError(f"found the outputs {names}, expected each at most once of {known}")
    for output in request.outputs:
        _refuse_parameters(output.name, output.parameters)
    return {
        output.name: _flag(output.parameters, "binary_data", usual) for output in request.outputs
    }


def _flag(parameters: Parameters, name: str, usual: bool) -> bool:
    found = parameters.get(name, usual)
    if not isinstance(found, bool):
        raise InferenceError(f"found {name!r} {_short(found)}, expected true or false")
    return found


def _short(value: object) -> str:
    return repr(value)[:40]


def _refuse_parameters(tensor: str, parameters: Parameters) -> None:
    found = [name for name in _REFUSED if name in parameters]
    if found:
        raise InferenceError(
            f"{tensor}: found the parameters {found}, expected none of them: this service has no "
            "such extension; send and ask for the numbers themselves"
        )


def _output(name: str, values: NDArray[np.float32], binary: bool) -> InferredOutput:
    return InferredOutput(
        name=name,
        shape=list(values.shape),
        parameters=OutputParameters(binary_data_size=4 * values.size) if binary else None,
        data=None if binary else values.ravel().tolist(),
    )
