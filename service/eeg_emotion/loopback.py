"""Which hosts are this machine itself."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether a host, by name or address, can be reached from this machine only.

    Names under `.localhost` do not count: not every resolver maps them to this machine, as RFC 6761
    asks, and a service that takes itself for unreachable asks for no credentials.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
