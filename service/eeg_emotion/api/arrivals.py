"""Owns every accepted connection from `accept` to its loss, and gives each one deadline.

uvicorn and asyncio accept peers that connect and send nothing, send a request drop by drop, send
what no parser accepts, or do not read what they asked for. Enough of those take every file
descriptor, after which not even `/livez` is answered. So each connection is an `Arrival` here, in
one of four phases:

`REQUEST`
    A request is awaited, from `accept` and again after each answer. All of it arrives in time, or
    the connection ends; a byte now and then does not prolong it.
`ENDPOINT`
    An endpoint has the request, a WebSocket's handshake included.
`SUBSCRIBER`
    It is a subscriber's, which the cap on connections counts and `Subscribers` checks.
`GONE`
    It is lost, or being cut.

Whatever the phase, an answer that its peer does not take ends the connection: one that is written
faster than it is read, or one that is left when the connection closes. A slow reader has more time
as long as it takes something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from enum import Enum, auto

from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

MOST = 200
"""Of connections without a whole request: several times what arrives at once when every page
reconnects. Beyond it the oldest is cut, so that a new connection can always send its request."""

MOST_AT_ENDPOINTS = 800
"""Of connections whose request an endpoint has; beyond it the oldest is cut."""

PATIENCE_SECONDS = 20.0
"""For a whole request, 1 MiB over a slow uplink; and for any progress with an answer."""

_LOGGED_EVERY_SECONDS = 60.0
_CUT_WITHOUT_DESCRIPTORS = 16  # each time that no connection could be accepted


class Phase(Enum):
    """Whose turn it is."""

    REQUEST = auto()
    ENDPOINT = auto()
    SUBSCRIBER = auto()
    GONE = auto()


class Arrival:
    """One connection, from `accept` to its loss; `Arrivals.open` makes it.

    Attributes
    ----------
    transport
        The connection.
    phase
        Whose turn it is; None before the first.
    """

    def __init__(
        self, arrivals: Arrivals, transport: asyncio.Transport, late: Callable[[], bool]
    ) -> None:
        self._arrivals = arrivals
        self._late = late
        self._blocked = self._took = False
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self.transport = transport
        self.phase: Phase | None = None

    @property
    def silent(self) -> bool:
        """Return whether its peer has nothing left to read."""
        return not self.transport.get_write_buffer_size()

    def await_request(self) -> None:
        """Await a request; the time runs from the first call after the last request."""
        if self.phase is not Phase.REQUEST:
            self._enter(Phase.REQUEST)

    def serve(self) -> None:
        """Leave the connection to an endpoint, which has its request."""
        if self.phase is Phase.REQUEST:
            self._enter(Phase.ENDPOINT)

    def subscribe(self) -> None:
        """Leave the connection to a subscriber."""
        self._enter(Phase.SUBSCRIBER)

    def block(self, blocked: bool) -> None:
        """Report whether the peer has to read before more can be written."""
        if blocked and not self._blocked and self.phase is not Phase.GONE:
            self._arm()  # its time to read begins now
        self._blocked, self._took = blocked, True

    def close(self) -> None:
        """Forget the connection: it is lost."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._arrivals.move(self, Phase.GONE)

    def _enter(self, phase: Phase) -> None:
        if self.phase is not Phase.GONE:
            self._arm()
            self._arrivals.move(self, phase)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._took, self._unsent = False, self.transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(
            self._arrivals.patience_seconds, self._look
        )

    def _look(self) -> None:
        """End the connection if its peer had a turn and did not take it; otherwise look later."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and (self._took or unsent < self._unsent):
            self._arm()
        elif unsent and self._must_be_read():
            self._arrivals.cut(self, "unread")
        elif self.phase is not Phase.REQUEST:
            self._arm()
        else:
            self._timer = None
            if self._late():
                self._arrivals.refuse("timeout")

    def _must_be_read(self) -> bool:
        """Return whether it is the peer's reading that is waited for.

        A subscriber's has its own check, as long as its connection is not closing.
        """
        if self.transport.is_closing() or self.phase is Phase.REQUEST:
            return True
        return self._blocked and self.phase is Phase.ENDPOINT


class Arrivals:
    """All connections of a process.

    Parameters
    ----------
    most
        The largest number of connections without a whole request.
    patience_seconds
        The time that a request may take, and the longest time without progress with an answer.
    most_at_endpoints
        The largest number of requests at endpoints.
    refused
        Called with the reason of each refusal: `malformed`, `timeout`, `unread` or `crowded`.
    clock
        Monotonic seconds, for the log.
    """

    def __init__(
        self,
        most: int = MOST,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        most_at_endpoints: int = MOST_AT_ENDPOINTS,
        refused: Callable[[str], None] = lambda reason: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience_seconds = patience_seconds
        self._caps = {Phase.REQUEST: most, Phase.ENDPOINT: most_at_endpoints}
        # In each phase the oldest first.
        self._phases: dict[Phase, dict[Arrival, None]] = {
            phase: {} for phase in Phase if phase is not Phase.GONE
        }
        self._count = refused
        self._clock = clock
        self._logged: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    @property
    def count(self) -> int:
        """Return how many connections there are."""
        return sum(map(len, self._phases.values()))

    def __iter__(self) -> Iterator[Arrival]:
        """Iterate over the connections."""
        for arrivals in self._phases.values():
            yield from arrivals

    def open(
        self, transport: asyncio.Transport, late: Callable[[], bool] = lambda: False
    ) -> Arrival:
        """Own a connection that was just accepted.

        Parameters
        ----------
        transport
            The connection.
        late
            Called when no whole request has arrived in time: ends the connection, and returns
            whether that refuses a request.
        """
        arrival = Arrival(self, transport, late)
        arrival.await_request()
        return arrival

    def move(self, arrival: Arrival, phase: Phase) -> None:
        """Change a connection's phase, and keep to the caps; for `Arrival` only."""
        if arrival.phase in self._phases:
            self._phases[arrival.phase].pop(arrival)
        arrival.phase = phase
        if phase is Phase.GONE:
            return
        inside = self._phases[phase]
        inside[arrival] = None
        if len(inside) > self._caps.get(phase, len(inside)):
            self._make_room(phase, arrival)

    def _make_room(self, phase: Phase, but: Arrival | None = None) -> bool:
        """Cut the oldest other connection, a silent one if there is one; return whether it did."""
        others = [arrival for arrival in self._phases[phase] if arrival is not but]
        if not others:
            return False
        silent = (arrival for arrival in others if arrival.silent)
        self.cut(next(silent, others[0]), "crowded")
        return True

    def cut(self, arrival: Arrival, reason: str) -> None:
        """End a connection at once, and count it."""
        self.refuse(reason)
        arrival.close()
        arrival.transport.abort()

    def refuse(self, reason: str) -> None:
        """Count a refusal, and log it: one line a minute for each reason."""
        self._count(reason)
        self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
        if self._is_due(reason):
            logger.info("connections refused", reason=reason, count=self._unlogged.pop(reason))

    def _is_due(self, what: str) -> bool:
        """Return whether to log something that may be frequent, and note that it was logged."""
        now = self._clock()
        due = what not in self._logged or now - self._logged[what] >= _LOGGED_EVERY_SECONDS
        if due:
            self._logged[what] = now
        return due

    def out_of_descriptors(self) -> None:
        """Make room when the system has no descriptor left for another connection."""
        if self._is_due("descriptors"):
            logger.error(
                "no descriptor left for a connection",
                connections=self.count,
                remedy="raise the limit of open files (ulimit -n), or lower --max-connections",
            )
        for _ in range(_CUT_WITHOUT_DESCRIPTORS):
            if not self._make_room(Phase.REQUEST) and not self._make_room(Phase.ENDPOINT):
                return

    def abort(self) -> None:
        """End all connections without a request, except those still receiving an answer."""
        for arrival in list(self._phases[Phase.REQUEST]):
            if arrival.silent:
                arrival.close()
                arrival.transport.abort()
