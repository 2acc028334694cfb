"""The way to a service: a WebSocket, or why there is none."""

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

# At DEBUG the library logs what is said, tokens included.
_LOGGER = logging.getLogger(f"{__name__}.websocket")
_LOGGER.setLevel(logging.INFO)

LONGEST_WAIT_SECONDS = 120.0
"""That a service's word keeps a client away: an absurd one must not silence it for a day."""

_CLOSE_SECONDS = 1.0  # for the service to answer that it closes too
_LARGEST_MESSAGE = 8 << 20  # the welcome describes every headset, each in about 1 KB
_FINAL = {WireCode.MESSAGE_TOO_BIG, *range(4500, 5000)}
_REMEDIES: dict[int, str] = {
    CloseCode.BAD_CREDENTIALS: "give a valid key or token as token=...",
    CloseCode.BAD_MESSAGE: "name headsets by their ids, and use a client of the service's version",
    WireCode.MESSAGE_TOO_BIG: "give a shorter token",
    CloseCode.NO_HELLO: "look for what delays the way to the service",
    HTTPStatus.UNAUTHORIZED: "give a valid key or token as token=...",
    HTTPStatus.NOT_FOUND: "name the address of the service's page",
}
_TEMPORARY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class UnreachableError(EegEmotionError):
    """Nobody answers, or nobody who can serve now; later someone may.

    Attributes
    ----------
    retry_after
        When the service said to try again, s from now, at most `LONGEST_WAIT_SECONDS`; None where
        it said nothing.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedError(EegEmotionError):
    """The service refuses, and would again.

    Attributes
    ----------
    code
        The WebSocket's close code, or the HTTP status; None for a subscription.
    reason
        The service's words.
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
        If it cannot be done now.
    RefusedError
        If it could not be done later either.
    """
    try:
        socket = await connect_socket(
            address.url,
            subprotocols=[Subprotocol(PROTOCOL)],
            # A proxy of the environment is for the way out of this machine.
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
            "'eeg-emotion serve', or name its address"
        ) from error
    if socket.subprotocol != PROTOCOL:
        await socket.close()
        raise RefusedError(None, "no subprotocol", f"expected {PROTOCOL} at {address.url}")
    return socket


def refusal(error: ConnectionClosed) -> RefusedError | None:
    """Return why a connection was closed for good; None where another one may be made."""
    if error.rcvd is None or error.rcvd.code not in _FINAL:
        return None
    code = error.rcvd.code
    return RefusedError(
        code, error.rcvd.reason, _REMEDIES.get(code, "look at the service's own messages")
    )


def describe(error: ConnectionClosed) -> str:
    """Tell in words how a connection ended."""
    if error.rcvd is None:
        return "the connection broke"
    return f"closed with {error.rcvd.code} {error.rcvd.reason}".rstrip()


def _status_error(address: Address, response: Response) -> UnreachableError | RefusedError:
    status = response.status_code
    reason = f"{response.reason_phrase}"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        reason = str(json.loads(response.body or b"")["detail"])
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TEMPORARY:
        remedy = _REMEDIES.get(status, "look at the service's own messages")
        return RefusedError(status, reason, remedy)
    after = response.headers.get("Retry-After", "")
    wait = min(float(after), LONGEST_WAIT_SECONDS) if after.isdecimal() else None
    return UnreachableError(f"{address.url} answered {status}: {reason}", wait)
