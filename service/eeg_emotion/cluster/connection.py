"""The connection to the broker: re-established whenever it is lost, without limit."""

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
# A broker that vanishes silently is noticed within two of these.
_PING_SECONDS = 5
_LEAVE_SECONDS = 2.0


class BrokerError(EegEmotionError):
    """The broker cannot be used as configured."""


class BrokerConnection:
    """One connection to a NATS broker.

    Parameters
    ----------
    url
        ``nats://HOST[:PORT]`` or ``tls://…``, with user and password or a token if it requires
        them; several addresses of one cluster are separated by commas.
    name
        The name of this client in the broker's monitoring.
    credentials
        A ``.creds`` file of the broker's operator, if any.
    ca
        Certificates to trust instead of the system's, if any.
    connected
        Called, in the event loop, after each connect.
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
        self._logged: str | None = None
        self._subscriptions: list[tuple[str, Callable[[Msg], Awaitable[None]]]] = []

    @property
    def is_connected(self) -> bool:
        """Return whether the broker is connected."""
        return self._client.is_connected

    def subscribe(self, subject: str, handler: Callable[[Msg], Awaitable[None]]) -> None:
        """Call a handler with each message of a subject, one at a time; call this before `run`."""
        self._subscriptions.append((subject, handler))

    async def run(self) -> None:
        """Stay connected until cancelled."""
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
            for subject, handler in self._subscriptions:
                await self._client.subscribe(subject, cb=handler)
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

    async def publish(self, subject: str, data: bytes, headers: dict[str, str] | None) -> None:
        """Send a message; delivery is not confirmed."""
        await self._client.publish(subject, data, headers=headers)

    async def request(self, subject: str, data: bytes, seconds: float) -> bytes:
        """Send a request, and return the answer; wait up to `seconds`.

        Raises
        ------
        TimeoutError, nats.errors.Error
            If there is no answer, or no responder.
        """
        answer = await self._client.request(subject, data, timeout=seconds)
        return answer.data

    async def _back(self) -> None:
        self._logged = None
        if (url := self._client.connected_url) is not None:
            logger.info("broker connected", server=url.netloc.split("@")[-1])
        self._connected()

    async def _lost(self) -> None:
        if not self._client.is_closed:
            logger.warning("broker lost", remedy="check that it is running and reachable; retrying")

    async def _failed(self, error: Exception) -> None:
        # Every attempt fails in the same way; once is enough.
        why = str(error) or type(error).__name__
        if why != self._logged:
            self._logged = why
            logger.warning("broker trouble", why=why)
