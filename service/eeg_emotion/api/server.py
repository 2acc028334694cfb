"""The HTTP and WebSocket server: uvicorn, adapted to the needs of a live service."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from eeg_emotion.api.arrivals import Arrivals
from eeg_emotion.api.head import Head
from eeg_emotion.api.request_connection import RequestConnection
from eeg_emotion.api.root_path import RootPath
from eeg_emotion.api.wire import LARGEST_CLIENT_MESSAGE, PING_SECONDS, Wire

BACKLOG = 2048
"""Connections that the kernel completes ahead of `accept`."""

# Connections accepted in one go. More, and those whose request waits in the kernel would count as
# silent before anything of them is read.
_ACCEPTED_AT_ONCE = 64
_NO_DESCRIPTOR = (
    "socket.accept() out of system resource"  # asyncio's; it tries again a second later
)
_ACCEPTING_AGAIN = "_start_serving"  # in what asyncio says of a failed retry
_ACCEPT_RETRY_SECONDS = 0.5


class Server(uvicorn.Server):
    """uvicorn, with signals left to the daemon, which notifies clients before sockets close.

    Attributes
    ----------
    answering
        Set once requests are answered.
    """

    def __init__(self, config: uvicorn.Config, arrivals: Arrivals) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()
        self._arrivals = arrivals
        self._accepting_again = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and set `answering`."""
        loop = asyncio.get_running_loop()
        earlier = loop.get_exception_handler() or type(loop).default_exception_handler
        loop.set_exception_handler(partial(self._on_loop_error, earlier))
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)  # asyncio has made it `_ACCEPTED_AT_ONCE`
        self.answering.set()

    def _on_loop_error(
        self,
        earlier: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object],
        loop: asyncio.AbstractEventLoop,
        context: dict[str, Any],
    ) -> None:
        """Make room where no descriptor is left; asyncio would log each attempt to accept."""
        message = str(context.get("message"))
        if self.should_exit and _ACCEPTING_AGAIN in message:
            return  # a second after it could not accept, asyncio tries again: on a closed listener
        if message != _NO_DESCRIPTOR:
            earlier(loop, context)
        elif loop.time() >= self._accepting_again:
            self._accepting_again = loop.time() + _ACCEPT_RETRY_SECONDS
            self._arrivals.out_of_descriptors()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, without waiting for requests that have not arrived."""
        self._arrivals.abort()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals; the daemon handles them."""
        yield


def make_server(
    app: ASGIApp,
    *,
    ping_seconds: float = PING_SECONDS,
    arrivals: Arrivals | None = None,
    trusted_proxies: Sequence[str] = (),
    root_path: str = "",
) -> Server:
    """Make the server; `Server.serve(sockets=[listener])` runs it.

    Parameters
    ----------
    app
        The application.
    ping_seconds
        Time between pings to each subscriber, and from a ping to giving up on its answer.
    arrivals
        Owns the connections; by default the server has its own.
    trusted_proxies
        Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    root_path
        The path that a proxy serves the application under; empty without one.
    """
    arrivals = arrivals or Arrivals()
    return Server(
        uvicorn.Config(
            Head(RootPath(app, root_path)),
            lifespan="off",
            log_config=None,
            access_log=False,
            # uvicorn's annotation requires a class, but it only calls it.
            http=partial(RequestConnection, arrivals=arrivals),  # type: ignore[arg-type]  # makes one
            ws=Wire,
            ws_max_size=LARGEST_CLIENT_MESSAGE,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
            # Without compression a connection takes 14 KiB, with it 64.
            ws_per_message_deflate=False,
            backlog=_ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=2,
            # Otherwise any client could put any address into the audit.
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
        ),
        arrivals,
    )
