"""REST: headsets, and predictions for windows that a client sends."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from starlette.responses import Response

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import grant_of, needs
from eeg_emotion.api.problems import responses
from eeg_emotion.api.service import Service
from eeg_emotion.codes import Reason, State
from eeg_emotion.eeg.layout import LayoutError, plan_layout
from eeg_emotion.eeg.path import GRID_SECONDS, SignalPath
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Headset, Prediction, Quality, Score
from eeg_emotion.stream.scoring import NO_SCORE, reasons_of, score

MOST_WINDOWS = 4
"""In one request. They take some 40 ms; a client with more sends more requests."""


class PredictRequest(BaseModel):
    """Windows of EEG to be judged.

    `windows` is `(windows, channels, samples)` in µV at the model's rate. Each has settle and
    window seconds of contiguous signal: the filters need the first part to come to rest. For a
    model of 3 s and 5 s at 128 Hz that is 1024 samples for each channel. A request has at most
    1 MiB: one window with all its digits, or four with two decimals.
    """

    model_config = ConfigDict(extra="forbid")

    channels: Annotated[list[str], Field(min_length=1, max_length=256)]
    windows: Annotated[list[list[list[FiniteFloat]]], Field(min_length=1, max_length=MOST_WINDOWS)]


class WindowPrediction(Message):
    """The estimates over one window that was sent."""

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


def rest_router(service: Service) -> APIRouter:
    """Make the routes."""
    router = APIRouter(responses=responses())
    reading = needs(service, Action.READ)
    about_headset: dict[str, Any] = {
        "tags": ["headsets"],
        "dependencies": reading,
        "responses": responses(404),
    }

    @router.get("/v1/headsets", tags=["headsets"], dependencies=reading)
    async def headsets(request: Request) -> tuple[Headset, ...]:
        """List the headsets that the caller may read, with their states."""
        grant = grant_of(request)
        return tuple(
            headset
            for headset in service.headsets.headsets()
            if grant.allows(Action.READ, headset.id)
        )

    @router.get("/v1/headsets/{identifier}", **about_headset)
    async def headset(identifier: str) -> Headset:
        """Describe one headset."""
        return find_headset(service, identifier)

    @router.get("/v1/headsets/{identifier}/quality", response_model=Quality, **about_headset)
    async def quality(identifier: str, request: Request) -> Quality | Response:
        """Return how each channel of the headset's newest window was judged."""
        found = await headset(identifier)
        if service.elsewhere is not None:
            return await service.elsewhere.answer(request)
        judged = service.headsets.quality(identifier)
        if judged is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, _no_window(service, identifier, found))
        return judged

    @router.get("/v1/headsets/{identifier}/prediction", **about_headset)
    async def prediction(identifier: str) -> Prediction:
        """Return the headset's newest prediction, valid or not; its window tells its age."""
        found = await headset(identifier)
        last = service.bus.last_prediction(identifier)
        if found.state is not State.LIVE and last is not None:
            # True of then, not of now: the window stays, the scores do not.
            reasons = (Reason.STALE, *(r for r in last.reasons if r is not Reason.STALE))
            return last.model_copy(
                update={
                    "valid": False,
                    "reasons": reasons,
                    "arousal": NO_SCORE,
                    "valence": NO_SCORE,
                }
            )
        if last is None or last.epoch != found.epoch:
            raise HTTPException(HTTPStatus.NOT_FOUND, _no_window(service, identifier, found))
        return last

    @router.post(
        "/v1/predict",
        tags=["model"],
        dependencies=needs(service, Action.PREDICT),
        responses=responses(400, 413, 422),
    )
    def predict(request: PredictRequest) -> PredictResponse:
        """Judge windows that the client sends, through the same signal path as live."""
        return _predict(service, request)

    return router


def find_headset(service: Service, identifier: str) -> Headset:
    """Return a headset; where it is unknown, raise the problem that says so."""
    found = service.headsets.headset(identifier)
    if found is None:
        # The others' ids are not for everyone.
        raise HTTPException(
            HTTPStatus.NOT_FOUND, f"found no headset {identifier!r}; /v1/headsets lists them"
        )
    return found


def _no_window(service: Service, identifier: str, found: Headset) -> str:
    return (
        f"headset {identifier!r} has completed no window in its present connection; a window takes "
        f"{service.model.contract.path.window_seconds:g} s. It is {found.state}: {found.detail}"
    )


def _predict(service: Service, request: PredictRequest) -> PredictResponse:
    contract = service.model.contract
    settings = contract.path
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
    try:
        layout = plan_layout(
            request.channels,
            ["uV"] * len(request.channels),
            channels=settings.channels,
            max_interpolated=settings.max_interpolated,
        )
    except LayoutError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    # The finest hop, so that the last window ends with the last sample.
    finest = replace(settings, hop_seconds=GRID_SECONDS)
    path = SignalPath(
        finest,
        layout,
        settings.sfreq,
        normaliser=contract.training_normaliser,
        limits=service.limits,
    )
    judged = []
    for window in request.windows:
        *_, settled = path.segment().feed(np.array(window, dtype=np.float64))
        reasons = reasons_of(settled, after_gap=False)
        judged.append((settled, reasons))
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
                judged, score(service.model, judged), strict=True
            )
        ),
    )
