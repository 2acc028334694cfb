"""A service's messages as an async iterator that mends its connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from random import Random

from eeg_emotion.client.address import Address, stream_address
from eeg_emotion.client.backoff import Backoff
from eeg_emotion.client.connection import Loss, ServiceConnection, open_connection
from eeg_emotion.client.dialling import UnreachableError
from eeg_emotion.client.handshake import make_opening
from eeg_emotion.client.inbox import Inbox, Message
from eeg_emotion.publish.messages import Welcome
from eeg_emotion.publish.requests import EVERY_HEADSET

# A service that greets and then drops us at once must not be hammered.
_PROVEN_SECONDS = 10.0

Token = str | Callable[[], str] | None

logger = logging.getLogger(__name__)


class Stream:
    """What `connect` gives: iterate over it.

    Per headset and epoch the `seq` of predictions only grows. It has holes where the consumer was
    too slow, since it is then given the newest, and where a `Reconnected` says so. A consumer may
    be cancelled while it waits; nothing is lost by that.

    Attributes
    ----------
    welcome
        What the service said of itself when the newest connection was made.
    """

    def __init__(
        self,
        address: Address,
        headsets: Sequence[str],
        detail: Sequence[str],
        token: Token,
        *,
        random: Random,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self.welcome: Welcome
        self._address = address
        self._headsets = headsets
        self._detail = detail
        self._token = token
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(random)
        self._inbox = Inbox()
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._end: Exception | None = None
        self._running: asyncio.Task[None]
        self._connection: ServiceConnection

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Message:
        """Wait for the next message.

        Raises
        ------
        RefusedError, MessageError
            If the service will serve this client no more.
        """
        while (message := self._inbox.take()) is None:
            if self._running.done():
                raise self._end or StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        self._taken.set()
        return message

    async def _start(self) -> None:
        self._connection = await self._open(None)
        self._running = asyncio.create_task(self._run())

    async def _stop(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        await self._connection.close()

    async def _run(self) -> None:
        try:
            while True:
                begun = self._clock()
                loss = await self._connection.run()
                if loss.well or self._clock() - begun > _PROVEN_SECONDS:
                    self._backoff.reset()
                self._connection = await self._open_again(loss)
        except Exception as error:  # whatever it is, the consumer is not to wait for ever
            self._end = error
        finally:
            self._arrived.set()

    async def _open_again(self, loss: Loss) -> ServiceConnection:
        wait = self._backoff.next() if loss.wait is None else loss.wait
        why = loss.why
        while True:
            logger.info("lost %s (%s), trying again in %.1f s", self._address.url, why, wait)
            await self._sleep(wait)
            # A consumer that is behind takes what it has first: so no more than one connection's
            # credits wait here, and it is told nothing that it did not miss.
            while self._inbox.waiting:
                self._taken.clear()
                await self._taken.wait()
            try:
                return await self._open(loss.why)
            except UnreachableError as error:
                why = str(error)
                wait = (error.retry_after or 0.0) + self._backoff.next()

    async def _open(self, why: str | None) -> ServiceConnection:
        positions = self._inbox.positions
        token = self._token() if callable(self._token) else self._token
        opening = make_opening(token, self._headsets, self._detail, positions)
        self._inbox.begin(opening.names, why)
        connection = await open_connection(
            self._address,
            opening,
            asked=self._headsets,
            inbox=self._inbox,
            arrived=self._arrived.set,
            taken=self._taken,
            clock=self._clock,
        )
        self.welcome = connection.welcome
        return connection


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    headsets: Sequence[str] = (EVERY_HEADSET,),
    detail: Sequence[str] = (),
    token: Token = None,
    random: Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> AsyncIterator[Stream]:
    """Follow headsets of a service.

    The first connection is made on entering. When it is lost another one is made, and goes on where
    the last one ended: after less than 60 s with exactly the predictions that were missed, else
    with the newest. `Reconnected` tells which. What the consumer takes is acknowledged, so one
    that is slow is given the newest messages and not a backlog.

    Parameters
    ----------
    url
        The service's page, such as ``http://127.0.0.1:8000``, or its stream, such as
        ``wss://example.org/v1/stream``.
    headsets
        Ids; ``*`` for all that there are and will be.
    detail
        Headsets of which `Detail` is wanted too; ``*`` for all that are followed.
    token
        A key or token where the service asks for one, or what gives one for each connection: a JWT
        lasts ten minutes at most, and when it expires another connection is made, with what a
        callable then gives. It is called in the event loop, so it must not block; what it raises
        ends the stream, so a failure that will pass is its own to wait out. A fixed token that has
        expired is refused.
    random
        Spreads the attempts to connect again.
    clock
        Monotonic; seconds.
    sleep
        Waits between attempts.

    Raises
    ------
    AddressError
        If `url` is no such address.
    UnreachableError
        If the first connection cannot be made. Whether later ones can is tried until they can.
    RefusedError
        If the service refuses, now or while iterating: a wrong token, a headset not allowed.
    MessageError
        If it says, now or while iterating, what this client does not understand.
    Exception
        Whatever a callable `token` raises, now or while iterating.

    Examples
    --------
    ::

        async with connect("http://127.0.0.1:8000", headsets=["ward-7"]) as stream:
            async for message in stream:
                if isinstance(message, Prediction) and message.valid:
                    print(message.arousal.label, message.valence.label)
    """
    stream = Stream(
        stream_address(url),
        headsets,
        detail,
        token,
        random=random or Random(),  # noqa: S311 - it only spreads attempts
        clock=clock,
        sleep=sleep,
    )
    await stream._start()
    try:
        yield stream
    finally:
        await stream._stop()
