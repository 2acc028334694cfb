"""Health for orchestrators, its details for people, and the numbers for Prometheus."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api import problems
from eeg_emotion.api.guard import grant_of, needs, require
from eeg_emotion.api.problems import MEDIA_TYPE, problem, responses
from eeg_emotion.api.server import Server, make_server
from eeg_emotion.api.service import Service
from eeg_emotion.codes import State
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Headset

ALIVE_LAG_SECONDS = 1.0
"""An event loop that is later than this serves nobody."""

_FOLLOWED = {
    ("lsl", True): "LSL is followed",
    ("lsl", False): "found that LSL was not looked at for some seconds, expected several times "
    "each; if it stays so, start the service anew",
    ("broker", True): "the broker is there, and what ingests keep is known",
    ("broker", False): "found the broker away, or what ingests keep not known yet, expected both; "
    "see that it runs and is reached, it is tried again and again",
}
_TROUBLED = (State.STALE, State.LOST, State.QUARANTINED)


class Health(Message):
    """The answer of the health endpoints."""

    status: str


class Check(Message):
    """One thing that readiness depends on."""

    ok: bool
    detail: str


class SampleDeficit(Message):
    """Samples of the last minute; `share` is the missing ones' of all that there should be."""

    received: int
    missing: int
    share: float


class PredictionAges(Message):
    """Seconds since the ends of the newest windows of headsets, the least and the most."""

    least: float | None
    most: float | None


class LatencyLately(Message):
    """Seconds from a window's end to the writing of its prediction, over the last minute."""

    p50: float | None
    p99: float | None


class Readiness(Health):
    """What `/readyz?verbose` tells. `troubled` has the ids that the caller may read."""

    checks: dict[str, Check]
    event_store: Check | None
    """Apart from the checks: while it fails, everything else is served all the same. Null at a
    gateway, which has none."""
    headsets: dict[State, int]
    troubled: dict[State, tuple[str, ...]]
    samples: SampleDeficit
    prediction_age_seconds: dict[State, PredictionAges]
    subscribers: dict[str, int]
    event_loop_lag_seconds: float
    end_to_end_latency_seconds: LatencyLately


def health_router(
    service: Service, *, metrics: bool, metrics_address: str | None = None
) -> APIRouter:
    """Make the routes.

    Parameters
    ----------
    service
        The running service.
    metrics
        Whether `/metrics` is served here; it has no credentials of its own in many places.
    metrics_address
        Where it is served instead, if anywhere.
    """
    router = APIRouter(responses=responses(), tags=["health"])

    @router.get("/livez", responses=responses(503))
    async def livez() -> Health:
        """Tell that the event loop runs in time; nothing else is asked."""
        if (late := _lateness(service)) is not None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, late)
        return Health(status="ok")

    @router.get("/readyz", response_model=Readiness | Health, responses=responses(401, 503))
    async def readyz(
        request: Request, verbose: Annotated[str | None, Query()] = None
    ) -> Readiness | Health | JSONResponse:
        """Return whether to send work here. A missing headset does not make the service unready.

        `?verbose` lists the checks and how the signal is, and is for who may read; where it is not
        ready, these are members of the problem.
        """
        if verbose is None:
            if (wrong := _unreadiness(service)) is not None:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, wrong)
            return Health(status="ok")
        require(service, request, Action.READ)
        readiness = _readiness(service, grant_of(request), _checks(service))
        if (wrong := _unreadiness(service)) is None:
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
        dependencies=needs(service, Action.METRICS),
        responses=responses(404),
    )
    async def metrics_() -> Response:
        """Return the numbers for Prometheus."""
        if not metrics:
            raise HTTPException(
                HTTPStatus.NOT_FOUND,
                "found no numbers on this port, which others than this machine can reach; start "
                "the service with --metrics-port, and they are on 127.0.0.1 at that port"
                if metrics_address is None
                else f"found no numbers on this port; on the service's own machine they are at "
                f"{metrics_address}",
            )
        return _exposition(service)

    return router


def metrics_server(service: Service, *, any_host: bool = False) -> Server:
    """Make the server for a port of its own: `/metrics`, `/livez` and `/readyz` alone.

    On this machine's own address it answers to no foreign name; beyond it, under `any_host`, those
    of its network know it by theirs.
    """
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    problems.install(app)

    @app.get("/metrics")
    async def metrics() -> Response:
        return _exposition(service)

    @app.get("/livez")
    async def livez() -> Response:
        return _health(_lateness(service))

    @app.get("/readyz")
    async def readyz() -> Response:
        return _health(_unreadiness(service))

    return make_server(app if any_host else _KnownHost(app, service))


class _KnownHost:
    """ASGI middleware: a page whose name was made to lead here is not to read the numbers."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._origins = service.access.origins

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


def _exposition(service: Service) -> Response:
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _lateness(service: Service) -> str | None:
    """Say that the event loop is late; None where it is not."""
    lag = service.lag.seconds
    if lag < ALIVE_LAG_SECONDS:
        return None
    return (
        f"found the event loop {lag:.1f} s late, expected less than {ALIVE_LAG_SECONDS:g} s; "
        "if it stays so, start the service anew, with fewer subscribers or headsets"
    )


def _unreadiness(service: Service) -> str | None:
    """Return why no work is to be sent here; None where it is."""
    return "; ".join(check.detail for check in _checks(service).values() if not check.ok) or None


def _checks(service: Service) -> dict[str, Check]:
    contract = service.model.contract
    following = service.headsets.following
    return {
        "model": Check(ok=True, detail=f"{contract.name} {contract.version} is loaded, verified"),
        service.headsets.source: Check(
            ok=following, detail=_FOLLOWED[service.headsets.source, following]
        ),
        "accepting": Check(
            ok=not service.draining,
            detail="the service is stopping" if service.draining else "it takes subscribers",
        ),
    }


def _event_store(service: Service) -> Check | None:
    if service.alarms is None:
        return None
    trouble, unwritten = service.alarms.trouble, service.alarms.unwritten
    if trouble is None:
        return Check(ok=True, detail="events are kept")
    return Check(ok=False, detail=f"{unwritten} events are not kept yet: {trouble}")


def _readiness(service: Service, grant: Grant, checks: dict[str, Check]) -> Readiness:
    found = service.headsets.headsets()
    counts = Counter(headset.state for headset in found)
    lately = service.metrics.recent
    deficit = lately.deficit
    return Readiness(
        status="ok",
        checks=checks,
        event_store=_event_store(service),
        headsets={state: counts[state] for state in State},
        troubled={
            state: tuple(
                headset.id
                for headset in found
                if headset.state is state and grant.allows(Action.READ, headset.id)
            )
            for state in _TROUBLED
        },
        samples=SampleDeficit(
            received=deficit.received, missing=deficit.missing, share=round(deficit.share, 6)
        ),
        prediction_age_seconds=_ages(service, found),
        subscribers=dict(service.metrics.subscribers),
        event_loop_lag_seconds=round(service.lag.seconds, 4),
        end_to_end_latency_seconds=LatencyLately(
            p50=_rounded(lately.latency(50)), p99=_rounded(lately.latency(99))
        ),
    )


def _ages(service: Service, found: tuple[Headset, ...]) -> dict[State, PredictionAges]:
    now = service.utc()
    ages: dict[State, list[float]] = {state: [] for state in State}
    for headset in found:
        if (newest := service.bus.last_prediction(headset.id)) is not None:
            ages[headset.state].append(now - newest.window.end)
    return {
        state: PredictionAges(
            least=_rounded(min(some, default=None)), most=_rounded(max(some, default=None))
        )
        for state, some in ages.items()
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
