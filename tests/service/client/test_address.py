"""Addresses: of the page or the stream, and none that would carry a secret."""

from __future__ import annotations

import pytest

from eeg_emotion.client.address import Address, AddressError, stream_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", Address("ws://127.0.0.1:8000/v1/stream", True)),
        ("http://127.0.0.1:8000/", Address("ws://127.0.0.1:8000/v1/stream", True)),
        ("ws://localhost/v1/stream", Address("ws://localhost/v1/stream", True)),
        ("http://[::1]:8000", Address("ws://[::1]:8000/v1/stream", True)),
        ("https://example.org", Address("wss://example.org/v1/stream", False)),
        ("wss://example.org/eeg/", Address("wss://example.org/eeg/v1/stream", False)),
        ("http://10.0.0.1", Address("ws://10.0.0.1/v1/stream", False)),
    ],
)
def test_the_stream_is_found_from_the_page_or_from_itself(url: str, expected: Address) -> None:
    assert stream_address(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://h:99999", "http://[::1"],
)
def test_what_is_no_address_is_named_with_an_example(url: str) -> None:
    with pytest.raises(AddressError, match=r"expected one such as http://127\.0\.0\.1:8000"):
        stream_address(url)


@pytest.mark.parametrize(
    "url",
    ["ws://h/v1/stream?headset=*", "http://h/?token=secret", "http://h/#x", "http://secret@h/"],
)
def test_an_address_with_more_than_a_path_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(AddressError, match=r"headsets=\[\.\.\.\]") as refused:
        stream_address(url)
    assert "secret" not in str(refused.value)
