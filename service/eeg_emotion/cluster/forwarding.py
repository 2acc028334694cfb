"""Forwards requests that a gateway cannot answer to the ingest that reads the headset.

The gateway authenticates the caller and passes on the caller's scopes; the ingest checks them,
with the same routes that answer in a single process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar

import httpx
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.access.grants import Scope as GrantScope
from eeg_emotion.api.guard import grant_of, needs
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import responses
from eeg_emotion.api.root_path import own_path
from eeg_emotion.api.routes import QUALITY_PATH, find_headset
from eeg_emotion.cluster.mirror import Mirror
from eeg_emotion.cluster.packets import Call, IngestUnreachable, Place, Reply
from eeg_emotion.publish.messages import Quality

_HEADERS = ("content-type", "link")
_OF_HEADSET = "/v1/headsets/{identifier}/baseline"
_ROUTES = (
    (_OF_HEADSET, ("GET", "POST", "PUT", "DELETE")),
    ("/v1/alarms", ("GET",)),
    ("/v1/alarms/{alarm}/acknowledge", ("POST",)),
    ("/v1/rules", ("GET",)),
    ("/v1/rules/{name}", ("PUT", "DELETE")),
    ("/v1/profiles", ("GET",)),
    ("/v1/profiles/{name}", ("GET", "DELETE")),
)

router = APIRouter()


class IngestProxy:
    """Forwards requests to ingests.

    Parameters
    ----------
    mirror
        The known ingests.
    call
        Sends a call to an ingest; it may raise `IngestUnreachable`.
    """

    def __init__(self, mirror: Mirror, call: Callable[[Place, Call], Awaitable[Reply]]) -> None:
        self._mirror = mirror
        self._call = call

    async def answer(self, request: Request) -> Response:
        """Forward a request to the ingest that can answer it."""
        place = self._place(request)
        grant = grant_of(request)
        client = request.client
        call = Call(
            method=request.method,
            path=own_path(request.scope),
            query=request.url.query,
            body=(await request.body()).decode("utf-8", "replace"),
            client="" if client is None else f"{client.host}:{client.port}",
            subject=grant.subject,
            scopes=tuple(map(str, grant.scopes)),
            root_path=request.scope.get("root_path", ""),
        )
        try:
            reply = await self._call(place, call)
        except IngestUnreachable as error:
            raise HTTPException(HTTPStatus.BAD_GATEWAY, str(error)) from error
        return Response(reply.body, status_code=reply.status, headers=reply.headers)

    def check_known(self, identifier: str) -> None:
        """Raise a 404 problem if there is no such headset."""
        find_headset(self._mirror, identifier)

    def _place(self, request: Request) -> Place:
        """Return the ingest: the headset's, the alarm's, the named one, or the only one."""
        mirror = self._mirror
        identifier = request.path_params.get("identifier") or request.query_params.get("headset")
        if (alarm := request.path_params.get("alarm")) is not None:
            identifier = next(
                (
                    headset.id
                    for headset in mirror.headsets()
                    if any(raised.alarm == alarm for raised in headset.alarms)
                ),
                None,
            )
        if identifier is not None and mirror.headset(identifier) is not None:
            place = mirror.owner(identifier)
            if place is None:
                raise HTTPException(
                    HTTPStatus.BAD_GATEWAY,
                    f"found the ingest of the headset {identifier!r} away, expected it connected; "
                    "try again when the headset's state is known",
                )
            return place
        places = {"/".join(place): place for place in mirror.ingests()}
        wanted = request.query_params.get("ingest")
        if wanted is not None and wanted in places:
            return places[wanted]
        if len(places) == 1 and wanted is None:
            return next(iter(places.values()))
        known = ", ".join(sorted(places)) or "none"
        if wanted is not None or not places:
            raise HTTPException(
                HTTPStatus.BAD_GATEWAY, f"found the ingests {known}, expected {wanted or 'one'}"
            )
        raise HTTPException(
            HTTPStatus.CONFLICT,
            f"found several ingests, expected one to be named, as ?ingest=SITE/INGEST: {known}",
        )


@dataclass(frozen=True, slots=True)
class ForwardingPart:
    """The routes that ingests answer, instead of the parts that only an ingest has."""

    router: ClassVar[APIRouter] = router

    proxy: IngestProxy


Given = Annotated[ForwardingPart, given(ForwardingPart)]


@router.get(
    QUALITY_PATH,
    response_model=Quality,
    dependencies=needs(Action.READ),
    responses=responses(404),
    tags=["headsets"],
)
async def quality(part: Given, identifier: str, request: Request) -> Response:
    """Return the quality of each channel in the headset's newest window.

    Each has a score from 1, good, to 0, and its worst trouble, null for a good channel.
    """
    part.proxy.check_known(identifier)
    return await part.proxy.answer(request)


async def forward(part: Given, request: Request) -> Response:
    """Forward the request to the ingest that can answer it."""
    return await part.proxy.answer(request)


for _path, _methods in _ROUTES:
    for _method in _methods:
        router.add_api_route(
            _path,
            forward,
            methods=[_method],
            response_class=Response,
            name=f"{_method.lower()}_{_path}",
            summary="Answered by the ingest that reads the headset, or is named.",
            responses=responses(401, 403, 404, 409, 422, 502, 503),
            tags=["at ingests"],
        )


class LocalResponder:
    """Answers the calls of gateways at an ingest.

    Parameters
    ----------
    app
        The ingest's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def answer(self, call: Call) -> Reply:
        """Answer a call as a single process would."""
        grant = Grant(call.subject, tuple(map(GrantScope.parse, call.scopes)))

        async def vouched(scope: Scope, receive: Receive, send: Send) -> None:
            place = {"root_path": call.root_path, "path": call.root_path + scope["path"]}
            await self._app({**scope, **place, "state": {"vouched": grant}}, receive, send)

        host, _, port = call.client.rpartition(":")
        options: dict[str, Any] = {"client": (host, int(port))} if port else {}
        transport = httpx.ASGITransport(vouched, raise_app_exceptions=False, **options)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(
                call.method,
                call.path,
                params=call.query,
                content=call.body.encode(),
                headers={"content-type": "application/json"},
            )
        headers = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
        return Reply(status=answer.status_code, headers=headers, body=answer.text)
