"""What a courier asks of whoever sends for it."""

from __future__ import annotations

from typing import Protocol

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.alarms import Alarm


class Retry(EegEmotionError):
    """It did not arrive, or nobody said that it did; it is to be tried again.

    Parameters
    ----------
    why
        In words, without secrets.
    after_seconds
        How long the other side asks to be left alone, if it does.
    """

    def __init__(self, why: str, after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.after_seconds = after_seconds


class Refusal(EegEmotionError):
    """The other side will not have it, now or later."""


class Sender(Protocol):
    """Sends events to one target, one at a time."""

    @property
    def target(self) -> str:
        """As the outbox, log and metrics name it."""
        ...

    def wants(self, event: Alarm) -> bool:
        """Return whether an event is for this target."""
        ...

    async def send(self, event: Alarm) -> None:
        """Send it, and return once the other side has it.

        Raises
        ------
        Retry, Refusal
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
