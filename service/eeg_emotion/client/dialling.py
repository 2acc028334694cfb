"""Connects to a service: a WebSocket, or the reason why there is none."""

from __future__ import annotations

import contextlib
import json
import logging
from http import HTTPStatus

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_socket
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    NegotiationError,
    WebSocketException,
)
from websockets.frames import CloseCode as WireCode
from websockets.http11 import Response
from websockets.typing import Subprotocol

from eeg_emotion.client.address import Address
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.close_codes import CloseCode
from eeg_emotion.publish.messages import PROTOCOL

# At DEBUG the library logs all messages, including tokens.
_LOGGER = logging.getLogger(f"{__name__}.websocket")
_LOGGER.setLevel(logging.INFO)

LONGEST_WAIT_SECONDS = 120.0
"""The longest that a service can keep a client waiting: a mistake must not do so for a day."""

_CLOSE_SECONDS = 1.0  # for the service to confirm the close
_LARGEST_MESSAGE = 8 << 20  # the welcome describes every headset, each in about 1 KB
_FINAL = {WireCode.MESSAGE_TOO_BIG, *range(4500, 5000)}
_REMEDIES: dict[int, str] = {
    CloseCode.BAD_CREDENTIALS: "pass a valid key or token as token=...",
    CloseCode.BAD_MESSAGE: "name headsets by their ids, and use a client of the service's version",
    WireCode.MESSAGE_TOO_BIG: "use a shorter token",
    CloseCode.NO_HELLO: "check what delays messages to the service",
    HTTPStatus.UNAUTHORIZED: "pass a valid key or token as token=...",
    HTTPStatus.NOT_FOUND: "use the address of the service's page",
}
_TEMPORARY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class UnreachableError(EegEmotionError):
    """No service answers, or it cannot serve now; a later attempt may succeed.

    Attributes
    ----------
    retry_after
        When the service asked to retry, in seconds from now, at most `LONGEST_WAIT_SECONDS`; None
        if it did not.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(EegEmotionError):
    """The service refuses this client, and would refuse it again.

    Attributes
    ----------
    code
        The WebSocket's close code, or the HTTP status; None for a subscription.
    reason
        The service's explanation.
    """

    def __init__(self, code: int | None, reason: str, remedy: str) -> None:
        where = "" if code is None else f" ({code})"
        super().__init__(f"the service refused{where}: {reason or 'no reason given'}; {remedy}")
        self.code = code
        self.reason = reason


async def dial(address: Address) -> ClientConnection:
    """Connect to a service.

    Raises
    ------
    UnreachableError
        If that fails, but may succeed later.
    RefusedError
        If it would fail later too.
    """
    try:
        socket = await connect_socket(
            address.url,
            subprotocols=[Subprotocol(PROTOCOL)],
            # The environment's proxy is only for connections that leave this machine.
            proxy=None if address.loopback else True,
            compression=None,
            max_size=_LARGEST_MESSAGE,
            close_timeout=_CLOSE_SECONDS,
            logger=_LOGGER,
        )
    except InvalidStatus as error:
        raise _status_error(address, error.response) from error
    except NegotiationError as error:
        raise RefusedError(None, str(error), f"expected {PROTOCOL} at {address.url}") from error
    except (OSError, EOFError, WebSocketException) as error:
        raise UnreachableError(
            f"found no eeg-emotion service at {address.url} ({error}); start it with "
            "'eeg-emotion serve', or use its actual address"
        ) from error
    if socket.subprotocol != PROTOCOL:
        await socket.close()
        raise RefusedError(None, "no subprotocol", f"expected {PROTOCOL} at {address.url}")
    return socket


def refusal(error: ConnectionClosed) -> RefusedError | None:
    """Return why a connection was closed for good; None if a new one may be made."""
    if error.rcvd is None or error.rcvd.code not in _FINAL:
        return None
    code = error.rcvd.code
    return RefusedError(code, error.rcvd.reason, _REMEDIES.get(code, "see the service's log"))


def describe(error: ConnectionClosed) -> str:
    """Return in words how a connection ended."""
    if error.rcvd is None:
        return "the connection broke"
    return f"closed with {error.rcvd.code} {error.rcvd.reason}".rstrip()


def _status_error(address: Address, response: Response) -> UnreachableError | RefusedError:
    status = response.status_code
    reason = f"{response.reason_phrase}"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        reason = str(json.loads(response.body or b"")["detail"])
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TEMPORARY:
        remedy = _REMEDIES.get(status, "see the service's log")
        return RefusedError(status, reason, remedy)
    after = response.headers.get("Retry-After", "")
    wait = min(float(after), LONGEST_WAIT_SECONDS) if after.isdecimal() else None
    return UnreachableError(f"{address.url} answered {status}: {reason}", wait)
