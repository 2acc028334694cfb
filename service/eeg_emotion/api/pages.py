"""The page, its files and the protocol's document; nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import mimetypes
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import eeg_emotion.page
from eeg_emotion.api.root_path import own_path
from eeg_emotion.page import codes_module
from eeg_emotion.publish.asyncapi import documents

router = APIRouter(include_in_schema=False)

_STATIC = Path(eeg_emotion.page.__file__).parent / "static"

_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)  # the chart library sets styles on its elements, hence unsafe-inline for styles only
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PagesPart:
    """The page; its handlers need nothing."""

    router: ClassVar[APIRouter] = router


@router.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(_STATIC / "index.html")


@router.get("/asyncapi.json")
async def protocol(request: Request) -> Response:
    """Return the AsyncAPI document of the WebSocket protocol."""
    text = documents()["asyncapi.json"]
    if root_path := request.scope.get("root_path", ""):
        document = json.loads(text)
        for server in document["servers"].values():
            server["pathname"] = root_path
        text = json.dumps(document, ensure_ascii=False, indent=2)
    return Response(text, media_type="application/json")


@router.get("/static/codes.js")
async def codes() -> Response:
    """Return the texts of all codes as a JavaScript module."""
    return Response(codes_module(), media_type="text/javascript")


@router.get("/static/plotly.min.js")
async def plotly() -> FileResponse:
    """Return the chart library."""
    return FileResponse(_plotly_js(), media_type="text/javascript")


def static_files() -> StaticFiles:
    """Return the application that serves the page's files."""
    # On Windows the registry states media types, and often that JavaScript is plain text, which a
    # browser does not run.
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)
    return StaticFiles(directory=_STATIC)


class PageHeaders:
    """ASGI middleware that adds the security headers: no outside address, no framing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its response."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-cache")
                # The documentation page has inline scripts, so the policy does not apply to it.
                if own_path(scope) == "/":
                    headers["Content-Security-Policy"] = _PAGE_POLICY
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def _plotly_js() -> Path:
    """Find the chart library in the installed package, without importing it."""
    spec = find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package plotly is not installed; reinstall eeg-emotion")
    return Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
