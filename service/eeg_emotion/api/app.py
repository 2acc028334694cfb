"""The ASGI application: its parts and middleware."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

import eeg_emotion
from eeg_emotion.access.access import Access
from eeg_emotion.api import problems
from eeg_emotion.api.body_limit import BodyLimit
from eeg_emotion.api.connections import ConnectionCount
from eeg_emotion.api.guard import Guard, undocumented
from eeg_emotion.api.history import HistoryPart
from eeg_emotion.api.model import ModelPart
from eeg_emotion.api.montage import MontagePart
from eeg_emotion.api.pages import PageHeaders, PagesPart, static_files
from eeg_emotion.api.parts import Part, give, routes_of
from eeg_emotion.api.predict import PredictPart
from eeg_emotion.api.probes import HealthPart
from eeg_emotion.api.push import Push
from eeg_emotion.api.routes import HeadsetsPart
from eeg_emotion.api.sse import EventStreamPart
from eeg_emotion.api.stream import StreamPart
from eeg_emotion.api.welcome import Greeter
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.model import Model
from eeg_emotion.metrics.metrics import Metrics


def shared_parts(
    model: Model, limits: QualityLimits, push: Push, greeter: Greeter, health: HealthPart
) -> list[Part]:
    """Return the parts of every process that serves subscribers: `serve` and the gateway."""
    headsets, bus = greeter.headsets, push.bus
    return [
        health,
        HeadsetsPart(headsets, bus, model.contract.path.window_seconds),
        PredictPart(model, limits),
        HistoryPart(headsets, bus),
        ModelPart(model.contract, greeter.card),
        MontagePart(),
        StreamPart(push, greeter),
        EventStreamPart(headsets, push),
    ]


def create_app(
    parts: Sequence[Part], access: Access, metrics: Metrics, *, docs: bool = True
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    parts
        What is served besides the page, in the order of the documentation.
    access
        The access control.
    metrics
        Counts connections and refusals.
    docs
        Whether `/docs` and `/openapi.json` are served.
    """
    mounted = [*parts, PagesPart()]
    about: dict[str, Any] = {
        "title": "eeg-emotion",
        "version": eeg_emotion.__version__,
        "description": "Arousal and valence from EEG. Predictions are pushed at `/v1/stream`.",
        "redirect_slashes": False,  # a redirect would repeat any Host that the caller sends
        "routes": routes_of(mounted),
    }
    app = FastAPIOffline(redoc_url=None, **about) if docs else FastAPI(openapi_url=None, **about)
    app.mount("/static", static_files(), name="static")
    if access.open:
        _document_no_credentials(app)
    _install(app, mounted)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, access=access, metrics=metrics)
    app.add_middleware(PageHeaders)
    app.add_middleware(ConnectionCount, metrics=metrics)
    return app


def create_health_app(health: HealthPart, access: Access, metrics: Metrics) -> FastAPI:
    """Make the application of a process without subscribers: health only; see `create_app`."""
    app = FastAPI(openapi_url=None, redirect_slashes=False, routes=routes_of([health]))
    _install(app, [health])
    app.add_middleware(Guard, access=access, metrics=metrics)
    app.add_middleware(ConnectionCount, metrics=metrics)
    return app


def _install(app: FastAPI, parts: Sequence[Part]) -> None:
    give(app, parts)
    problems.install(app)


def _document_no_credentials(app: FastAPI) -> None:
    document = app.openapi

    def openapi() -> dict[str, Any]:
        return undocumented(document())

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to change its document
