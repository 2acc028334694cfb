"""Refuses request bodies beyond a size before they fill the memory."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eeg_emotion.api.problems import problem

LARGEST_BODY_BYTES = 1024 * 1024
"""Four windows of 32 channels and 8 s are some 0.7 MB of JSON."""


class _TooLargeError(Exception):
    pass


class BodyLimit:
    """ASGI middleware that counts what arrives; a stated length is not trusted, only checked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        started = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY_BYTES:
                raise _TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        stated = dict(scope["headers"]).get(b"content-length", b"0")
        try:
            if stated.isdigit() and int(stated) > LARGEST_BODY_BYTES:
                raise _TooLargeError
            await self._app(scope, counted, noted)
        except _TooLargeError:
            if started:
                raise
            response = problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"found a body of more than {LARGEST_BODY_BYTES} bytes, expected at most that; "
                "send fewer windows in one request",
            )
            await response(scope, receive, send)
