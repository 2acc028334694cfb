"""One WebSocket connection to a service, from its handshake to its end."""

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
# How long after the consumer's last message the rest is acknowledged: longer than any hop, or each
# prediction would get its own acknowledgement; the service waits for 30 s.
_QUIET_SECONDS = 5.0
# Somewhat below the service's limits: 20 at once, and 5 a second.
_SENT_AT_ONCE, _PACE_SECONDS = 16, 0.25


@dataclass(frozen=True, slots=True)
class Loss:
    """The end of a connection after which another may be made.

    Attributes
    ----------
    why
        The reason in words.
    wait
        When the service asked to reconnect, in seconds from now; None if it did not.
    well
        Whether it ended without a fault of the service or the network: then the back-off restarts.
    """

    why: str
    wait: float | None
    well: bool = False


class ServiceConnection:
    """An open connection; `open_connection` makes it.

    Parameters
    ----------
    socket
        The socket on which the first message was sent and the welcome received.
    welcome
        The welcome.
    rest
        The other messages of the handshake.
    asked
        The headsets whose refusal ends the stream.
    inbox
        Receives the messages.
    arrived
        Called when there may be a message to take.
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
                tasks.create_task(self._send_rest()),
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
        """Close the connection, if it is still open."""
        await self._socket.close()

    async def _receive(self) -> Loss | RefusedError | MessageError:
        """Receive all messages, whether or not the consumer takes them.

        Their number is bounded by acknowledgements; unread messages would prevent the service's
        pings from being answered.
        """
        heartbeat = self.welcome.heartbeat_seconds
        pinged = False
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    data = await self._socket.recv(decode=False)
            except TimeoutError:
                if pinged:
                    return self._lost(f"nothing arrived for {2 * heartbeat:g} s")
                pinged = True
                await self._send('{"type":"ping"}')
                continue
            except ConnectionClosed as error:
                code = None if error.rcvd is None else error.rcvd.code
                if code == CloseCode.SLOW:
                    return Loss(describe(error), 0.0)  # after waking up there is no need to wait
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
                    return RefusedError(
                        None, detail, "subscribe to other headsets, or use a key with more scopes"
                    )
            self._inbox.add(message)
            self._arrived()
            # Answers to this client are not taken by the consumer, but are acknowledged as well.
            self._taken.set()

    async def _acknowledge(self) -> None:
        """Acknowledge what was taken, every `ack_every` messages and when no more is taken."""
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

    async def _send_rest(self) -> None:
        for index, text in enumerate(self._rest, 2):
            if index > _SENT_AT_ONCE:
                await asyncio.sleep(_PACE_SECONDS)
            await self._send(text)

    async def _send(self, text: str) -> None:
        # The receiving task notices the end as well, with the reason.
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
    """Connect, send hello, and receive the welcome.

    Parameters
    ----------
    address
        The service's stream.
    opening
        The first messages.
    asked, inbox, arrived, taken, clock
        As for `ServiceConnection`.

    Raises
    ------
    UnreachableError
        If that fails, but may succeed later.
    RefusedError, MessageError
        If it would fail later too.
    """
    socket = await dial(address)
    try:
        await socket.send(opening.texts[0])
        async with asyncio.timeout(_WELCOME_SECONDS):
            welcome = parse(await socket.recv(decode=False))
        if not isinstance(welcome, Welcome):
            raise MessageError(
                f"found another first message from {address.url}, expected a welcome; check that "
                "it is the address of an eeg-emotion service"
            )
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
