"""REST: the headsets, with the newest state, quality and prediction of each."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, HTTPException, Request

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import grant_of, needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.codes import Reason, State
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.messages import Headset, Prediction, Quality
from eeg_emotion.stream.scoring import NO_SCORE

router = APIRouter(responses=responses(), tags=["headsets"], dependencies=needs(Action.READ))
quality_router = APIRouter(
    responses=responses(404), tags=["headsets"], dependencies=needs(Action.READ)
)

QUALITY_PATH = "/v1/headsets/{identifier}/quality"


@dataclass(frozen=True, slots=True)
class HeadsetsPart:
    """The headsets, and what was published about them."""

    router: ClassVar[APIRouter] = router

    headsets: Headsets
    bus: Bus
    window_seconds: float


@dataclass(frozen=True, slots=True)
class QualityPart:
    """The headsets that are read in this process; a gateway forwards these requests instead."""

    router: ClassVar[APIRouter] = quality_router

    headsets: Headsets
    window_seconds: float


Given = Annotated[HeadsetsPart, given(HeadsetsPart)]


@router.get("/v1/headsets")
async def headsets(part: Given, request: Request) -> tuple[Headset, ...]:
    """List the headsets that the caller may read, with their states."""
    grant = grant_of(request)
    return tuple(
        headset for headset in part.headsets.headsets() if grant.allows(Action.READ, headset.id)
    )


@router.get("/v1/headsets/{identifier}", responses=responses(404))
async def headset(part: Given, identifier: str) -> Headset:
    """Describe one headset: its state, its check against the model, and its counts.

    `detail` explains the state in words; for a quarantined headset it states what was found, what
    was expected and what to do.
    """
    return find_headset(part.headsets, identifier)


@quality_router.get(QUALITY_PATH)
async def quality(part: Annotated[QualityPart, given(QualityPart)], identifier: str) -> Quality:
    """Return the quality of each channel in the headset's newest window.

    Each has a score from 1, good, to 0, and its worst trouble, null for a good channel.
    """
    found = find_headset(part.headsets, identifier)
    newest = part.headsets.quality(identifier)
    if newest is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, _no_window(found, part.window_seconds))
    return newest


@router.get("/v1/headsets/{identifier}/prediction", responses=responses(404))
async def prediction(part: Given, identifier: str) -> Prediction:
    """Return the headset's newest prediction, valid or not; its window states its age.

    While the headset is not live, its scores are null and `stale` is among the reasons: they
    would describe the past.
    """
    found = find_headset(part.headsets, identifier)
    last = part.bus.last_prediction(identifier)
    if found.state is not State.LIVE and last is not None:
        # The scores describe the past, not the present: the window stays, they do not.
        reasons = (Reason.STALE, *(r for r in last.reasons if r is not Reason.STALE))
        return last.model_copy(
            update={"valid": False, "reasons": reasons, "arousal": NO_SCORE, "valence": NO_SCORE}
        )
    if last is None or last.epoch != found.epoch:
        raise HTTPException(HTTPStatus.NOT_FOUND, _no_window(found, part.window_seconds))
    return last


def find_headset(headsets: Headsets, identifier: str) -> Headset:
    """Return a headset; raise a 404 problem if it is unknown."""
    found = headsets.headset(identifier)
    if found is None:
        # No other ids are listed: the caller may not be allowed to read those headsets.
        raise HTTPException(
            HTTPStatus.NOT_FOUND, f"found no headset {identifier!r}; /v1/headsets lists them"
        )
    return found


def _no_window(found: Headset, window_seconds: float) -> str:
    return (
        f"headset {found.id!r} has completed no window in its present connection; a window takes "
        f"{window_seconds:g} s. It is {found.state}: {found.detail}"
    )
