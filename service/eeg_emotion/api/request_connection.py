"""An accepted connection until its request is at an endpoint: uvicorn's protocol, with an owner."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from eeg_emotion.api.arrivals import Arrival, Arrivals, Phase
from eeg_emotion.api.problems import problem
from eeg_emotion.api.request_head import Refusal, RequestParser, handshake, not_a_handshake
from eeg_emotion.api.wire import Wire

_UNACKNOWLEDGED_MS = 45_000  # without TCP acknowledgement, after which a peer counts as dead
_UNSENT_BYTES = 64 * 1024  # in the kernel, beyond which an answer waits here, where it is watched
_LINGER_SECONDS = 1.0  # for a peer to read why it is refused

_TOO_LATE = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "found a request that did not arrive in time, expected all of it within {:g} s; send it again, "
    "or over a faster connection",
)
_CUT_SHORT = Refusal(
    HTTPStatus.BAD_REQUEST,
    "found the end of the connection within a request, expected the rest of the request; "
    "send all of it before closing",
)


class RequestConnection(H11Protocol):
    """One connection; its endpoint finds the transport and the arrival in ``scope["state"]``."""

    def __init__(self, *args: Any, arrivals: Arrivals, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn: RequestParser = RequestParser(self._malformed)
        self._arrivals = arrivals
        self._arrival: Arrival
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP
        """Begin to own the connection."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        # asyncio sets this only for listeners that it made. Without it a response, written as head
        # and body, waits 40 ms for the peer to acknowledge the head.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; others wait for some 15 minutes
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux and macOS
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        self._arrival = self._arrivals.open(transport, self._late)
        self.app_state = {**self.app_state, "transport": transport, "arrival": self._arrival}

    def data_received(self, data: bytes) -> None:
        """Parse what was received."""
        if self._refused:
            return  # read so that the peer can read why
        super().data_received(data)
        self._look()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio allows it
        """Answer a whole request although its peer sends no more; refuse one that was cut short.

        Returns
        -------
        Whether the connection stays open for an answer.
        """
        if self._refused or self._arrival.phase is Phase.SUBSCRIBER:
            return False
        if self._arrival.phase is Phase.ENDPOINT:
            self.cycle.keep_alive = False
            return True
        if self._has_begun():
            self._arrivals.refuse("malformed")
            self._answer(_CUT_SHORT)
        return False

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over to the WebSocket protocol."""
        if (refusal := not_a_handshake(event)) is not None:
            self._malformed(refusal)
            return
        self.connections.discard(self)
        self._arrival.serve()
        wire = Wire(config=self.config, server_state=self.server_state, app_state=self.app_state)
        wire.connection_made(self.transport)
        self.transport.set_protocol(wire)
        wire.take(handshake(event), self._arrival)
        early, _ = self.conn.trailing_data
        if early:
            wire.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._arrival.close()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Stop the endpoint's writing while the peer does not read."""
        super().pause_writing()
        self._arrival.block(True)

    def resume_writing(self) -> None:
        """Resume the endpoint's writing."""
        super().resume_writing()
        self._arrival.block(False)

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: some clients request `h2c` with every request, and are answered without."""

    def _look(self) -> None:
        if self._refused or self.transport.get_protocol() is not self:
            return
        cycle = self.cycle
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            self._arrival.serve()
        else:
            self._arrival.await_request()

    def _has_begun(self) -> bool:
        """Return whether a part of a request has arrived."""
        return self._is_in_body() or bool(self.conn.trailing_data[0])

    def _is_in_body(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _late(self) -> bool:
        """End a connection whose request is late; return whether that refuses a request."""
        if self._refused or self.transport.is_closing():
            self.transport.abort()
            return False
        if self._has_begun():
            why = _TOO_LATE.why.format(self._arrivals.patience_seconds)
            self._end_with(Refusal(_TOO_LATE.status, why))
            return True
        self.transport.abort()
        return self.cycle is None  # otherwise it was merely kept for another request

    def _malformed(self, refusal: Refusal) -> None:
        self._arrivals.refuse("malformed")
        self._end_with(refusal)

    def _end_with(self, refusal: Refusal) -> None:
        """Answer, and end the connection when the peer has had time to read that.

        What the peer still sends is read meanwhile: closing with unread data would reset the
        connection, and the answer would be lost.
        """
        self._answer(refusal)
        if not self.transport.is_closing():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _answer(self, refusal: Refusal) -> None:
        self._refused = True
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                return  # the endpoint has begun another answer
        response = problem(refusal.status, refusal.why)
        response.headers["Connection"] = "close"
        response.headers.update(dict(refusal.headers))
        headers = [*self.server_state.default_headers, *response.raw_headers]
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        phrase = HTTPStatus(refusal.status).phrase.encode()
        body = b"" if self.conn.method == b"HEAD" else bytes(response.body)
        self.transport.write(b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (refusal.status, phrase, head, body))
