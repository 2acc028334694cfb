"""The known headsets, whether read here or reported by a broker."""

from __future__ import annotations

from typing import Literal, Protocol

from eeg_emotion.publish.messages import Headset, Quality


class Headsets(Protocol):
    """The known headsets."""

    @property
    def source(self) -> Literal["lsl", "broker"]:
        """Where headsets are discovered."""
        ...

    @property
    def following(self) -> bool:
        """Return whether the source is being followed at present."""
        ...

    def headsets(self) -> tuple[Headset, ...]:
        """Return all headsets, sorted by id."""
        ...

    def headset(self, identifier: str) -> Headset | None:
        """Return one headset; None if it is not known."""
        ...

    def quality(self, identifier: str) -> Quality | None:
        """Return the channel quality of a headset's newest window; None if it is not known."""
        ...
