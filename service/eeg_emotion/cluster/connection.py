"""The connection to the broker: made again as often as it is lost, and never given up."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

_RETRY_SECONDS = 1
# A broker that vanishes without a word is noticed within two of these.
_PING_SECONDS = 5
_LEAVE_SECONDS = 2.0


class BrokerError(EegEmotionError):
    """The broker cannot be used as it is stated."""


class Connection:
    """One connection to a NATS broker.

    Parameters
    ----------
    url
        ``nats://HOST[:PORT]`` or ``tls://…``, with user and password or a token where it asks for
        them; several, of one cluster, are separated by commas.
    name
        As what the broker's own monitoring shows it.
    credentials
        A ``.creds`` file of the broker's operator, if any.
    ca
        Certificates to trust in place of the system's, if any.
    connected
        Called, in the event loop, each time that it is connected.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        credentials: Path | None = None,
        ca: Path | None = None,
        connected: Callable[[], None],
    ) -> None:
        self._servers = [part.strip() for part in url.split(",")]
        self._name = name
        self._credentials = credentials
        self._ca = ca
        self._connected = connected
        self._client = Client()
        self._said: str | None = None
        self._subscriptions: list[tuple[str, Callable[[Msg], Awaitable[None]]]] = []

    @property
    def is_connected(self) -> bool:
        """Return whether the broker is there."""
        return self._client.is_connected

    def hear(self, subject: str, heard: Callable[[Msg], Awaitable[None]]) -> None:
        """Have messages of a subject given to a function, one after the other; before `run`."""
        self._subscriptions.append((subject, heard))

    async def run(self) -> None:
        """Be connected until cancelled."""
        options: dict[str, Any] = {}
        if self._credentials is not None:
            options["user_credentials"] = str(self._credentials)
        if self._ca is not None:
            options["tls"] = ssl.create_default_context(cafile=self._ca)
        try:
            await self._client.connect(
                self._servers,
                name=self._name,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RETRY_SECONDS,
                connect_timeout=2,
                ping_interval=_PING_SECONDS,
                max_outstanding_pings=1,
                error_cb=self._failed,
                disconnected_cb=self._lost,
                reconnected_cb=self._back,
                **options,
            )
            for subject, heard in self._subscriptions:
                await self._client.subscribe(subject, cb=heard)
            await self._back()
            await asyncio.Event().wait()
        finally:
            if self._client.is_connected:
                try:
                    async with asyncio.timeout(_LEAVE_SECONDS):
                        await self._client.flush()
                except (nats.errors.Error, TimeoutError) as error:
                    logger.warning("broker left in haste", why=str(error) or type(error).__name__)
            await self._client.close()

    async def publish(self, subject: str, data: bytes) -> None:
        """Send a message; nobody says whether it arrived."""
        await self._client.publish(subject, data)

    async def request(self, subject: str, data: bytes, seconds: float) -> bytes:
        """Ask, and return the answer.

        Raises
        ------
        TimeoutError, nats.errors.Error
            If none comes, or nobody is there to give one.
        """
        answer = await self._client.request(subject, data, timeout=seconds)
        return answer.data

    async def _back(self) -> None:
        self._said = None
        if (url := self._client.connected_url) is not None:
            logger.info("broker connected", server=url.netloc.split("@")[-1])
        self._connected()

    async def _lost(self) -> None:
        if not self._client.is_closed:
            logger.warning("broker lost", remedy="see that it runs and is reached; tried again")

    async def _failed(self, error: Exception) -> None:
        # Every attempt fails alike; once is enough.
        said = str(error) or type(error).__name__
        if said != self._said:
            self._said = said
            logger.warning("broker trouble", why=said)
