"""Answers `HEAD` wherever `GET` is answered: with the same status and headers, and no body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


class Head:
    """ASGI middleware that asks the application with `GET`, and keeps the body.

    The answer ends with its headers: a stream of events or a large file is not sent, nor read.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def headers_only(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send(_END)

        # A file is then handed on by its name instead of being read.
        extensions = {**scope.get("extensions", {}), "http.response.pathsend": {}}
        asked = {**scope, "method": "GET", "extensions": extensions}
        await self._app(asked, receive, headers_only)
