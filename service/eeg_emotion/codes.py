"""The words that go over the wire, each with what it means."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a headset's connection stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    QUARANTINED = "quarantined"
