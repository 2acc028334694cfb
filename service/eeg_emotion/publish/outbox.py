"""What waits to be sent to one subscriber. Pure: the socket's task asks it what comes next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Kind = Literal["prediction", "status", "baseline", "going_away"]


class Outbox:
    """The newest unsent message of each kind and headset, in the order they were published.

    A subscriber that reads slowly gets the newest state, not a growing backlog: a message that
    is still unsent when a newer one of the same headset and kind arrives is dropped and counted.
    So the outbox never holds more than three messages a headset.

    Parameters
    ----------
    wake
        Called when there is something to take.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: dict[tuple[Kind, str], str] = {}
        self.conflated = 0
        self.closed = False

    def put(self, kind: Kind, headset: str, text: str) -> None:
        """Add a message, in place of an unsent older one of the same kind and headset."""
        # Taken out first, so that the newer message takes its own place in the order.
        if self._waiting.pop((kind, headset), None) is not None:
            self.conflated += 1
        self._waiting[kind, headset] = text
        self._wake()

    def close(self) -> None:
        """Note that nothing will follow what waits now."""
        self.closed = True
        self._wake()

    def take(self) -> list[str]:
        """Take all that waits, oldest first."""
        taken = list(self._waiting.values())
        self._waiting.clear()
        return taken
