"""Every way to connect and be refused, as the bytes that a peer sends."""

from __future__ import annotations

import base64
from dataclasses import dataclass

KEY = base64.b64encode(bytes(16)).decode()


def head(line: str, *fields: str) -> bytes:
    """Return a request's head."""
    return "\r\n".join((line, *fields, "", "")).encode("latin-1")


def upgrade(
    *more: str,
    line: str = "GET /v1/stream HTTP/1.1",
    key: str | None = KEY,
    version: str | None = "13",
) -> bytes:
    """Return a WebSocket's handshake, or what is not quite one."""
    fields = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade", *more]
    if key is not None:
        fields.append(f"Sec-WebSocket-Key: {key}")
    if version is not None:
        fields.append(f"Sec-WebSocket-Version: {version}")
    return head(line, *fields)


def headsets(count: int, length: int) -> str:
    """Return the query that subscribes to so many headsets by ids of this length."""
    return "&".join(f"headset={number:0{length}}" for number in range(count))


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes
    ----------
    sends
        What the peer sends.
    status
        Of the answer.
    then_ends
        Whether the peer then closes its half of the connection.
    """

    sends: bytes
    status: int
    then_ends: bool = False


GET = "GET /livez HTTP/1.1"
HOST = "Host: localhost"
LONG = "Cookie: a=" + "x" * 9000
POST = "POST /v1/predict HTTP/1.1", HOST, "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"

WAYS = {
    "a WebSocket's cookie of 9,000 bytes": Way(upgrade(LONG), 431),
    "a cookie of 9,000 bytes": Way(head(GET, HOST, LONG), 431),
    "headers of 70 KB": Way(head(GET, HOST, *[f"X-{n}: " + "x" * 7000 for n in range(10)]), 431),
    "101 headers": Way(head(GET, HOST, *[f"X-{n}: 1" for n in range(100)]), 431),
    "a WebSocket's 120 headers": Way(upgrade(*[f"X-{n}: 1" for n in range(120)]), 431),
    "an endless header": Way(head(GET, HOST)[:-2] + b"X: " + b"x" * 90_000, 431),
    "256 ids too long": Way(upgrade(line=f"GET /v1/stream?{headsets(256, 150)} HTTP/1.1"), 414),
    "an endless address": Way(b"GET /" + b"x" * 90_000, 414),
    "a WebSocket of version 8": Way(upgrade(version="8"), 400),
    "a WebSocket without a version": Way(upgrade(version=None), 400),
    "a WebSocket without a key": Way(upgrade(key=None), 400),
    "a WebSocket's key that is none": Way(upgrade(key="*"), 400),
    "a WebSocket's short key": Way(upgrade(key="AAAA"), 400),
    "a WebSocket with two keys": Way(upgrade(f"Sec-WebSocket-Key: {KEY}"), 400),
    "a WebSocket's header that is no list": Way(upgrade("Sec-WebSocket-Protocol: ,;,"), 400),
    "a WebSocket by POST": Way(upgrade(line="POST /v1/stream HTTP/1.1"), 405),
    "a WebSocket by HTTP/1.0": Way(upgrade(line="GET /v1/stream HTTP/1.0"), 505),
    "a WebSocket with a body": Way(upgrade("Content-Length: 5") + b"hello", 400),
    "a WebSocket with a body to come": Way(upgrade("Content-Length: 5"), 400),
    "a WebSocket with chunks": Way(upgrade(CHUNKED) + b"0\r\n\r\n", 400),
    "a WebSocket at another path": Way(upgrade(line="GET /v1/headsets HTTP/1.1"), 404),
    "a WebSocket of another page": Way(upgrade("Origin: https://evil.example"), 403),
    "a WebSocket after a request": Way(head(GET, HOST) + upgrade(LONG), 431),
    "HTTP/2": Way(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 505),
    "TLS": Way(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "another protocol": Way(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    "zeros": Way(bytes(2000), 400),
    "no Host": Way(head(GET), 400),
    "two Hosts": Way(head(GET, HOST, HOST), 400),
    "a header without a colon": Way(head(GET, HOST, "nonsense"), 400),
    "a header's name with a space": Way(head(GET, HOST, "a b: c"), 400),
    "a header with a zero": Way(head(GET, HOST, "a: \0"), 400),
    "two lengths": Way(head(*POST, "Content-Length: 1", "Content-Length: 2"), 400),
    "a negative length": Way(head(*POST, "Content-Length: -1"), 400),
    "an unknown coding": Way(head(*POST, "Transfer-Encoding: gzip"), 501),
    "a chunk of no size": Way(head(*POST, CHUNKED) + b"x\r\n", 400),
    "a body too large": Way(head(*POST, "Content-Length: 9999999", "Connection: close"), 413),
    "half a head, and the end": Way(b"GET /livez HTTP/1.1\r\nHo", 400, then_ends=True),
    "half a body, and the end": Way(head(*POST, "Content-Length: 9") + b"{", 400, then_ends=True),
    "half a WebSocket, and the end": Way(upgrade()[:-2], 400, then_ends=True),
}
