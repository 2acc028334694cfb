"""Refuses request bodies beyond a size before they fill memory."""

from __future__ import annotations

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eeg_emotion.api.problems import refusal
from eeg_emotion.api.root_path import own_path

LARGEST_BODY_BYTES = 1024 * 1024
"""One window of 32 channels and 8 s with all its digits is about 0.7 MB of JSON, and so are four
with two decimals and without the electrodes' offsets."""

_STATUS = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_TOO_LARGE = (
    f"found a body of more than {LARGEST_BODY_BYTES} bytes, expected at most that; "
    "send fewer windows in one request"
)


class BodyLimit:
    """ASGI middleware that counts received bytes; a stated length is checked, but not trusted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > LARGEST_BODY_BYTES:
            await refusal(own_path(scope), _STATUS, _TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY_BYTES:
                # The only type of exception that FastAPI does not catch while it reads a body.
                raise HTTPException(_STATUS, _TOO_LARGE)
            return message

        await self._app(scope, counted, send)
