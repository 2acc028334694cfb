"""Serves the application under the path that a proxy has for it.

A proxy may keep that path when it passes a request on, or take it off; a client on this machine may
leave it out. All three arrive at the same endpoint.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI middleware that sets the scope's `root_path`, which is a part of its `path`.

    Parameters
    ----------
    app
        The application.
    root_path
        The path, such as `/emotion`; empty without a proxy that has one.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        root = self._root
        if not root or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path == root and scope["type"] == "http":
            # Relative addresses of the page need the slash. So is this one: the proxy may have
            # another scheme and host.
            target = f"{root.rpartition('/')[2]}/"
            respond = RedirectResponse(target, HTTPStatus.PERMANENT_REDIRECT)
            await respond(scope, receive, send)
            return
        if not path.startswith(f"{root}/"):
            path = root + path
        await self._app({**scope, "root_path": root, "path": path}, receive, send)


def own_path(scope: Scope) -> str:
    """Return the path within the application, without the proxy's."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
