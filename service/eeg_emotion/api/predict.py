"""REST: predictions for windows that a client sends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, ClassVar

import numpy as np
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.codes import Reason
from eeg_emotion.eeg.layout import LayoutError, plan_layout
from eeg_emotion.eeg.path import GRID_SECONDS, PathSettings, SignalPath
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.contract import Contract
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Score
from eeg_emotion.stream.scoring import reasons_of, score

router = APIRouter(responses=responses(), tags=["model"])

MOST_WINDOWS = 4
"""In one request. They take about 40 ms; a client with more sends more requests."""


class PredictRequest(BaseModel):
    """Windows of EEG to predict from.

    `windows` is `(windows, channels, samples)` in µV at the model's rate. Each window starts with
    the signal in which the filters settle: for a model that settles in 3 s and has windows of 5 s
    at 128 Hz, that is 1024 contiguous samples for each channel. A request has at most 1 MiB: one
    window with all its digits, or four with two decimals.
    """

    model_config = ConfigDict(extra="forbid")

    channels: Annotated[list[str], Field(min_length=1, max_length=256)]
    windows: Annotated[list[list[list[FiniteFloat]]], Field(min_length=1, max_length=MOST_WINDOWS)]


class WindowPrediction(Message):
    """The estimates for one of the request's windows."""

    arousal: Score
    valence: Score
    valid: bool
    reasons: tuple[Reason, ...]
    quality: float
    interpolated: tuple[str, ...]


class PredictResponse(Message):
    """The estimates, in the order of the windows."""

    model: str
    predictions: tuple[WindowPrediction, ...]


@dataclass(frozen=True, slots=True)
class PredictPart:
    """The model, and the limits of the signal's quality."""

    router: ClassVar[APIRouter] = router

    model: Model
    limits: QualityLimits


Given = Annotated[PredictPart, given(PredictPart)]


@router.post(
    "/v1/predict",
    dependencies=needs(Action.PREDICT),
    responses=responses(400, 413, 422),
)
def predict(part: Given, request: PredictRequest) -> PredictResponse:
    """Predict from windows that the client sends, by the same signal path as live.

    `channels` names the rows of each window, in any order; `windows` has 1 to 4 windows, each with
    a list of samples in µV for each channel, at the model's rate: the seconds in which the filters
    settle, then the window. With DEAP's models, 3 s and 5 s at 128 Hz: 1024 samples. Missing
    channels are interpolated as live. The body may have 1 MiB.
    """
    contract = part.model.contract
    _check_shape(request, contract.path)
    path = _path(request.channels, contract, part.limits)
    assessed = []
    for window in request.windows:
        *_, settled = path.segment().feed(np.array(window, dtype=np.float64))
        reasons = reasons_of(settled, after_gap=False)
        assessed.append((settled, reasons))
    return PredictResponse(
        model=f"{contract.name} {contract.version}",
        predictions=tuple(
            WindowPrediction(
                arousal=arousal,
                valence=valence,
                valid=not reasons,
                reasons=reasons,
                quality=round(settled.quality.overall, 4),
                interpolated=settled.interpolated,
            )
            for (settled, reasons), (arousal, valence) in zip(
                assessed, score(part.model, assessed), strict=True
            )
        ),
    )


def _check_shape(request: PredictRequest, settings: PathSettings) -> None:
    """Raise a 422 problem if a window does not have the expected shape."""
    expected = settings.settle_samples + settings.window_samples
    for number, window in enumerate(request.windows):
        rows = {len(row) for row in window}
        if len(window) != len(request.channels) or rows != {expected}:
            raise HTTPException(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"window {number}: found {len(window)} channels of {sorted(rows)} samples, "
                f"expected {len(request.channels)} channels of {expected} samples: "
                f"{settings.settle_seconds:g} s for the filters to settle and "
                f"{settings.window_seconds:g} s of window at {settings.sfreq:g} Hz",
            )


def _path(channels: list[str], contract: Contract, limits: QualityLimits) -> SignalPath:
    """Make the signal path from a client's channels, in µV, to the model's."""
    settings = contract.path
    try:
        layout = plan_layout(
            channels,
            ["uV"] * len(channels),
            channels=settings.channels,
            max_interpolated=settings.max_interpolated,
        )
    except LayoutError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    # The finest hop, so that the last window ends with the last sample.
    finest = replace(settings, hop_seconds=GRID_SECONDS)
    return SignalPath(
        finest, layout, settings.sfreq, normaliser=contract.training_normaliser, limits=limits
    )
