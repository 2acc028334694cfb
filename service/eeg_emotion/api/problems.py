"""All errors as `application/problem+json` (RFC 9457).

Errors under `/v2` have the form that clients of the Open Inference Protocol expect.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import Receive, Scope, Send

from eeg_emotion.access.credentials import masked
from eeg_emotion.api.root_path import own_path
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


class Problem(BaseModel):
    """RFC 9457's members; `errors` lists what is wrong with a request's body, field by field."""

    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


@cache
def _schema() -> dict[str, Any]:
    return Problem.model_json_schema()


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of these statuses, and of any other error, as problems."""
    # FastAPI's "model" would document them as application/json.
    content = {MEDIA_TYPE: {"schema": _schema()}}
    documented: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }
    documented["default"] = {"description": "Any other error", "content": content}
    return documented


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> JSONResponse:
    """Make a problem response."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    return JSONResponse(
        body.model_dump(exclude_none=True), status_code=status, media_type=MEDIA_TYPE
    )


def refusal(
    path: str, status: int, detail: str, errors: list[dict[str, str]] | None = None
) -> JSONResponse:
    """Make an error response in the form that clients of a path expect."""
    if path == "/v2" or path.startswith("/v2/"):
        return JSONResponse({"error": detail}, status_code=status)
    return problem(status, detail, errors)


def install(app: FastAPI) -> None:
    """Make an application answer all errors in these forms."""

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        response = refusal(own_path(request.scope), error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(_allowed(request))
        return response

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        # The input is not repeated: it may be EEG, or NaN, which is not JSON.
        errors = [
            {"place": ".".join(str(part) for part in item["loc"]), "found": item["msg"]}
            for item in error.errors()[:20]
        ]
        return refusal(
            own_path(request.scope),
            HTTPStatus.UNPROCESSABLE_ENTITY,
            _other_content(request, error)
            or "the request does not have the expected form; see 'errors' here, and /docs",
            errors,
        )

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        logger.error(
            "request failed",
            method=request.method,
            path=masked(own_path(request.scope)),
            exc_info=error,
        )
        return refusal(
            own_path(request.scope),
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "an error in the service itself; see its log",
        )

    app.router.default = _not_found


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    path, status = own_path(scope), HTTPStatus.NOT_FOUND
    why = f"found no path {masked(path)!r} here, expected one of the documentation"
    await refusal(path, status, why)(scope, receive, send)


def _other_content(request: Request, error: RequestValidationError) -> str | None:
    """Return the error of a body that was not parsed since its Content-Type is not JSON."""
    whole = any(item["loc"] == ("body",) and item["type"] != "missing" for item in error.errors())
    found = request.headers.get("content-type")
    kind = (found or "").partition(";")[0].strip().lower()
    if not whole or kind == "application/json" or kind.endswith("+json"):
        return None
    return (
        f"found a body of {f'the Content-Type {found!r}' if found else 'no Content-Type'}, "
        "expected JSON; send 'Content-Type: application/json' with it"
    )


def _allowed(request: Request) -> list[str]:
    """Return all methods of a path; the error has only those of its first route."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    found = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]
    if not found or "GET" in found:  # else the path is in a folder that is mounted
        return sorted({"GET", "HEAD", *found})  # see `Head`
    return found
