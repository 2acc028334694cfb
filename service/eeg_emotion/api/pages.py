"""The page, its files and the protocol's document; nothing of it comes from outside."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import eeg_emotion.page
from eeg_emotion.page import codes_module
from eeg_emotion.publish.asyncapi import documents

router = APIRouter(include_in_schema=False)

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


@dataclass(frozen=True, slots=True)
class PagesPart:
    """Files alone."""

    router: ClassVar[APIRouter] = router


@router.get("/")
async def page() -> FileResponse:
    """Return the page."""
    return FileResponse(_STATIC / "index.html")


@router.get("/asyncapi.json")
async def protocol() -> Response:
    """Return the document of the WebSocket's protocol."""
    return Response(documents()["asyncapi.json"], media_type="application/json")


@router.get("/static/codes.js")
async def codes() -> Response:
    """Return the words of each code, as a module for the page."""
    return Response(codes_module(), media_type="text/javascript")


@router.get("/static/plotly.min.js")
async def plotly() -> FileResponse:
    """Return the chart library."""
    return FileResponse(_plotly_js(), media_type="text/javascript")


def static_files() -> StaticFiles:
    """Return the page's files, to be mounted."""
    # On Windows the registry says what a file is, and often that JavaScript is plain text, of which
    # a browser runs nothing.
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)
    return StaticFiles(directory=_STATIC)


class PageHeaders:
    """ASGI middleware that keeps the page to itself: no outside address, no framing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its answer has the headers."""

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
