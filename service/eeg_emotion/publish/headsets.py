"""Which headsets there are, whether read here or reported by a broker."""

from __future__ import annotations

from typing import Literal, Protocol

from eeg_emotion.publish.messages import Headset, Quality


class Headsets(Protocol):
    """Who is here."""

    @property
    def source(self) -> Literal["lsl", "broker"]:
        """Where they are heard of."""
        ...

    @property
    def following(self) -> bool:
        """Return whether that is looked at now."""
        ...

    def headsets(self) -> tuple[Headset, ...]:
        """Describe all headsets, by id."""
        ...

    def headset(self, identifier: str) -> Headset | None:
        """Describe one headset."""
        ...

    def quality(self, identifier: str) -> Quality | None:
        """Return how each channel of a headset's newest window was judged."""
        ...
