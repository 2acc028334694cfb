"""The ASGI application: endpoints, page and documentation, nothing from outside."""

from __future__ import annotations

import mimetypes
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import eeg_emotion
import eeg_emotion.page
from eeg_emotion.access.grants import Action
from eeg_emotion.api import problems
from eeg_emotion.api.baselines import baselines_router
from eeg_emotion.api.body_limit import BodyLimit
from eeg_emotion.api.connections import ConnectionCount
from eeg_emotion.api.guard import Guard, needs
from eeg_emotion.api.health import health_router
from eeg_emotion.api.history import history_router
from eeg_emotion.api.model import model_router
from eeg_emotion.api.montage import montage_router
from eeg_emotion.api.no_alarms import no_alarms_router
from eeg_emotion.api.routes import rest_router
from eeg_emotion.api.service import Service
from eeg_emotion.api.sse import sse_router
from eeg_emotion.api.stream import stream_router
from eeg_emotion.open_inference.routes import inference_v2_router
from eeg_emotion.publish.asyncapi import documents

_STATIC = Path(eeg_emotion.page.__file__).parent / "static"

_PAGE_POLICY = (
    b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    b"object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)  # the chart library sets styles on its elements, hence unsafe-inline for styles only
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def create_app(
    service: Service,
    *,
    docs: bool = True,
    metrics: bool = True,
    metrics_address: str | None = None,
) -> FastAPI:
    """Make the application around a running service.

    Parameters
    ----------
    service
        The running service.
    docs
        Whether `/docs` and `/openapi.json` are served.
    metrics
        Whether `/metrics` is served here, and not on a port of its own or nowhere.
    metrics_address
        Where it is served instead, if anywhere.
    """
    about: dict[str, Any] = {
        "title": "eeg-emotion",
        "version": eeg_emotion.__version__,
        "description": "Arousal and valence from EEG. Predictions are pushed at `/v1/stream`.",
        "redirect_slashes": False,  # it would repeat whatever Host the caller names
    }
    app = FastAPIOffline(redoc_url=None, **about) if docs else FastAPI(openapi_url=None, **about)
    problems.install(app)
    reading = needs(service, Action.READ)
    app.include_router(health_router(service, metrics=metrics, metrics_address=metrics_address))
    app.include_router(rest_router(service))
    app.include_router(history_router(service), dependencies=reading)
    if service.baselines is not None:
        app.include_router(baselines_router(service, service.baselines))
    if service.alarms is not None and service.events is not None:
        from eeg_emotion.alarms.routes import alarms_router

        app.include_router(alarms_router(service, service.alarms, service.events))
    elif service.elsewhere is None:
        app.include_router(no_alarms_router(), dependencies=reading)
    if service.elsewhere is not None:
        # Only a gateway waits for it.
        from eeg_emotion.cluster.forwarding import elsewhere_router

        app.include_router(elsewhere_router(service.elsewhere.answer))
    app.include_router(model_router(service))
    app.include_router(montage_router(service))
    app.include_router(stream_router(service))
    app.include_router(sse_router(service), dependencies=reading)
    app.include_router(inference_v2_router(service))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/asyncapi.json", include_in_schema=False)
    async def protocol() -> Response:
        return Response(documents()["asyncapi.json"], media_type="application/json")

    @app.get("/v1/stream", include_in_schema=False)
    async def no_upgrade() -> None:
        raise HTTPException(
            HTTPStatus.UPGRADE_REQUIRED,
            "this is a WebSocket; connect with a WebSocket client, or follow one headset by "
            "events at /v1/headsets/{identifier}/stream",
            {"Upgrade": "websocket", "Connection": "Upgrade"},
        )

    @app.get("/static/plotly.min.js", include_in_schema=False)
    async def plotly() -> FileResponse:
        return FileResponse(_plotly_js(), media_type="text/javascript")

    # On Windows the registry says what a file is, and often that JavaScript is plain text, of which
    # a browser runs nothing.
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, service=service)
    app.add_middleware(_PageHeaders)
    app.add_middleware(ConnectionCount, metrics=service.metrics)
    return app


def create_health_app(service: Service, *, metrics: bool, metrics_address: str | None) -> FastAPI:
    """Make the application of a process that serves nobody but its operators; see `create_app`."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    problems.install(app)
    app.include_router(health_router(service, metrics=metrics, metrics_address=metrics_address))
    app.add_middleware(Guard, service=service)
    app.add_middleware(ConnectionCount, metrics=service.metrics)
    return app


class _PageHeaders:
    """ASGI middleware that keeps the page to itself: no outside address, no framing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-cache"),
                ]
                # The documentation page has a script in its text, so the policy is not for it.
                if scope["path"] == "/":
                    message["headers"].append((b"content-security-policy", _PAGE_POLICY))
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _plotly_js() -> Path:
    """Find the chart library in the installed package, without importing it."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package plotly is not installed; install eeg-emotion anew")
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
