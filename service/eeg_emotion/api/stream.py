"""The WebSocket: a `Session` of the protocol on a real connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar

from fastapi import APIRouter, HTTPException, WebSocket
from starlette.responses import Response

from eeg_emotion.access.access import ClientAccess, CredentialsError
from eeg_emotion.access.grants import Grant
from eeg_emotion.api.guard import client_access
from eeg_emotion.api.parts import given
from eeg_emotion.api.problems import problem
from eeg_emotion.api.push import Push
from eeg_emotion.api.welcome import Greeter
from eeg_emotion.api.wire import Wire
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import PROTOCOL
from eeg_emotion.publish.session import Session

router = APIRouter()


@dataclass(frozen=True, slots=True)
class StreamPart:
    """How messages reach subscribers, and what welcomes them."""

    router: ClassVar[APIRouter] = router

    push: Push
    greeter: Greeter


@router.websocket("/v1/stream")
async def stream(socket: WebSocket, part: Annotated[StreamPart, given(StreamPart)]) -> None:
    """Serve the protocol to one subscriber until either side closes."""
    if (refusal := part.push.refusal()) is not None:
        await socket.send_denial_response(refusal)
        return
    caller = client_access(socket)
    try:
        grant = caller.access.grant_of(socket.headers.get("authorization"))
    except CredentialsError as error:
        caller.audit("refused", None, why=str(error))
        await socket.send_denial_response(unauthorised(str(error)))
        return
    offered = socket.scope.get("subprotocols", [])
    await socket.accept(PROTOCOL if PROTOCOL in offered else None)
    asked = socket.query_params.getlist("headset")
    connection = _Connection(part, socket.scope["state"]["wire"], caller, grant, asked)
    part.push.subscribers.add(connection)
    try:
        # Until it ends; only messages from before the connection listened arrive here.
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            connection.receive(message.get("text"))
    finally:
        connection.detach()
        part.push.subscribers.remove(connection)


@router.get("/v1/stream", include_in_schema=False)
async def no_upgrade() -> None:
    """Refuse a request without an upgrade, with the ways to connect."""
    raise HTTPException(
        HTTPStatus.UPGRADE_REQUIRED,
        "this is a WebSocket; connect with a WebSocket client, or follow one headset by "
        "events at /v1/headsets/{identifier}/stream",
        {"Upgrade": "websocket", "Connection": "Upgrade"},
    )


def unauthorised(why: str) -> Response:
    """Return the response to invalid credentials."""
    response = problem(HTTPStatus.UNAUTHORIZED, why)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


class _Connection:
    """Connects a session with its wire."""

    def __init__(
        self,
        part: StreamPart,
        wire: Wire,
        caller: ClientAccess,
        grant: Grant | None,
        asked: Sequence[str],
    ) -> None:
        push = part.push
        self._metrics = push.metrics
        self._wire = wire
        self._session = Session(
            push.bus,
            caller,
            welcome=part.greeter.welcome,
            close=self._close,
            wake=lambda: push.fanout.mark(self),
            clock=push.clock,
            utc=push.utc,
            grant=grant,
            asked=asked,
        )
        self.outbox = self._session.outbox
        wire.listen(self.receive, self._hold, self._session.count)

    def write(self, frames: list[Frame]) -> bool:
        """Send messages."""
        return self._wire.write(frames)

    def fail(self) -> None:
        """Cut the connection."""
        self._wire.transport.abort()

    def tick(self) -> None:
        """Check timeouts and credentials."""
        self._session.tick()
        self._metrics.conflated.inc(self.outbox.newly_conflated())

    def leave(self, reconnect_after_ms: int) -> None:
        """Announce that the service is stopping, and when to reconnect."""
        self._session.leave(reconnect_after_ms)

    def end(self, code: CloseCode, reason: str) -> None:
        """Send the pending messages that may still be sent, and close the connection."""
        self._session.end(code, reason)

    def detach(self) -> None:
        """Release everything, since the connection is gone."""
        self._session.detach()
        self._metrics.conflated.inc(self.outbox.newly_conflated())
        ended = self._session.closed
        self._metrics.closed("left" if ended is None else ended.name.lower())

    def receive(self, text: str | None) -> None:
        """Process a message from the subscriber; None for one that is not text."""
        if text is None:
            self._session.end(CloseCode.BAD_MESSAGE, "found no UTF-8 text, expected JSON")
        else:
            self._session.receive(text)

    def _hold(self, full: bool) -> None:
        if full:
            self.outbox.hold()
        else:
            self.outbox.release()

    def _close(self, code: CloseCode, reason: str) -> None:
        while frames := self.outbox.take():
            self._wire.write(frames)
        self._wire.finish(code, reason)
