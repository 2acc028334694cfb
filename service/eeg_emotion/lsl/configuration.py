"""The configuration of Lab Streaming Layer in this process: set explicitly, and verified.

LSL has neither encryption nor authentication, and its own default publishes to the whole site.
Here the default is this machine only; a wider scope is the user's choice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from enum import StrEnum

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.lsl.library import load_library

PORTS = range(16572, 16572 + 512)
"""The ports on which outlets are searched for on each known peer, TCP and UDP, unless others are
set. The range begins like liblsl's default, but that has only 32 ports, and streams beyond the 32nd
on a host cannot be found. A program's own base port may be any port of it."""

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")

_configured: str | None = None


class LslError(EegEmotionError):
    """Lab Streaming Layer is not configured as requested."""


class Scope(StrEnum):
    """How far stream discovery reaches: liblsl's ``ResolveScope``."""

    MACHINE = "machine"
    LINK = "link"
    SITE = "site"


def known_peers(scope: Scope, peers: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the hosts that are queried for streams directly, in addition to multicast."""
    own = ("127.0.0.1",) if scope is Scope.MACHINE else ()
    return tuple(dict.fromkeys((*own, *peers)))


def check_peers(peers: Sequence[str]) -> None:
    """Check the names of hosts.

    Raises
    ------
    ValueError
        If one is not a host's name or IPv4 address: anything else would break liblsl's file.
    """
    for peer in peers:
        if not _HOST.fullmatch(peer):
            raise ValueError(f"found {peer!r}, expected a host's name or IPv4 address")


def configure(
    *,
    session_id: str,
    scope: Scope = Scope.MACHINE,
    peers: Sequence[str] = (),
    ports: range = PORTS,
) -> None:
    """Configure liblsl for this process, before any other call to it, and verify the result.

    Parameters
    ----------
    session_id
        Only streams with the same id see each other. This isolates, but does not protect.
    scope
        How far discovery reaches.
    peers
        Hosts that are queried for streams directly, beside `known_peers` of the scope.
    ports
        The ports on which they are queried, and of this process's own outlets.

    Raises
    ------
    LslError
        If another configuration is already active in this process, or liblsl did not accept this
        one. A silently ignored configuration would mean liblsl's default: the whole site.
    LibraryError
        If there is no usable liblsl.
    """
    global _configured
    if not session_id or any(character in session_id for character in "\n\r;"):
        raise LslError(f"found session id {session_id!r}, expected one line of text without ';'")
    load_library()
    import pylsl  # not at the top: `Scope` is needed even without liblsl

    # liblsl reads an inline comment as part of the value, so there are none.
    check_peers(peers)
    hosts = ", ".join(known_peers(scope, peers))
    peers = f"KnownPeers = {{{hosts}}}\n" if hosts else ""
    content = (
        f"[ports]\nBasePort = {ports.start}\nPortRange = {len(ports)}\nIPv6 = disable\n"
        f"[multicast]\nResolveScope = {scope}\n"
        f"[lab]\n{peers}SessionID = {session_id}\n"
        "[log]\nlevel = -3\n"  # its errors reach us as exceptions; only fatal ones are printed
    )
    if _configured is not None:
        if content != _configured:
            raise LslError(
                "found liblsl already configured differently in this process, expected it "
                "configured once; start another process for another session id or scope"
            )
        return
    pylsl.set_config_content(content)
    probe = pylsl.StreamOutlet(
        pylsl.StreamInfo("eeg-emotion-probe", "Probe", 1, 0.0, "int8", f"probe-{os.getpid()}")
    )
    found = probe.get_info().session_id()
    if found != session_id:
        raise LslError(
            f"found liblsl running with session id {found!r}, expected {session_id!r}: it ignored "
            "the configuration, so its scope is unknown; install liblsl 1.17.7 or newer"
        )
    _configured = content
