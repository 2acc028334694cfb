"""The web origins that may use the service, and the host names it answers to."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass

from eeg_emotion.errors import EegEmotionError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # as browsers write it; no pattern is one


class OriginError(EegEmotionError):
    """A text is not an origin."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins that may use the service, besides its own.

    Attributes
    ----------
    allowed
        Each as `(scheme, host, port)`.
    """

    allowed: frozenset[tuple[str, str, int]] = frozenset()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Origins:
        """Read origins such as `https://board.example.org`.

        Raises
        ------
        OriginError
            If a text is not an origin.
        """
        allowed = set()
        for text in texts:
            origin = _origin(text)
            if origin is None:
                raise OriginError(
                    f"found the origin {text!r}, expected only scheme, host and port, such as "
                    "https://board.example.org or http://10.0.0.5:8080"
                )
            allowed.add(origin)
        return cls(frozenset(allowed))

    def allows(self, origin: str, host: str | None) -> bool:
        """Return whether a page of this origin may use the service.

        Parameters
        ----------
        origin
            The request's `Origin`.
        host
            Its `Host`. For the service's own page the two are equal, but only an IP address or
            `localhost` proves it: any name can be made to resolve here ("DNS rebinding").
        """
        found = _origin(origin)
        if found is None:
            return False
        if found in self.allowed:
            return True
        if host is None:
            return False
        own = _origin(f"{found[0]}://{host}")
        return own == found and _sure(found[1])

    def lists(self, origin: str) -> bool:
        """Return whether this origin is explicitly allowed, apart from the service's own."""
        return _origin(origin) in self.allowed

    def names(self, host: str) -> bool:
        """Return whether a `Host` header certainly means this service."""
        found = _origin(f"http://{host}")
        return found is not None and (
            _sure(found[1]) or any(name == found[1] for _, name, _ in self.allowed)
        )


def _origin(text: str) -> tuple[str, str, int] | None:
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        return None
    if "@" in parts.netloc or any((parts.path, parts.query, parts.fragment)):
        return None
    return parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme]


def _sure(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
