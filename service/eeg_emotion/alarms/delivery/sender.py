"""The interface between the delivery worker and a way to deliver."""

from __future__ import annotations

from typing import Protocol

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.alarms import Alarm


class Retry(EegEmotionError):
    """The event was not delivered, or not confirmed; the delivery should be retried.

    Parameters
    ----------
    why
        A message without secrets.
    after_seconds
        How long the receiver asks to wait before the next attempt, if it does.
    """

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


class Refusal(EegEmotionError):
    """The receiver rejects the event for good; retrying is pointless."""


class Sender(Protocol):
    """Sends events to one target, one at a time."""

    @property
    def target(self) -> str:
        """The target's name in the event store, the log and the metrics."""
        ...

    def wants(self, event: Alarm) -> bool:
        """Return whether an event is for this target."""
        ...

    async def send(self, event: Alarm) -> None:
        """Send an event, and return once the receiver has confirmed it.

        Raises
        ------
        Retry, Refusal
        """
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
