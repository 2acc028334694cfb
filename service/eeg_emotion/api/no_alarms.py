"""REST without the extra `alarms`: the paths of alarms answer with its name."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, HTTPException

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import needs

_METHODS = ["GET", "PUT", "POST", "DELETE"]

# They are not in the documentation, which lists only what is available.
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class NoAlarmsPart:
    """The paths of alarms; their handler needs nothing."""

    router: ClassVar[APIRouter] = router


@router.api_route("/v1/alarms", methods=_METHODS, dependencies=needs(Action.READ))
@router.api_route("/v1/alarms/{rest:path}", methods=_METHODS, dependencies=needs(Action.READ))
@router.api_route("/v1/rules", methods=_METHODS, dependencies=needs(Action.READ))
@router.api_route("/v1/rules/{rest:path}", methods=_METHODS, dependencies=needs(Action.READ))
async def not_installed() -> None:
    """Answer 404 with the extra's name."""
    # Without the install command, which contains a path of the service's machine.
    raise HTTPException(
        HTTPStatus.NOT_FOUND,
        "alarms are not installed in this service, expected the extra 'alarms'; whoever runs "
        "the service adds it with: pip install 'eeg-emotion[alarms]'",
    )
