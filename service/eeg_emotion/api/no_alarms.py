"""REST where the extra `alarms` is not installed: the paths of alarms say so."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from fastapi import APIRouter, HTTPException

from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import needs

_METHODS = ["GET", "PUT", "POST", "DELETE"]

# The documentation, which lists what there is, has none of them.
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class NoAlarmsPart:
    """Nothing is needed to say it."""

    router: ClassVar[APIRouter] = router


@router.api_route("/v1/alarms", methods=_METHODS, dependencies=needs(Action.READ))
@router.api_route("/v1/alarms/{rest:path}", methods=_METHODS, dependencies=needs(Action.READ))
@router.api_route("/v1/rules", methods=_METHODS, dependencies=needs(Action.READ))
@router.api_route("/v1/rules/{rest:path}", methods=_METHODS, dependencies=needs(Action.READ))
async def not_installed() -> None:
    """Answer 404 with the extra's name."""
    # Not with the command that the service's own terminal shows: it has a path of the machine.
    raise HTTPException(
        HTTPStatus.NOT_FOUND,
        "alarms are not installed in this service, expected the extra 'alarms'; whoever runs "
        "the service adds it with: pip install 'eeg-emotion[alarms]'",
    )
