"""Pages: the service's own at an address, those that are allowed, and no other."""

from __future__ import annotations

import pytest

from eeg_emotion.access.origins import OriginError, Origins

ALLOWED = Origins.parse(
    ["https://board.example.org", "http://10.0.0.5:8080", "HTTPS://Wall.Example.org:443"]
)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://board.example.org", "service:8000", True),
        ("https://board.example.org:443", "service:8000", True),
        ("https://BOARD.example.org", None, True),
        ("https://wall.example.org", "x", True),
        ("http://10.0.0.5:8080", "x", True),
        ("http://board.example.org", "service:8000", False),
        ("https://board.example.org:8443", "service:8000", False),
        ("https://evil.board.example.org", "service:8000", False),
        ("https://board.example.org.evil.net", "service:8000", False),
        ("https://evil.net", "service:8000", False),
        ("http://10.0.0.5", "x", False),
        ("null", "127.0.0.1:8000", False),
        ("", "127.0.0.1:8000", False),
        ("*", "127.0.0.1:8000", False),
        ("file://", "127.0.0.1:8000", False),
        ("http://", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://localhost:8000", "localhost:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://192.0.2.7", "192.0.2.7", True),
        ("https://192.0.2.7", "192.0.2.7:443", True),
        ("http://127.0.0.1:3000", "127.0.0.1:8000", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000", None, False),
        # A name that an attacker's DNS leads here: the page's own, and thus the Host.
        ("http://rebound.evil.net:8000", "rebound.evil.net:8000", False),
        ("http://localhost.evil.net:8000", "localhost.evil.net:8000", False),
        ("http://127.0.0.1.evil.net:8000", "127.0.0.1.evil.net:8000", False),
        ("http://evil.net:8000", "127.0.0.1:8000", False),
        ("http://a@127.0.0.1:8000", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000/", "127.0.0.1:8000", False),
        ("http://127.0.0.1:99999", "127.0.0.1:99999", False),
        ("http://[::1", "[::1", False),
    ],
)
def test_which_page_may_use_the_service(origin: str, host: str | None, allowed: bool) -> None:
    assert ALLOWED.allows(origin, host) is allowed


@pytest.mark.parametrize(
    ("origin", "listed"),
    [
        ("https://board.example.org", True),
        ("http://10.0.0.5:8080", True),
        ("http://127.0.0.1:8000", False),
        ("https://evil.net", False),
        ("null", False),
    ],
)
def test_which_page_is_another_and_allowed(origin: str, listed: bool) -> None:
    assert ALLOWED.lists(origin) is listed


@pytest.mark.parametrize(
    ("host", "sure"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("192.0.2.7", True),
        ("board.example.org", True),
        ("board.example.org:8000", True),
        ("rebound.evil.net:8000", False),
        ("localhost.evil.net", False),
        ("service", False),
        ("", False),
        ("127.0.0.1:x", False),
        ("127.0.0.1/x", False),
    ],
)
def test_which_host_is_surely_meant(host: str, sure: bool) -> None:
    assert ALLOWED.names(host) is sure


@pytest.mark.parametrize(
    "text",
    ["", "*", "null", "board.example.org", "ftp://a.org", "https://a.org/", "https://a.org?x",
     "https://u@a.org", "https://", "https://a.org:x", "https://a.org#f", "http://*",
     "https://*.example.org", "http://*:8000", "http://a b", "http://é.org"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_with_examples(text: str) -> None:
    with pytest.raises(OriginError, match=r"such as https://board\.example\.org or"):
        Origins.parse([text])
