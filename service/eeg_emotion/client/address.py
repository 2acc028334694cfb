"""The address of a service's stream."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.loopback import is_loopback

_STREAM = "/v1/stream"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class AddressError(EegEmotionError):
    """An address is not valid."""


@dataclass(frozen=True, slots=True)
class Address:
    """A stream's address.

    Attributes
    ----------
    url
        With ``ws`` or ``wss``.
    loopback
        Whether it is on this machine.
    """

    url: str
    loopback: bool


def stream_address(url: str) -> Address:
    """Return the address of a service's stream.

    Parameters
    ----------
    url
        The service's page, such as ``http://127.0.0.1:8000``, or its stream, such as
        ``wss://example.org/v1/stream``.

    Raises
    ------
    AddressError
        If it is neither.
    """
    expected = f"found the address {url!r}, expected one such as http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access
    except ValueError as error:
        raise AddressError(expected) from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise AddressError(expected)
    if parts.query or parts.fragment or parts.username is not None:
        # Subscriptions in an address take effect before a resume could be requested.
        raise AddressError(
            f"found an address of {parts.hostname!r} with more than a path, expected only a path: "
            "name headsets with headsets=[...], and pass a key or token as token=..."
        )
    path = parts.path.rstrip("/")
    if not path.endswith(_STREAM):
        path += _STREAM
    place = urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))
    return Address(place, is_loopback(parts.hostname))
