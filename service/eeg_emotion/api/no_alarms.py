"""REST where the extra `alarms` is not installed: the paths of alarms say so."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException

_METHODS = ["GET", "PUT", "POST", "DELETE"]


def no_alarms_router() -> APIRouter:
    """Make the routes; the documentation, which lists what there is, has none of them."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/v1/alarms", methods=_METHODS)
    @router.api_route("/v1/alarms/{rest:path}", methods=_METHODS)
    @router.api_route("/v1/rules", methods=_METHODS)
    @router.api_route("/v1/rules/{rest:path}", methods=_METHODS)
    async def not_installed() -> None:
        # Not with the command that the service's own terminal shows: it has a path of the machine.
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            "alarms are not installed in this service, expected the extra 'alarms'; whoever runs "
            "the service adds it with: pip install 'eeg-emotion[alarms]'",
        )

    return router
