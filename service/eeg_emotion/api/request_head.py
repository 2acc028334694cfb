"""What a request may look like: one parser, h11, reads WebSocket handshakes too, by these limits.

A request that is beyond them, or no HTTP, never reaches uvicorn, which would log a line for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import h11
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.version import version as websockets_version

LONGEST_LINE_BYTES = 32 * 1024
"""Of the request line: enough for 256 headsets by ids of 100 characters in `/v1/stream`'s query."""

LONGEST_FIELD_BYTES = 8 * 1024
"""Of one header with its name, as in most servers and proxies."""

LONGEST_HEAD_BYTES = 64 * 1024
"""Of the request line and all headers."""

MOST_FIELDS = 100
"""Headers of one request."""

_VERSIONS = (b"1.0", b"1.1")
_NO_BODY: tuple[dict[bytes, bytes], ...] = ({}, {b"content-length": b"0"})
_TLS_HANDSHAKE = 0x16
_LONGEST_QUOTE = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not taken.

    Attributes
    ----------
    status
        Of the answer.
    why
        What was found, what was expected, and what to do.
    headers
        Of the answer.
    """

    status: int
    why: str
    headers: tuple[tuple[str, str], ...] = ()


class RequestParser(h11.Connection):
    """Reads requests; calls `refuse` once with what is wrong, and then has no more events.

    Attributes
    ----------
    method
        The last request's method.
    """

    def __init__(self, refuse: Callable[[Refusal], None]) -> None:
        super().__init__(h11.SERVER, LONGEST_HEAD_BYTES)
        self._refuse = refuse
        self._refused = False
        self.method = b""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event; `NEED_DATA` after a refusal."""
        if self._refused:
            return h11.NEED_DATA
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            refusal: Refusal | None = self._explained(error)
        else:
            refusal = None
            if isinstance(event, h11.Request):
                self.method = event.method
                refusal = beyond_limits(event)
            if refusal is None:
                return event
        assert refusal is not None  # noqa: S101 - for mypy
        self._refused = True
        self._refuse(refusal)
        return h11.NEED_DATA

    def _explained(self, error: h11.RemoteProtocolError) -> Refusal:
        unread, _ = self.trailing_data
        if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return _too_long_line() if b"\n" not in unread else _too_long_head()
        if unread[:1] == bytes([_TLS_HANDSHAKE]):
            return Refusal(
                HTTPStatus.BAD_REQUEST,
                "found the beginning of TLS, expected HTTP without it; use http:// and ws://, or "
                "put a proxy in front that terminates TLS",
            )
        return Refusal(
            error.error_status_hint,
            f"found a request that is not HTTP/1.1 ({str(error)[:_LONGEST_QUOTE]}), expected one "
            "by RFC 9112; correct the program that sent it",
        )


def beyond_limits(request: h11.Request) -> Refusal | None:
    """Return why a request is refused before any endpoint sees it; None if it is not."""
    if request.http_version not in _VERSIONS:
        found = request.http_version.decode("ascii")
        return Refusal(
            HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
            f"found HTTP/{found}, expected HTTP/1.1; have the client or the proxy use that",
        )
    line = len(request.method) + len(request.target) + len(b"  HTTP/1.1\r\n")
    if line > LONGEST_LINE_BYTES:
        return _too_long_line()
    sizes = [len(name) + len(value) + len(b": \r\n") for name, value in request.headers]
    if line + sum(sizes) > LONGEST_HEAD_BYTES:
        return _too_long_head()
    if len(sizes) > MOST_FIELDS:
        return Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"found {len(sizes)} headers, expected at most {MOST_FIELDS}; send fewer",
        )
    longest = max(sizes, default=0)
    if longest > LONGEST_FIELD_BYTES:
        return Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            f"found a header of {longest} bytes, expected at most {LONGEST_FIELD_BYTES}; if it is "
            "a cookie, delete this host's cookies: the service uses none",
        )
    return None


def _too_long_line() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_URI_TOO_LONG,
        f"found a request line of more than {LONGEST_LINE_BYTES} bytes, expected at most that; "
        "for many headsets subscribe with messages, or to '*'",
    )


def _too_long_head() -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"found a request line and headers of more than {LONGEST_HEAD_BYTES} bytes, expected at "
        "most that; send fewer or shorter headers",
    )


def handshake(request: h11.Request) -> Request:
    """Return the request in the form of the WebSocket library."""
    # As uvicorn encodes them again.
    latin = websockets_version >= "17.0"
    decoding = ("latin-1", "strict") if latin else ("ascii", "surrogateescape")
    return Request(
        path=request.target.decode("ascii"),
        headers=Headers(
            [(name.decode("ascii"), value.decode(*decoding)) for name, value in request.headers]
        ),
        method=request.method.decode("ascii"),
        protocol=f"HTTP/{request.http_version.decode('ascii')}",
    )


def not_a_handshake(request: h11.Request) -> Refusal | None:
    """Return why a request for an upgrade is no WebSocket handshake; None if it is one."""
    body = {
        name: value
        for name, value in request.headers
        if name in (b"content-length", b"transfer-encoding")
    }
    if body not in _NO_BODY:
        return Refusal(
            HTTPStatus.BAD_REQUEST,
            "found a body in a WebSocket's handshake, expected none; connect with a WebSocket "
            "client",
        )
    judge = ServerProtocol()
    response = judge.accept(handshake(request))
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        return None
    headers = [("Sec-WebSocket-Version", "13")]
    headers += [
        (name, response.headers[name]) for name in ("Allow", "Upgrade") if name in response.headers
    ]
    return Refusal(
        response.status_code,
        f"found no valid WebSocket handshake ({str(judge.handshake_exc)[:_LONGEST_QUOTE]}), "
        "expected one by RFC 6455, version 13; connect with a WebSocket client",
        tuple(headers),
    )
