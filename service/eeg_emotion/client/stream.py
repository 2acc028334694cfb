"""A service's messages as an async iterator that reconnects by itself."""

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

# A service that welcomes us and then drops the connection at once must not be hammered.
_PROVEN_SECONDS = 10.0

Token = str | Callable[[], str] | None

logger = logging.getLogger(__name__)


class Stream:
    """The stream that `connect` yields: iterate over it.

    Per headset and epoch, the `seq` of predictions only increases. It has gaps if the consumer was
    too slow, because it then receives the newest, and where a `Reconnected` says so. A consumer may
    be cancelled while it waits; nothing is lost by that.

    Attributes
    ----------
    welcome
        The service's welcome on the newest connection.
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
            If the service no longer serves this client.
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
        except Exception as error:  # whatever it is, the consumer must not wait forever
            self._end = error
        finally:
            self._arrived.set()

    async def _open_again(self, loss: Loss) -> ServiceConnection:
        wait = self._backoff.next() if loss.wait is None else loss.wait
        why = loss.why
        while True:
            logger.info("lost %s (%s), trying again in %.1f s", self._address.url, why, wait)
            await self._sleep(wait)
            # A consumer that is behind first takes what it has: so no more than one connection's
            # credits wait here, and `Reconnected` does not report messages that it already has.
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

    The first connection is made on entering. When it is lost, another one is made that resumes
    where the last one ended: within 60 s with exactly the predictions that were missed, after that
    with the newest. `Reconnected` reports which. What the consumer takes is acknowledged, so a slow
    consumer receives the newest messages and not a backlog.

    Parameters
    ----------
    url
        The service's page, such as ``http://127.0.0.1:8000``, or its stream, such as
        ``wss://example.org/v1/stream``.
    headsets
        Ids; ``*`` for all present and future headsets.
    detail
        Headsets whose `Detail` messages are wanted too; ``*`` for all that are followed.
    token
        A key or token if the service requires one, or a callable that returns one for each
        connection: a JWT lasts ten minutes at most, and when it expires another connection is made
        with a new one from the callable. It is called in the event loop, so it must not block; if
        it raises, the stream ends, so it has to wait out temporary failures itself. A fixed token
        that has expired is refused.
    random
        Spreads the attempts to reconnect.
    clock
        Monotonic; seconds.
    sleep
        Waits between attempts.

    Raises
    ------
    AddressError
        If `url` is not such an address.
    UnreachableError
        If the first connection cannot be made. Later ones are retried until they succeed.
    RefusedError
        If the service refuses, now or while iterating: a wrong token, a headset not allowed.
    MessageError
        If it sends, now or while iterating, a message that this client does not understand.
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
