"""How this process speaks Lab Streaming Layer: configured explicitly, and verified.

LSL has neither encryption nor authentication, and its own default publishes to the whole site.
Here the default is this machine only; a wider scope is the user's choice.
"""

from __future__ import annotations

import os
from enum import StrEnum

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.lsl.library import load_library

PORTS = range(16572, 16572 + 512)
"""Where outlets are looked for on each known peer, TCP and UDP. It begins at liblsl's own default,
but that has 32, and streams beyond the 32nd on a host cannot be found. Both sides must use the
same range."""

_configured: str | None = None


class LslError(EegEmotionError):
    """Lab Streaming Layer is not there, or not set up as asked."""


class Scope(StrEnum):
    """How far streams are looked for and answered: liblsl's ``ResolveScope``."""

    MACHINE = "machine"
    LINK = "link"
    SITE = "site"


def known_peers(scope: Scope) -> tuple[str, ...]:
    """Return the hosts that are asked for streams one by one, besides by multicast."""
    return ("127.0.0.1",) if scope is Scope.MACHINE else ()


def configure(*, session_id: str, scope: Scope = Scope.MACHINE) -> None:
    """Configure liblsl for this process, before its first other call, and verify it took.

    Parameters
    ----------
    session_id
        Only streams with the same id see each other. It isolates, it does not protect.
    scope
        How far discovery reaches.

    Raises
    ------
    LslError
        If another configuration is already in force in this process, or liblsl did not take this
        one. A silently ignored configuration would mean liblsl's default: the whole site.
    LibraryError
        If there is no liblsl that serves.
    """
    global _configured
    if not session_id or any(character in session_id for character in "\n\r;"):
        raise LslError(f"found session id {session_id!r}, expected one line of text without ';'")
    load_library()
    import pylsl  # not above: `Scope` is wanted where there is no liblsl too

    # liblsl reads an inline comment as part of the value, so there is none.
    hosts = ", ".join(known_peers(scope))
    peers = f"KnownPeers = {{{hosts}}}\n" if hosts else ""
    content = (
        f"[ports]\nPortRange = {len(PORTS)}\nIPv6 = disable\n"
        f"[multicast]\nResolveScope = {scope}\n"
        f"[lab]\n{peers}SessionID = {session_id}\n"
        "[log]\nlevel = -3\n"  # its errors reach us as exceptions; only what is fatal is printed
    )
    if _configured is not None:
        if content != _configured:
            raise LslError(
                "liblsl is already configured otherwise in this process; "
                "start another process for another session id or scope"
            )
        return
    pylsl.set_config_content(content)
    probe = pylsl.StreamOutlet(
        pylsl.StreamInfo("eeg-emotion-probe", "Probe", 1, 0.0, "int8", f"probe-{os.getpid()}")
    )
    found = probe.get_info().session_id()
    if found != session_id:
        raise LslError(
            f"liblsl runs with session id {found!r}, expected {session_id!r}: it did not take "
            "the configuration, so its scope is unknown; liblsl 1.17.7 or newer is needed"
        )
    _configured = content
