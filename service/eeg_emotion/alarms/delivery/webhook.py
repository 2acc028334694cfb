"""Webhooks, signed according to Standard Webhooks (standardwebhooks.com)."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from http import HTTPStatus

import httpx
import standardwebhooks

from eeg_emotion.alarms.delivery.sender import Refusal, Retry
from eeg_emotion.alarms.delivery.settings import NO_ADDRESS, WebhookSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.alarms import Alarm

_TIMEOUT_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 3600.0  # the longest that a receiver may ask for
_LATER = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


class WebhookError(EegEmotionError):
    """The address is one that nothing can be posted to."""


class Webhook:
    """Posts events to one URL.

    Parameters
    ----------
    settings
        The URL and the secret.

    Raises
    ------
    WebhookError
        If the address has a host or a sign in it that no address can have.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        try:
            # Stricter than the settings are, which must do without httpx.
            self._url = httpx.URL(settings.url.get_secret_value())
        except httpx.InvalidURL:
            # Its words may have a part of the address in them, and that a secret.
            raise WebhookError(f"the webhook {settings.name}: {NO_ADDRESS}") from None
        self._signer = standardwebhooks.Webhook(settings.secret.get_secret_value())
        # A transport, not a client: a client would log the URL, keep cookies, fail on a redirect
        # to an invalid URL, and use the environment's proxy, which would learn people's states.
        self._transport = httpx.AsyncHTTPTransport(trust_env=False)

    @property
    def target(self) -> str:
        """The target's name in the event store, the log and the metrics."""
        return f"webhook:{self._settings.name}"

    def wants(self, event: Alarm) -> bool:
        """Return whether an event belongs to one of the webhook's headsets."""
        return any(fnmatchcase(event.headset, pattern) for pattern in self._settings.headsets)

    async def send(self, event: Alarm) -> None:
        """Post an event.

        Raises
        ------
        Retry
            If nothing answers in time, or the answer is 408, 425, 429 or 5xx.
        Refusal
            If the answer is any other than 2xx: a retry would not change it.
        """
        now = datetime.now(UTC)
        body = event.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "eeg-emotion",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(event.id, now, body),
        }
        request = httpx.Request("POST", self._url, content=body, headers=headers)
        try:
            # Over the whole exchange: a receiver that trickles would stay within a limit per read.
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await self._transport.handle_async_request(request)
                # The body of the answer is not read, however long it is.
                await answer.aclose()
            status = answer.status_code
            pause = _pause(answer.headers.get("retry-after"))
        except (TimeoutError, httpx.HTTPError) as error:
            # The messages of some of these contain the URL.
            raise Retry(f"found no answer ({type(error).__name__}), expected 2xx") from None
        if HTTPStatus(200) <= status < HTTPStatus(300):
            return
        why = f"found the answer {status}, expected 2xx"
        if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Retry(why, pause)
        raise Refusal(why)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._transport.aclose()


def _pause(retry_after: str | None) -> float | None:
    """Return the pause that `Retry-After` asks for, in seconds or as a date (RFC 9110)."""
    if retry_after is None:
        return None
    try:
        seconds = (
            float(retry_after)
            if retry_after.isdecimal()
            else parsedate_to_datetime(retry_after).timestamp() - time.time()
        )
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_PAUSE_SECONDS)
