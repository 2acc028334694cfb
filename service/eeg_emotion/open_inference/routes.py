"""The Open Inference Protocol, version 2: the graph's own tensors, as KServe and Triton serve them.

Nothing is done to the numbers on either side: features go in as the signal path normalises them,
and probabilities come out before calibration and without a judgement of the signal. EEG itself is
for `/v1/predict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

import eeg_emotion
from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import DOCUMENTED, needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.inference.model import Model, Tensor
from eeg_emotion.open_inference.body import (
    HEADER_LENGTH,
    InferenceError,
    infer,
)
from eeg_emotion.open_inference.messages import FLOAT32, InferRequest, InferResponse


class Failure(BaseModel):
    """An error in the protocol's form."""

    error: str


class ServerMetadata(BaseModel):
    """The server's metadata."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """The server is running."""

    live: Literal[True] = True


class Ready(BaseModel):
    """The server accepts requests."""

    ready: Literal[True] = True


class ModelReady(Ready):
    """The model accepts requests."""

    name: str


class TensorMetadata(BaseModel):
    """One input or output; a dimension of -1 is the batch."""

    name: str
    datatype: Literal["FP32"]
    shape: list[int]


class ModelMetadata(BaseModel):
    """The graph's inputs and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


def _failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of these statuses, and of any other error, in its form."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {"model": Failure, "description": HTTPStatus(status).phrase} for status in statuses
    }
    documented["default"] = {"model": Failure, "description": "Any other error"}
    return documented


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with its references inlined, since they would not resolve in this place."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items() if key != "$defs"}


_REQUEST = InferRequest.model_json_schema()
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

_INFERRED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The outputs; in binary where asked for, then after the JSON",
        "content": {"application/octet-stream": _BINARY},
        "headers": {
            HEADER_LENGTH: {
                "description": "The length of the JSON, where something follows it.",
                "schema": {"type": "string"},
            }
        },
    }
}

_INFER_BODY: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER_LENGTH,
            "in": "header",
            "description": "The length of the JSON, where tensors in binary follow it.",
            "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _inlined(_REQUEST, _REQUEST["$defs"])},
            "application/octet-stream": _BINARY,
        },
    },
}


router = APIRouter(tags=["inference"], responses=_failures())


@dataclass(frozen=True, slots=True)
class OpenInferencePart:
    """The model, and the subscribers, which state whether the service is stopping."""

    router: ClassVar[APIRouter] = router

    model: Model
    subscribers: Subscribers

    def check_ready(self) -> None:
        """Raise a 503 problem while the service is stopping."""
        if self.subscribers.draining:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the service is stopping")


Given = Annotated[OpenInferencePart, given(OpenInferencePart)]


@router.get("/v2", dependencies=DOCUMENTED)
async def server() -> ServerMetadata:
    """Describe the server."""
    return ServerMetadata(
        name="eeg-emotion",
        version=eeg_emotion.__version__,
        extensions=["binary_tensor_data"],
    )


@router.get("/v2/health/live")
async def live() -> Live:
    """Report that the server is running."""
    return Live()


@router.get("/v2/health/ready", responses=_failures(503))
async def ready(part: Given) -> Ready:
    """Report whether the server accepts requests."""
    part.check_ready()
    return Ready()


async def of_model(part: Given, model: str) -> None:
    """Raise a 404 problem if the path names another model."""
    name = part.model.contract.name
    if model != name:
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            f"found no model {model!r}, expected {name!r}, the one that is served",
        )


async def of_version(part: Given, model: str, version: str) -> None:
    """Raise a 404 problem if the path names another model or version."""
    await of_model(part, model)
    expected = part.model.contract.version
    if version != expected:
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            f"found no version {version!r} of {model!r}, expected {expected!r}, the "
            "one that is served",
        )


async def metadata(part: Given) -> ModelMetadata:
    """Describe the graph: its inputs and outputs."""
    contract = part.model.contract
    return ModelMetadata(
        name=contract.name,
        versions=[contract.version],
        platform="onnx_onnxv1",
        inputs=[_described(part.model.input)],
        outputs=[_described(tensor) for tensor in part.model.outputs],
    )


async def model_ready(part: Given) -> ModelReady:
    """Report whether the model accepts requests."""
    part.check_ready()
    return ModelReady(name=part.model.contract.name)


async def infer_(part: Given, request: Request) -> Response:
    """Run the graph on one to four windows of features.

    Outputs are the graph's own: probabilities of the classes before calibration.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise HTTPException(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"found Content-Encoding {encoding!r}, expected none; send the body as it is",
        )
    body = await request.body()
    header_length = request.headers.get(HEADER_LENGTH)
    try:
        found, length = await run_in_threadpool(infer, part.model, body, header_length)
    except InferenceError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from error
    if length is None:
        return Response(found, media_type="application/json")
    return Response(
        found,
        headers={HEADER_LENGTH: str(length)},
        media_type="application/octet-stream",
    )


for _place, _check in (
    ("/v2/models/{model}", of_model),
    ("/v2/models/{model}/versions/{version}", of_version),
):
    _reading = [*DOCUMENTED, Depends(_check)]
    router.get(_place, dependencies=_reading, responses=_failures(404))(metadata)
    router.get(f"{_place}/ready", dependencies=_reading, responses=_failures(404, 503))(model_ready)
    router.post(
        f"{_place}/infer",
        dependencies=[*needs(Action.PREDICT), Depends(_check)],
        response_model=InferResponse,
        responses=_INFERRED | _failures(400, 404, 413, 415),
        openapi_extra=_INFER_BODY,
    )(infer_)


def _described(tensor: Tensor) -> TensorMetadata:
    return TensorMetadata(name=tensor.name, datatype=FLOAT32, shape=[-1, *tensor.shape])
