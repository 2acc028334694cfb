"""The WebSocket: a `Session` of the protocol on a real connection."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, WebSocket
from starlette.responses import Response

from eeg_emotion.access.access import CredentialsError
from eeg_emotion.access.grants import Grant
from eeg_emotion.api.problems import problem
from eeg_emotion.api.server import Wire
from eeg_emotion.api.service import Service
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import PROTOCOL
from eeg_emotion.publish.session import Session

RETRY_AFTER_SECONDS = 10
"""For one whom a full or a stopping service refuses."""


def stream_router(service: Service) -> APIRouter:
    """Make the route `/v1/stream`."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        if (refusal := refuse(service)) is not None:
            await socket.send_denial_response(refusal)
            return
        client = "" if socket.client is None else f"{socket.client.host}:{socket.client.port}"
        try:
            grant = service.access.grant_of(socket.headers.get("authorization"))
        except CredentialsError as error:
            service.access.at(client).audit("refused", None, why=str(error))
            await socket.send_denial_response(unauthorised(str(error)))
            return
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        asked = socket.query_params.getlist("headset")
        connection = _Connection(service, socket.scope["state"]["wire"], client, grant, asked)
        service.subscribers.add(connection)
        try:
            # Until it ends; only what came before it was listened to is heard here.
            while (message := await socket.receive())["type"] != "websocket.disconnect":
                connection.hear(message.get("text"))
        finally:
            connection.detach()
            service.subscribers.remove(connection)

    return router


def refuse(service: Service) -> Response | None:
    """Return the answer to one more connection where there can be none."""
    if service.draining:
        reason, why = "draining", "the service is stopping; try again in a moment"
    elif service.subscribers.full:
        reason = "connection_cap"
        why = f"found {service.subscribers.most} connections, the most there may be; try later"
    else:
        return None
    service.metrics.refused(reason)
    response = problem(HTTPStatus.SERVICE_UNAVAILABLE, why)
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def unauthorised(why: str) -> Response:
    """Return the answer to credentials that are not valid."""
    response = problem(HTTPStatus.UNAUTHORIZED, why)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


class _Connection:
    """A session and its wire, joined."""

    def __init__(
        self,
        service: Service,
        wire: Wire,
        client: str,
        grant: Grant | None,
        asked: Sequence[str],
    ) -> None:
        self._service = service
        self._wire = wire
        self._session = Session(
            service.bus,
            service.access.at(client),
            welcome=service.welcome,
            close=self._close,
            wake=lambda: service.fanout.mark(self),
            clock=service.clock,
            utc=service.utc,
            grant=grant,
            asked=asked,
        )
        self.outbox = self._session.outbox
        wire.listen(self.hear, self._hold, self._session.count)

    def write(self, frames: list[Frame]) -> bool:
        """Send messages."""
        return self._wire.write(frames)

    def fail(self) -> None:
        """Cut the connection."""
        self._wire.transport.abort()

    def tick(self) -> None:
        """Look at the time."""
        self._session.tick()
        self._service.metrics.conflated.inc(self.outbox.newly_conflated())

    def leave(self, reconnect_after_ms: int) -> None:
        """Tell that the service stops, and when to come again."""
        self._session.leave(reconnect_after_ms)

    def end(self, code: CloseCode, reason: str) -> None:
        """Send what may still be sent, and close the connection."""
        self._session.end(code, reason)

    def detach(self) -> None:
        """Let go of everything, since the connection is gone."""
        self._session.detach()
        self._service.metrics.conflated.inc(self.outbox.newly_conflated())
        ended = self._session.closed
        self._service.metrics.closed("left" if ended is None else ended.name.lower())

    def hear(self, text: str | None) -> None:
        """Take what the subscriber said; None for what is no text."""
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
