"""What rest baselines need of the headsets' lines, and nothing more."""

from __future__ import annotations

from typing import Protocol

from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.publish.messages import Headset


class RestMonitor(Protocol):
    """What a headset's line lends to a collection, and takes from it."""

    rest: RestCollection | None
    """Fed with every sample by the line's own thread, and restarted at each gap."""

    @property
    def settings(self) -> PathSettings:
        """The model's signal path."""
        ...

    @property
    def layout(self) -> Layout | None:
        """How the stream's channels become the model's; None while that is not known."""
        ...

    @property
    def sfreq(self) -> float:
        """The stream's rate, Hz."""
        ...

    @property
    def limits(self) -> QualityLimits:
        """Thresholds of the quality judgement."""
        ...

    def use(self, normaliser: Normaliser | None) -> None:
        """Judge by this normaliser from the next window on; by None nothing is scored."""
        ...


class Line(Protocol):
    """A headset's running line."""

    @property
    def monitor(self) -> RestMonitor:
        """What runs on it."""
        ...


class Lines(Protocol):
    """The headsets' lines, as the fleet runs them."""

    def headset(self, identifier: str) -> Headset | None:
        """Describe one headset."""
        ...

    def line(self, identifier: str) -> Line | None:
        """Return the line of a headset's present connection, if one is run."""
        ...
