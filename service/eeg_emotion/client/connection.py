"""One WebSocket to a service, from its opening to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from eeg_emotion.client.address import Address
from eeg_emotion.client.dialling import (
    LONGEST_WAIT_SECONDS,
    RefusedError,
    UnreachableError,
    describe,
    dial,
    refusal,
)
from eeg_emotion.client.handshake import Opening
from eeg_emotion.client.inbox import Inbox
from eeg_emotion.client.parsing import MessageError, parse
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.messages import GoingAway, Refused, Welcome

_WELCOME_SECONDS = 10.0
# Without news from the consumer, before what it has taken is acknowledged: longer than any hop, or
# each prediction would have an acknowledgement of its own; the service waits for 30 s.
_QUIET_SECONDS = 5.0
# Somewhat below what the service allows: 20 at once, and 5 a second.
_SAID_AT_ONCE, _PACE_SECONDS = 16, 0.25


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a connection after which another may be made.

    Attributes
    ----------
    why
        In words.
    wait
        When the service said to come again, s from now; None where it said nothing.
    well
        Whether it ended for no fault of the service or the network: then waits begin anew.
    """

    why: str
    wait: float | None
    well: bool = False


class ServiceConnection:
    """An open connection; `open_connection` makes it.

    Parameters
    ----------
    socket
        Whose welcome was received, and over which the first message was sent.
    welcome
        That welcome.
    rest
        What else is to be said first.
    asked
        The headsets whose refusal ends everything.
    inbox
        Where messages go.
    arrived
        Called when there may be one to be taken.
    taken
        Set by the consumer when it has taken one.
    clock
        Monotonic; seconds.
    """

    def __init__(
        self,
        socket: ClientConnection,
        welcome: Welcome,
        rest: tuple[str, ...],
        *,
        asked: Collection[str],
        inbox: Inbox,
        arrived: Callable[[], None],
        taken: asyncio.Event,
        clock: Callable[[], float],
    ) -> None:
        self.welcome = welcome
        self._socket = socket
        self._rest = rest
        self._asked = asked
        self._inbox = inbox
        self._arrived = arrived
        self._taken = taken
        self._clock = clock
        self._return_at: float | None = None

    async def run(self) -> Loss:
        """Receive and acknowledge until the connection ends.

        Raises
        ------
        RefusedError, MessageError
            If another connection would end in the same way.
        """
        async with asyncio.TaskGroup() as tasks:
            others = [
                tasks.create_task(self._say_rest()),
                tasks.create_task(self._acknowledge()),
            ]
            end = await self._receive()
            for task in others:
                task.cancel()
        await self.close()
        if isinstance(end, EegEmotionError):
            raise end
        return end

    async def close(self) -> None:
        """Close the connection, if it is not closed."""
        await self._socket.close()

    async def _receive(self) -> Loss | RefusedError | MessageError:
        """Take in all that comes, whether or not the consumer takes it.

        What waits is bounded by acknowledgements; unread, it would keep the service's pings from
        being answered.
        """
        heartbeat = self.welcome.heartbeat_seconds
        pinged = False
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    data = await self._socket.recv(decode=False)
            except TimeoutError:
                if pinged:
                    return self._lost(f"nothing came for {2 * heartbeat:g} s")
                pinged = True
                await self._send('{"type":"ping"}')
                continue
            except ConnectionClosed as error:
                code = None if error.rcvd is None else error.rcvd.code
                if code == CloseCode.SLOW:
                    return Loss(describe(error), 0.0)  # who is awake again need not wait
                expired = code == CloseCode.CREDENTIALS_EXPIRED
                return refusal(error) or self._lost(describe(error), well=expired)
            pinged = False
            try:
                message = parse(data)
            except MessageError as error:
                return error
            match message:
                case GoingAway(reconnect_after_ms=wait):
                    self._return_at = self._clock() + min(wait / 1e3, LONGEST_WAIT_SECONDS)
                case Refused(headset=headset, detail=detail) if headset in self._asked:
                    return RefusedError(None, detail, "ask for other headsets, or with more scopes")
            self._inbox.add(message)
            self._arrived()
            # An answer to this client waits for no consumer, and is acknowledged like the rest.
            self._taken.set()

    async def _acknowledge(self) -> None:
        """Acknowledge what was taken, every so many messages and when no more is taken."""
        acknowledged = 0
        while True:
            waiting = self._inbox.dealt > acknowledged
            try:
                async with asyncio.timeout(_QUIET_SECONDS if waiting else None):
                    await self._taken.wait()
                self._taken.clear()
                due = self._inbox.dealt - acknowledged >= self.welcome.ack_every
            except TimeoutError:
                due = True
            if due:
                acknowledged = self._inbox.dealt
                await self._send(json.dumps({"type": "ack", "received": acknowledged}))

    async def _say_rest(self) -> None:
        for index, text in enumerate(self._rest, 2):
            if index > _SAID_AT_ONCE:
                await asyncio.sleep(_PACE_SECONDS)
            await self._send(text)

    async def _send(self, text: str) -> None:
        # Who receives learns of the end as well, and why.
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(text)

    def _lost(self, why: str, *, well: bool = False) -> Loss:
        wait = None if self._return_at is None else max(0.0, self._return_at - self._clock())
        return Loss(why, wait, well)


async def open_connection(
    address: Address,
    opening: Opening,
    *,
    asked: Collection[str],
    inbox: Inbox,
    arrived: Callable[[], None],
    taken: asyncio.Event,
    clock: Callable[[], float],
) -> ServiceConnection:
    """Connect, say hello, and receive the welcome.

    Parameters
    ----------
    address
        Where.
    opening
        What to say first.
    asked, inbox, arrived, taken, clock
        As for `ServiceConnection`.

    Raises
    ------
    UnreachableError
        If it cannot be done now.
    RefusedError, MessageError
        If it could not be done later either.
    """
    socket = await dial(address)
    try:
        await socket.send(opening.texts[0])
        async with asyncio.timeout(_WELCOME_SECONDS):
            welcome = parse(await socket.recv(decode=False))
        if not isinstance(welcome, Welcome):
            raise MessageError(f"found no welcome as the first message of {address.url}")
    except ConnectionClosed as error:
        refused = refusal(error)
        raise refused or UnreachableError(f"{address.url}: {describe(error)}") from error
    except TimeoutError as error:
        await socket.close()
        raise UnreachableError(
            f"found no welcome from {address.url} within {_WELCOME_SECONDS:g} s"
        ) from error
    except BaseException:
        await socket.close()
        raise
    return ServiceConnection(
        socket,
        welcome,
        opening.texts[1:],
        asked=asked,
        inbox=inbox,
        arrived=arrived,
        taken=taken,
        clock=clock,
    )
