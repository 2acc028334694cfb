"""A WebSocket's connection: uvicorn's protocol, adapted to many subscribers and to idle peers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request
from websockets.protocol import State

from eeg_emotion.api.arrivals import Arrival
from eeg_emotion.publish.frames import Frame

LARGEST_CLIENT_MESSAGE = 4096
"""Bytes. Clients send only short messages; uvicorn's default is 16 MiB."""

PING_SECONDS = 20.0
"""Between pings, and for their answer: a dead peer is dropped after 40 s, and proxies, most of
which cut connections that are silent for 60 s, see traffic."""

# What a subscriber does not read waits first in these buffers, then in its outbox. Only in the
# outbox do newer messages replace it, so the buffers are small: with the system's default sizes, a
# reader that sleeps would wake up to hours of stale predictions.
SEND_BUFFER_BYTES = 16 * 1024
"""Of the kernel, for each connection."""

WRITE_BUFFER_BYTES = 4096
"""Of this process, for each connection, above which an outbox waits."""

_CLOSE_SECONDS = 1.0  # for a peer to answer a close; one that is stuck never does
_LONGEST_REASON_BYTES = 123  # of a close frame, by RFC 6455


def narrow(transport: asyncio.Transport) -> None:
    """Make the buffers between an outbox and the network small."""
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


class Wire(WebSocketsSansIOProtocol):
    """One WebSocket, which its endpoint finds in ``scope["state"]``.

    The endpoint accepts it like any other, and then receives through `listen` and writes through
    `write`: directly, without waking a task for each message, which costs as much as sending it.

    However a close begins, the connection is gone a second later: `transport.close` alone waits
    until the buffer is sent, which never happens if the peer does not read.
    """

    _arrival: Arrival | None = None
    _receive: Callable[[str | None], None] | None = None
    _hold: Callable[[bool], None] | None = None
    _count: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Limit the buffers from the beginning."""
        super().connection_made(transport)
        narrow(self.transport)
        # Nothing is read until it is accepted, since nothing would count it against the limits.
        self.transport.pause_reading()
        self.app_state: dict[str, Any] = {**self.app_state, "wire": self}

    def take(self, request: Request, arrival: Arrival) -> None:
        """Begin with a handshake that has been read and checked.

        Parameters
        ----------
        request
            The handshake.
        arrival
            The connection's owner.
        """
        self._arrival = arrival
        # This protocol's own parser has other limits, and no answer for what is beyond them; it
        # passes over a request that says nothing.
        self.conn.receive_data(b"GET / HTTP/1.1\r\n\r\n")
        self.conn.events_received()
        self.handle_connect(request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._arrival is not None:
            self._arrival.close()
        super().connection_lost(exc)

    def listen(
        self,
        receive: Callable[[str | None], None],
        hold: Callable[[bool], None],
        count: Callable[[], None],
    ) -> None:
        """Pass everything received to an endpoint from now on.

        Parameters
        ----------
        receive
            Called with each text message, and with None for a binary one.
        hold
            Called with True to stop writing, and with False to resume.
        count
            Called for each frame that is not a message: an endless run of them is a flood too.
        """
        self._receive, self._hold, self._count = receive, hold, count
        if self._arrival is not None:
            self._arrival.subscribe()
        self.transport.resume_reading()
        if not self.writable.is_set():
            hold(True)

    def write(self, frames: Sequence[Frame]) -> bool:
        """Send messages in one go; on a connection that is closing they are dropped.

        Returns
        -------
        Whether they were sent.
        """
        if self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(b"".join([frame.packed or _pack(frame) for frame in frames]))
        return True

    def finish(self, code: int, reason: str) -> None:
        """Close the connection, whether or not the peer is able to answer."""
        if self.close_sent or self.transport.is_closing() or self.conn.state is not State.OPEN:
            self._let_go()
            return
        reason = reason.encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore")
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._let_go()

    def _let_go(self) -> None:
        # connection_lost cancels it.
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    def eof_received(self) -> None:
        """Close, as asyncio does by itself on return."""
        self._let_go()

    def handle_close(self, event: WireFrame) -> None:
        """Answer the peer's close."""
        super().handle_close(event)
        self._let_go()

    def handle_parser_exception(self) -> None:
        """Close on an invalid WebSocket frame or too large a message."""
        super().handle_parser_exception()
        self._let_go()

    def handle_ping(self) -> None:
        """Answer a ping, unless the peer has not read what was sent before."""
        answer = b"".join(self.conn.data_to_send())
        self._count_in()
        if self._count is not None and self.writable.is_set() and not self.close_sent:
            self.transport.write(answer)

    def handle_pong(self, event: WireFrame) -> None:
        """Process the answer to our ping; count any other pong."""
        if self.pending_ping_payload is None or bytes(event.data) != self.pending_ping_payload:
            self._count_in()
        else:
            super().handle_pong(event)

    def handle_cont(self, event: WireFrame) -> None:
        """Process a continuation frame."""
        # Only a message's bytes are limited; there could be any number of empty frames.
        self._count_in()
        super().handle_cont(event)

    def _count_in(self) -> None:
        if self._count is not None:
            self._count()

    async def send(self, message: ASGISendEvent) -> None:
        """Send an ASGI event of the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # uvicorn does not count a refusal as a completed handshake, and would log each as an
            # error: anyone could fill the log that way.
            self.handshake_complete = True

    def pause_writing(self) -> None:
        """Stop the endpoint's writing while the socket's buffer is full."""
        super().pause_writing()
        if self._hold is not None:
            self._hold(True)

    def resume_writing(self) -> None:
        """Resume the endpoint's writing."""
        super().resume_writing()
        if self._hold is not None:
            self._hold(False)

    def send_receive_event_to_app(self) -> None:
        """Pass a whole message to the endpoint."""
        if self._receive is None:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        try:
            text = data.decode() if self.curr_msg_data_type == "text" else None
        except UnicodeDecodeError:
            text = None
        self._receive(text)

    def keepalive_timeout(self) -> None:
        """Cut the connection to a peer that has not answered a ping."""
        super().keepalive_timeout()
        self.transport.abort()


def _pack(frame: Frame) -> bytes:
    """Make the WebSocket frame, the same for every subscriber since servers do not mask."""
    frame.packed = WireFrame(Opcode.TEXT, frame.data).serialize(mask=False)
    return frame.packed
