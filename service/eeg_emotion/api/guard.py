"""The way in: what is refused before anything else is looked at, and what a caller may do.

Nothing is open unless it is listed here, so that a new endpoint asks for credentials by itself.
Which scope it needs on top of them its route says, by `needs`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request, params
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eeg_emotion.access.access import CredentialsError, Entrance
from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.problems import refusal
from eeg_emotion.api.service import Service

OPEN_PATHS = frozenset(
    {
        "/",  # the page asks for a key itself
        "/livez",
        "/readyz",  # ?verbose asks for credentials itself
        "/v2/health/live",
        "/v2/health/ready",
        "/asyncapi.json",
        "/openapi.json",
        "/docs",
    }
)
"""What is told to everyone who reaches the service: nothing about headsets or people."""

OPEN_FOLDERS = ("/static/", "/static-offline-docs/")

_TOKEN_PARAMETERS = frozenset({"token", "access_token", "authorization", "key", "api_key"})
_FOR_HEADSETS = (Action.READ, Action.CONTROL)
_NOTED = (Action.CONTROL, Action.PROFILES)

_BEARER = HTTPBearer(
    auto_error=False,  # it is for the document; the guard has looked before
    description="A key of 'eeg-emotion keys create', or a JWT that the service's issuer signed.",
)


class Guard:
    """ASGI middleware before everything, WebSockets included.

    It finds the caller's grant, which endpoints read by `grant_of`. A WebSocket without credentials
    is let through: its `hello` brings them.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it before its body is read."""
        refused = self._refuse(scope) if scope["type"] in ("http", "websocket") else None
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if (name := _token_parameter(scope["query_string"])) is not None:
            return self._answer(
                scope,
                HTTPStatus.BAD_REQUEST,
                f"found {name!r} in the address, where credentials end up in logs and histories, "
                "expected them in the Authorization header, or in 'hello'; take this one for "
                "known to others, and replace it",
            )
        if (why := self._foreign(headers)) is not None:
            return self._answer(scope, HTTPStatus.FORBIDDEN, why)
        if scope["type"] == "websocket":
            return None
        try:
            grant = self._service.access.grant_of(headers.get("authorization"))
        except CredentialsError as error:
            return self._answer(scope, HTTPStatus.UNAUTHORIZED, str(error))
        if grant is None and not _is_open(scope["path"]):
            return self._answer(
                scope,
                HTTPStatus.UNAUTHORIZED,
                "found no credentials, expected 'Authorization: Bearer' and a key or a token; "
                "'eeg-emotion keys create' makes a key",
            )
        scope.setdefault("state", {})["grant"] = grant
        return None

    def _foreign(self, headers: Headers) -> str | None:
        """Say why a request may be some other page's doing; None where it is not.

        A browser sends `Origin` along with every WebSocket and every change. Programs that are no
        browsers send none.
        """
        access = self._service.access
        host, origin = headers.get("host"), headers.get("origin")
        if origin is not None and not access.origins.allows(origin, host):
            return (
                f"found a page of the origin {origin!r}, expected this service's own page at an "
                "address or localhost, or an origin that it allows; start it with --origin and "
                "that page's origin"
            )
        # A page whose name was made to lead here gets this service's answers as its own, and sends
        # no Origin with a GET. It has no credentials to send, so this is for an open service.
        if access.open and host is not None and not access.origins.names(host):
            return (
                f"found the Host {host!r}, expected localhost, an address, or the host of an "
                "origin that is allowed: this service asks for no credentials, and any name can "
                f"be made to lead here; use the address, or start it with --origin http://{host}"
            )
        return None

    def _answer(self, scope: Scope, status: HTTPStatus, why: str) -> Response:
        entrance(self._service, scope).audit("refused", None, path=scope["path"], why=why)
        response = refusal(scope["path"], status, why)
        if status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response


def grant_of(request: Request) -> Grant:
    """Give what the caller of an endpoint may do; not for those that are open to all."""
    grant: Grant = request.state.grant
    return grant


def needs(service: Service, action: Action) -> list[params.Depends]:
    """Give a route's dependencies, so that only who has the scope comes so far.

    An action for headsets is looked at for the headset that the path names as `identifier`;
    whether that one exists is not said to who may not know it.
    """
    return [Depends(_check(service, action)), *documented(service)]


def documented(service: Service) -> list[params.Depends]:
    """Give the dependency that has OpenAPI tell of credentials, where the service asks for them."""
    return [] if service.access.open else [Depends(_BEARER)]


def _check(service: Service, action: Action) -> Callable[[Request], Awaitable[None]]:
    async def check(request: Request) -> None:
        grant = grant_of(request)
        headset = request.path_params.get("identifier") if action in _FOR_HEADSETS else None
        door = entrance(service, request.scope)
        if not grant.allows(action, headset):
            needed = action if action not in _FOR_HEADSETS else f"{action}:{headset or '*'}"
            why = f"found no scope for this, expected {needed}; ask for a key or token that has it"
            door.audit("refused", grant, headset=headset, path=request.url.path, why=why)
            raise HTTPException(HTTPStatus.FORBIDDEN, why)
        if action in _NOTED:
            door.audit(
                "allowed", grant, headset=headset, method=request.method, path=request.url.path
            )

    return check


def entrance(service: Service, scope: Scope) -> Entrance:
    """Give what the caller is judged and noted by."""
    client = scope.get("client")
    return service.access.at("" if client is None else f"{client[0]}:{client[1]}")


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _token_parameter(query: bytes) -> str | None:
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name.lower() in _TOKEN_PARAMETERS:
            return name
    return None
