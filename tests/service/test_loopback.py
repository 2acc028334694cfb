from __future__ import annotations

import pytest

from eeg_emotion.loopback import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("board.localhost", False),
        ("0.0.0.0", False),  # noqa: S104 - not listened on here
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.org", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
