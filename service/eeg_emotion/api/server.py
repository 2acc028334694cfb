"""The server that carries the application: uvicorn, with what a live service needs of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_LARGEST_CLIENT_MESSAGE = 4096  # clients have next to nothing to say; uvicorn's default is 16 MiB
# What a subscriber does not read waits first in these buffers, then in its outbox. Only there is
# it replaced by what is newer, so the buffers are small: with the system's own sizes, a reader
# that sleeps would wake up to hours of stale predictions.
_SEND_BUFFER_BYTES = 16 * 1024
_WRITE_BUFFER_BYTES = 4096


class Server(uvicorn.Server):
    """uvicorn, with the signals left to the daemon: it says goodbye before sockets close.

    Attributes
    ----------
    answering
        Set once requests are answered.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def make_server(app: FastAPI, *, ping_seconds: float = 20.0) -> Server:
    """Make the server; `Server.serve(sockets=[listener])` runs it.

    Parameters
    ----------
    app
        The application.
    ping_seconds
        Time between pings to each subscriber, and from a ping to giving up on its answer.
    """
    return Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws=_Subscriber,
            ws_max_size=_LARGEST_CLIENT_MESSAGE,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
            # Without compression a connection takes 14 KiB, with it 64.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=3,
        )
    )


class _Subscriber(WebSocketsSansIOProtocol):
    """One WebSocket, with little room between the outbox and the network."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # Closing waits for what is buffered to be sent, which a dead peer never lets happen.
        self.transport.abort()
