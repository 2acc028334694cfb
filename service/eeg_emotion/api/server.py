"""The server that carries the application: uvicorn, with what a live service needs of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.protocol import State

from eeg_emotion.api.arrivals import Arrivals
from eeg_emotion.publish.frames import Frame

LARGEST_CLIENT_MESSAGE = 4096
"""Bytes. Clients have little to say; uvicorn's default is 16 MiB."""

PING_SECONDS = 20.0
"""Between pings, and for their answer: a dead peer is gone after 40 s, and proxies, most of which
cut a connection that is silent for 60 s, see it alive."""

# What a subscriber does not read waits first in these buffers, then in its outbox. Only there is
# it replaced by what is newer, so the buffers are small: with the system's own sizes, a reader
# that sleeps would wake up to hours of stale predictions.
SEND_BUFFER_BYTES = 16 * 1024
"""Of the kernel, for each connection."""

WRITE_BUFFER_BYTES = 4096
"""Of this process, for each connection, above which an outbox waits."""

_CLOSE_SECONDS = 1.0  # for a peer to answer that it closes too; one that is stuck never does
_UNACKNOWLEDGED_MS = 45_000  # what is sent may be, by the peer's system, before it counts as dead
_LONGEST_REASON_BYTES = 123  # of a close frame, by RFC 6455


class Server(uvicorn.Server):
    """uvicorn, with the signals left to the daemon: it says goodbye before sockets close.

    Attributes
    ----------
    answering
        Set once requests are answered.
    """

    def __init__(self, config: uvicorn.Config, arrivals: Arrivals) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()
        self._arrivals = arrivals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.answering.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, without waiting for requests that have not arrived."""
        self._arrivals.abort()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def make_server(
    app: ASGIApp,
    *,
    ping_seconds: float = PING_SECONDS,
    arrivals: Arrivals | None = None,
    trusted_proxies: Sequence[str] = (),
) -> Server:
    """Make the server; `Server.serve(sockets=[listener])` runs it.

    Parameters
    ----------
    app
        The application.
    ping_seconds
        Time between pings to each subscriber, and from a ping to giving up on its answer.
    arrivals
        Bounds the connections without a whole request.
    trusted_proxies
        Addresses and networks whose word on where a request comes from is believed.
    """
    arrivals = arrivals or Arrivals()
    return Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            # uvicorn asks for a class by its annotation alone; it only calls it.
            http=partial(_Request, arrivals=arrivals),  # type: ignore[arg-type]
            ws=Wire,
            ws_max_size=LARGEST_CLIENT_MESSAGE,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
            # Without compression a connection takes 14 KiB, with it 64.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
            # Else whoever connects could name any address in the audit.
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
        ),
        arrivals,
    )


def narrow(transport: asyncio.Transport) -> None:
    """Leave little room between an outbox and the network."""
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


class _Request(H11Protocol):
    """A request's connection, whose endpoint finds the transport in ``scope["state"]``."""

    def __init__(self, *args: Any, arrivals: Arrivals, **options: Any) -> None:
        super().__init__(*args, **options)
        self._arrivals = arrivals

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        # asyncio does it for listeners of its own making alone. Without it an answer, written as
        # head and body, waits 40 ms for the peer to acknowledge the head.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; others wait for some 15 minutes
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
        self.app_state = {**self.app_state, "transport": transport}
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        super().handle_websocket_upgrade(event)
        self._arrivals.arrived(self)
        early, _ = self.conn.trailing_data
        if early:  # what came together with the upgrade, which uvicorn would forget
            self.transport.get_protocol().data_received(early)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._arrivals.arrived(self)
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        cycle = self.cycle
        if cycle is not None and not cycle.more_body and not cycle.response_complete:
            self._arrivals.arrived(self)
        else:
            self._arrivals.await_request(self, self.transport)


class Wire(WebSocketsSansIOProtocol):
    """One WebSocket, which its endpoint finds in ``scope["state"]``.

    The endpoint accepts it as any other, and from then on is fed through `listen` and writes
    through `write`: at once and without a task's turn for each message, which costs as much as
    the sending itself.

    Whatever begins to close it, a second later it is gone: `transport.close` alone waits for what
    is buffered to be sent, which a peer that does not read never lets happen.
    """

    _hear: Callable[[str | None], None] | None = None
    _hold: Callable[[bool], None] | None = None
    _count: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the way narrow from the beginning."""
        super().connection_made(transport)
        narrow(self.transport)
        # Until it is accepted nothing is heard, and what is not heard is not counted.
        self.transport.pause_reading()
        self.app_state: dict[str, Any] = {**self.app_state, "wire": self}

    def listen(
        self,
        hear: Callable[[str | None], None],
        hold: Callable[[bool], None],
        count: Callable[[], None],
    ) -> None:
        """Hand everything over to an endpoint.

        Parameters
        ----------
        hear
            Called with each text, and with None for what is none.
        hold
            Called with True when to wait with writing, and with False when to go on.
        count
            Called for each frame that is no message: who sends them without end is a flood too.
        """
        self._hear, self._hold, self._count = hear, hold, count
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
        """Close on what is no WebSocket frame, or too large a message."""
        super().handle_parser_exception()
        self._let_go()

    def handle_ping(self) -> None:
        """Answer a ping, unless what was sent before is not read."""
        answer = b"".join(self.conn.data_to_send())
        self._count_in()
        if self._count is not None and self.writable.is_set() and not self.close_sent:
            self.transport.write(answer)

    def handle_pong(self, event: WireFrame) -> None:
        """Take an answer to our ping."""
        if self.pending_ping_payload is None or bytes(event.data) != self.pending_ping_payload:
            self._count_in()
        else:
            super().handle_pong(event)

    def handle_cont(self, event: WireFrame) -> None:
        """Take a further part of a message."""
        # Only a message's bytes are limited; of empty parts there could be any number.
        self._count_in()
        super().handle_cont(event)

    def _count_in(self) -> None:
        if self._count is not None:
            self._count()

    async def send(self, message: ASGISendEvent) -> None:
        """Send for the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # uvicorn does not count a refusal as an answer, and would log each as an error: anyone
            # could fill the log that way.
            self.handshake_complete = True

    def pause_writing(self) -> None:
        """Pass on that the socket takes no more."""
        super().pause_writing()
        if self._hold is not None:
            self._hold(True)

    def resume_writing(self) -> None:
        """Pass on that the socket takes more again."""
        super().resume_writing()
        if self._hold is not None:
            self._hold(False)

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message to who listens."""
        if self._hear is None:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        try:
            text = data.decode() if self.curr_msg_data_type == "text" else None
        except UnicodeDecodeError:
            text = None
        self._hear(text)

    def keepalive_timeout(self) -> None:
        """Let go of a peer that answers no ping."""
        super().keepalive_timeout()
        self.transport.abort()


def _pack(frame: Frame) -> bytes:
    """Make the WebSocket frame, the same for every subscriber since servers do not mask."""
    frame.packed = WireFrame(Opcode.TEXT, frame.data).serialize(mask=False)
    return frame.packed
