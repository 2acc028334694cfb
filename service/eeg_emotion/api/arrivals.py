"""Connections whose request has not wholly arrived: few, and not for long.

Nothing else bounds them: neither uvicorn nor asyncio minds a peer that connects and says nothing,
and enough of those take every file descriptor, after which not even `/livez` is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

MOST = 200
"""Several times what arrives at once when every page connects anew; one more ends the oldest, so
that who has something to say is heard."""

PATIENCE_SECONDS = 20.0
"""For a whole request: 1 MiB over a slow uplink."""


class Arrivals:
    """The connections that a request is still awaited on.

    Parameters
    ----------
    most
        How many there may be.
    patience_seconds
        How long one may take.
    """

    def __init__(self, most: int = MOST, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._most = most
        self._patience_seconds = patience_seconds
        self._awaited: dict[Hashable, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}

    def await_request(self, connection: Hashable, transport: asyncio.Transport) -> None:
        """Give a connection its time; one that has it already keeps what is left of it."""
        if connection in self._awaited:
            return
        timer = asyncio.get_running_loop().call_later(self._patience_seconds, transport.abort)
        self._awaited[connection] = transport, timer
        if len(self._awaited) > self._most:
            oldest = next(iter(self._awaited))
            self._awaited[oldest][0].abort()
            self.arrived(oldest)

    def arrived(self, connection: Hashable) -> None:
        """Let a connection be: its request is here, or the connection is gone."""
        _, timer = self._awaited.pop(connection, (None, None))
        if timer is not None:
            timer.cancel()

    def abort(self) -> None:
        """End them all, since the service stops."""
        for connection, (transport, _) in list(self._awaited.items()):
            transport.abort()
            self.arrived(connection)
