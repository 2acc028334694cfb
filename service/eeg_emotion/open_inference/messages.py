"""The Open Inference Protocol's messages: requests to a graph, and its responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FLOAT32: Literal["FP32"] = "FP32"

Parameters = dict[str, bool | int | float | str]
Name = Annotated[str, Field(max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InferInput(_Part):
    """One tensor; its numbers in `data`, flat or nested, or after the JSON."""

    name: Name
    shape: Annotated[list[Annotated[int, Field(strict=True, ge=1, lt=2**63)]], Field(max_length=8)]
    datatype: Name
    parameters: Parameters = {}
    """`binary_data_size`: how many bytes of it follow the JSON."""
    data: list[Any] | None = None


class InferOutput(_Part):
    """A requested output."""

    name: Name
    parameters: Parameters = {}
    """`binary_data`: whether it shall follow the JSON as binary."""


class InferRequest(_Part):
    """A request."""

    id: str | None = None
    parameters: Parameters = {}
    """`binary_data_output`: the default of `binary_data` for all outputs."""
    inputs: Annotated[list[InferInput], Field(max_length=8)]
    outputs: Annotated[list[InferOutput], Field(max_length=64)] = []
    """All outputs if empty."""


class OutputParameters(_Part):
    """Where an output's numbers are."""

    binary_data_size: int


class InferredOutput(_Part):
    """One output; `data` is flat, in row-major order."""

    name: str
    datatype: Literal["FP32"] = FLOAT32
    shape: list[int]
    parameters: OutputParameters | None = None
    data: list[float] | None = None


class InferResponse(_Part):
    """A response."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferredOutput]
