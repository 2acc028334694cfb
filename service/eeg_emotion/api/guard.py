"""Access control of all requests: what is refused first, and what a caller may do.

Only the paths listed here are open, so a new endpoint requires credentials by default. A route
states with `needs` which scope it requires besides. The caller's grant and access, which the audit
uses, are in the request's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request, params
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eeg_emotion.access.access import Access, ClientAccess, CredentialsError
from eeg_emotion.access.credentials import contains_secret
from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.problems import refusal
from eeg_emotion.metrics.metrics import Metrics

OPEN_PATHS = frozenset(
    {
        "/",  # the page asks for a key itself
        "/livez",
        "/readyz",  # without ?verbose
        "/v2/health/live",
        "/v2/health/ready",
        "/asyncapi.json",
        "/openapi.json",
        "/docs",
    }
)
"""Served to everyone who reaches the service: nothing about headsets or people."""

OPEN_FOLDERS = ("/static/", "/static-offline-docs/")

_TOKEN_PARAMETERS = frozenset(
    {
        "token",
        "access_token",
        "authorization",
        "auth",
        "bearer",
        "jwt",
        "key",
        "api_key",
        "apikey",
        "x-api-key",
        "secret",
    }
)
_REFUSED_AS = {HTTPStatus.UNAUTHORIZED: "credentials", HTTPStatus.FORBIDDEN: "scope"}
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Max-Age": "600",
}
_FOR_HEADSETS = (Action.READ, Action.CONTROL)
_NOTED = (Action.CONTROL, Action.PROFILES)

_BEARER = HTTPBearer(
    auto_error=False,  # for the document only; the guard has checked already
    description="A key of 'eeg-emotion keys create', or a JWT that the service's issuer signed.",
)

DOCUMENTED: list[params.Depends] = [Depends(_BEARER)]
"""Dependencies of a route that requires credentials, for OpenAPI only; see `undocumented`."""


class Guard:
    """ASGI middleware for every request, WebSockets included.

    It determines the caller's grant, which endpoints read with `grant_of`. A WebSocket without
    credentials passes: they come with its `hello`. Pages of allowed origins may read the answers.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it before its body is read."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        state = scope.setdefault("state", {})
        state["client_access"] = self._access.at(
            "" if client is None else f"{client[0]}:{client[1]}"
        )
        # No request from the network can set this: a gateway has authenticated the caller.
        if (vouched := state.get("vouched")) is not None:
            state["grant"] = vouched
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if (why := self._foreign(headers)) is not None:
            self._metrics.refused("origin")
            await self._answer(scope, HTTPStatus.FORBIDDEN, why)(scope, receive, send)
            return
        respond = self._first_response(scope, headers) or self._app
        await respond(scope, receive, self._watched(scope, headers, send))

    def _watched(self, scope: Scope, headers: Headers, send: Send) -> Send:
        """Count refusals as they are sent, and let pages of allowed origins read what is sent."""
        origins = self._access.origins
        origin = headers.get("origin")

        async def watched(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                if (reason := _REFUSED_AS.get(message["status"])) is not None:
                    self._metrics.refused(reason)
                if scope["type"] == "http" and origins.allowed:
                    answer = MutableHeaders(scope=message)
                    answer.add_vary_header("Origin")
                    if origin is not None and origins.lists(origin):
                        answer["Access-Control-Allow-Origin"] = origin
            await send(message)

        return watched

    def _first_response(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the response to a request that reaches no endpoint; None if it may proceed."""
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if (name := _token_parameter(parameters)) is not None:
            return self._answer(
                scope,
                HTTPStatus.BAD_REQUEST,
                f"found {name} in the address, where credentials end up in logs and histories, "
                "expected them in the Authorization header, or in 'hello'; take this one for "
                "known to others, and replace it",
            )
        if scope["type"] == "websocket":
            return None
        if self._is_preflight(scope, headers):
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)
        is_open = _is_open(scope["path"], parameters)
        try:
            grant = self._access.grant_of(headers.get("authorization"))
        except CredentialsError as error:
            if not is_open:
                return self._answer(scope, HTTPStatus.UNAUTHORIZED, str(error))
            grant = None  # a probe may have to send its proxy's credentials, which are not ours
        if grant is None and not is_open:
            return self._answer(
                scope,
                HTTPStatus.UNAUTHORIZED,
                "found no credentials, expected 'Authorization: Bearer' and a key or a token; "
                "'eeg-emotion keys create' makes a key",
            )
        scope["state"]["grant"] = grant
        return None

    def _is_preflight(self, scope: Scope, headers: Headers) -> bool:
        """Return whether this is a CORS preflight of an allowed page, which has no credentials."""
        origin = headers.get("origin")
        return (
            scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
            and origin is not None
            and self._access.origins.lists(origin)
        )

    def _foreign(self, headers: Headers) -> str | None:
        """Return why a request may come from a foreign page; None if it does not.

        A browser sends `Origin` with every WebSocket and every request that changes something.
        Other programs do not send it.
        """
        access = self._access
        host, origin = headers.get("host"), headers.get("origin")
        if origin is not None and not access.origins.allows(origin, host):
            return (
                f"found a page of the origin {origin!r}, expected this service's own page at an "
                "address or localhost, or an origin that it allows; start it with --origin and "
                "that page's origin"
            )
        # DNS rebinding: a page whose name resolves to this machine reads the answers as its own,
        # and sends no Origin with a GET. It has no credentials, so this concerns open services.
        if access.open and host is not None and not access.origins.names(host):
            return (
                f"found the Host {host!r}, expected localhost, an address, or the host of an "
                "origin that is allowed: this service asks for no credentials, and any name can "
                f"be made to lead here; use the address, or start it with --origin http://{host}"
            )
        return None

    def _answer(self, scope: Scope, status: HTTPStatus, why: str) -> Response:
        client_access: ClientAccess = scope["state"]["client_access"]
        client_access.audit("refused", None, path=scope["path"], why=why)
        response = refusal(scope["path"], status, why)
        if status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response


def grant_of(request: Request) -> Grant:
    """Return what the caller may do; not available in endpoints that are open to all."""
    grant: Grant = request.state.grant
    return grant


def undocumented(document: dict[str, Any]) -> dict[str, Any]:
    """Remove the credentials from an OpenAPI document, for an open service; return it."""
    document.get("components", {}).pop("securitySchemes", None)
    for path in document["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
    return document


def client_access(connection: HTTPConnection) -> ClientAccess:
    """Return the access of the request's client, which authenticates and audits it."""
    found: ClientAccess = connection.state.client_access
    return found


def needs(action: Action) -> list[params.Depends]:
    """Return a route's dependencies that let only callers with the scope pass.

    An action on headsets is checked for the headset that the path names as `identifier`. Whether
    that headset exists is not revealed to callers who may not read it.
    """
    return [Depends(ScopeCheck(action)), *DOCUMENTED]


@dataclass(frozen=True, slots=True)
class ScopeCheck:
    """The dependency of a route that requires a scope; the reference of REST reads it."""

    action: Action

    async def __call__(self, request: Request) -> None:
        """Let the caller pass, or refuse it."""
        headset = request.path_params.get("identifier") if self.action in _FOR_HEADSETS else None
        require(request, self.action, headset)
        if self.action in _NOTED:
            client_access(request).audit(
                "allowed",
                grant_of(request),
                headset=headset,
                method=request.method,
                path=request.url.path,
            )


def require(request: Request, action: Action, headset: str | None = None) -> None:
    """Raise a 403 problem if the caller lacks the scope for an action."""
    grant = grant_of(request)
    if grant.allows(action, headset):
        return
    needed = action if action not in _FOR_HEADSETS else f"{action}:{headset or '*'}"
    why = f"found no scope for this, expected {needed}; ask for a key or token that has it"
    client_access(request).audit("refused", grant, headset=headset, path=request.url.path, why=why)
    raise HTTPException(HTTPStatus.FORBIDDEN, why)


def _is_open(path: str, parameters: list[tuple[str, str]]) -> bool:
    if path == "/readyz" and any(name == "verbose" for name, _ in parameters):
        return False
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _token_parameter(parameters: list[tuple[str, str]]) -> str | None:
    for name, value in parameters:
        if name.lower() in _TOKEN_PARAMETERS:
            return repr(name)
        if contains_secret(name) or contains_secret(value):
            return "a key or a token"
    return None
