"""Health for orchestrators, its details for people, and the metrics for Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eeg_emotion.access.grants import Action
from eeg_emotion.access.origins import Origins
from eeg_emotion.api import problems
from eeg_emotion.api.arrivals import Arrivals
from eeg_emotion.api.guard import grant_of, needs, require
from eeg_emotion.api.health import Health, Readiness, Vitals
from eeg_emotion.api.parts import give, given, routes_of
from eeg_emotion.api.problems import MEDIA_TYPE, problem, responses
from eeg_emotion.api.server import Server, make_server

router = APIRouter(responses=responses(), tags=["health"])
numbers_router = APIRouter()


@dataclass(frozen=True, slots=True)
class HealthPart:
    """The health and metrics of the service.

    Attributes
    ----------
    vitals
        What they are read from.
    metrics_here
        Whether `/metrics` is served on this port.
    metrics_address
        Where it is served instead, if anywhere.
    """

    router: ClassVar[APIRouter] = router

    vitals: Vitals
    metrics_here: bool = True
    metrics_address: str | None = None


@dataclass(frozen=True, slots=True)
class NumbersPart:
    """The health and metrics of the service, on a separate port."""

    router: ClassVar[APIRouter] = numbers_router

    vitals: Vitals


Given = Annotated[HealthPart, given(HealthPart)]
NumbersGiven = Annotated[NumbersPart, given(NumbersPart)]


@router.get("/livez", responses=responses(503))
async def livez(part: Given) -> Health:
    """Report whether the event loop is less than 1 s late; nothing else is checked."""
    if (late := part.vitals.lateness()) is not None:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, late)
    return Health(status="ok")


@router.get("/readyz", response_model=Readiness | Health, responses=responses(401, 503))
async def readyz(
    part: Given, request: Request, verbose: Annotated[str | None, Query()] = None
) -> Readiness | Health | JSONResponse:
    """Report whether the service is ready. A missing headset does not make it unready.

    `?verbose` adds the checks and the state of the signal, and requires the scope `read`; if the
    service is not ready, these are members of the problem.
    """
    wrong = part.vitals.unreadiness()
    if verbose is None:
        if wrong is not None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, wrong)
        return Health(status="ok")
    require(request, Action.READ)
    readiness = part.vitals.readiness(grant_of(request))
    if wrong is None:
        return readiness
    status = HTTPStatus.SERVICE_UNAVAILABLE
    members = readiness.model_dump(mode="json", exclude={"status"})
    return JSONResponse(
        {"title": status.phrase, "status": status, "detail": wrong, **members},
        status_code=status,
        media_type=MEDIA_TYPE,
    )


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=needs(Action.METRICS),
    responses=responses(404),
    name="metrics_",  # as it has always been in the document
)
async def metrics(part: Given) -> Response:
    """Return the metrics in Prometheus' text format."""
    if not part.metrics_here:
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            "found no metrics on this port, which other machines can reach; start the service "
            "with --metrics-port, and they are on 127.0.0.1 at that port"
            if part.metrics_address is None
            else f"found no metrics on this port; on the service's own machine they are at "
            f"{part.metrics_address}",
        )
    return _exposition(part.vitals)


def metrics_server(
    vitals: Vitals,
    origins: Origins,
    *,
    any_host: bool = False,
    arrivals: Arrivals | None = None,
) -> Server:
    """Make the server for a separate port, with `/metrics`, `/livez` and `/readyz` only.

    It refuses a `Host` that is not this machine's, unless `any_host`: on a network, others use its
    network name. `arrivals` owns its connections, as those of the main port.
    """
    parts = [NumbersPart(vitals)]
    app = FastAPI(openapi_url=None, redirect_slashes=False, routes=routes_of(parts))
    problems.install(app)
    give(app, parts)
    return make_server(app if any_host else _KnownHost(app, origins), arrivals=arrivals)


@numbers_router.get("/metrics")
async def numbers(part: NumbersGiven) -> Response:
    """Return the metrics in Prometheus' text format, without credentials."""
    return _exposition(part.vitals)


@numbers_router.get("/livez")
async def plain_livez(part: NumbersGiven) -> Response:
    """Report whether the event loop is on time."""
    return _health(part.vitals.lateness())


@numbers_router.get("/readyz")
async def plain_readyz(part: NumbersGiven) -> Response:
    """Report whether the service is ready."""
    return _health(part.vitals.unreadiness())


class _KnownHost:
    """ASGI middleware that refuses foreign `Host` names (DNS rebinding)."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        respond = self._app
        host = Headers(scope=scope).get("host")
        if host is not None and not self._origins.names(host):
            why = f"found the Host {host!r}, expected localhost or an address; use 127.0.0.1"
            respond = problem(HTTPStatus.FORBIDDEN, why)
        await respond(scope, receive, send)


def _health(wrong: str | None) -> Response:
    if wrong is not None:
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, wrong)
    return JSONResponse(Health(status="ok").model_dump())


def _exposition(vitals: Vitals) -> Response:
    return Response(generate_latest(vitals.metrics.registry), media_type=CONTENT_TYPE_LATEST)
