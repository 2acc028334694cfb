"""Counts the subscribers that are connected, whichever endpoint serves them."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eeg_emotion.metrics.metrics import Metrics


class ConnectionCount:
    """ASGI middleware that counts WebSockets once accepted, and streams of events once begun."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counted for as long as it lasts."""
        counted: str | None = None

        async def watched(message: Message) -> None:
            nonlocal counted
            await send(message)
            if counted is None and (counted := _transport(message)) is not None:
                self._metrics.connected(counted, 1)

        try:
            await self._app(scope, receive, watched)
        finally:
            if counted is not None:
                self._metrics.connected(counted, -1)


def _transport(message: Message) -> str | None:
    """Return the transport that a message opens; None if it opens no lasting connection."""
    if message["type"] == "websocket.accept":
        return "websocket"
    if message["type"] == "http.response.start":
        kind = dict(message.get("headers", ())).get(b"content-type", b"")
        if kind.startswith(b"text/event-stream"):
            return "sse"
    return None
