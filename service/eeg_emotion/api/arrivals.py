"""Limits connections whose request has not completely arrived, in number and time.

Nothing else limits them: uvicorn and asyncio accept peers that connect and send nothing, and
enough of those take every file descriptor, after which not even `/livez` is answered.

A connection is not cut while its peer is still receiving the previous response: a response counts
as complete once it is written, and a slow reader receives the rest of it much later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

MOST = 200
"""Several times what arrives at once when every page reconnects; beyond it the oldest is cut, so
that a new connection can always send its request."""

PATIENCE_SECONDS = 20.0
"""For a whole request, 1 MiB over a slow uplink; and for any progress with a response."""


class Arrivals:
    """The connections on which a request is still awaited.

    Parameters
    ----------
    most
        The largest number allowed.
    patience_seconds
        The time that a request may take.
    """

    def __init__(self, most: int = MOST, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._most = most
        self._patience_seconds = patience_seconds
        self._awaited: dict[Hashable, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}

    def await_request(self, connection: Hashable, transport: asyncio.Transport) -> None:
        """Start a connection's timeout, unless it is running already."""
        if connection in self._awaited:
            return
        self._wait(connection, transport)
        if len(self._awaited) > self._most:
            others = [key for key in self._awaited if key != connection]
            silent = (key for key in others if not _unsent(self._awaited[key][0]))
            self._cut(next(silent, others[0]))

    def _wait(self, connection: Hashable, transport: asyncio.Transport) -> None:
        timer = asyncio.get_running_loop().call_later(
            self._patience_seconds, self._time_over, connection, transport, _unsent(transport)
        )
        self._awaited[connection] = transport, timer

    def _time_over(self, connection: Hashable, transport: asyncio.Transport, unsent: int) -> None:
        if 0 < _unsent(transport) < unsent:
            self._wait(connection, transport)
        else:
            self._cut(connection)

    def _cut(self, connection: Hashable) -> None:
        self._awaited[connection][0].abort()
        self.arrived(connection)

    def arrived(self, connection: Hashable) -> None:
        """Stop a connection's timeout: its request has arrived, or the connection is gone."""
        _, timer = self._awaited.pop(connection, (None, None))
        if timer is not None:
            timer.cancel()

    def abort(self) -> None:
        """End all connections except those that are still receiving an answer."""
        for connection, (transport, _) in list(self._awaited.items()):
            if not _unsent(transport):
                self._cut(connection)


def _unsent(transport: asyncio.Transport) -> int:
    return transport.get_write_buffer_size()
