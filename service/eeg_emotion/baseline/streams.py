"""The part of the headsets' streams that rest baselines need."""

from __future__ import annotations

from typing import Protocol

from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.publish.messages import Headset


class RestPipeline(Protocol):
    """The part of a headset's pipeline that a collection uses."""

    rest: RestCollection | None
    """Receives every sample from the poller's thread, and is restarted at each gap."""

    @property
    def settings(self) -> PathSettings:
        """The model's signal path."""
        ...

    @property
    def layout(self) -> Layout | None:
        """How the stream's channels map to the model's; None while that is not known."""
        ...

    @property
    def sfreq(self) -> float:
        """The stream's rate, Hz."""
        ...

    @property
    def limits(self) -> QualityLimits:
        """Thresholds of the signal quality."""
        ...

    def use(self, normaliser: Normaliser | None) -> None:
        """Apply a normaliser from the next window on; with None no window is scored."""
        ...


class RestStream(Protocol):
    """A headset's stream that is being followed."""

    @property
    def pipeline(self) -> RestPipeline:
        """Its pipeline."""
        ...


class RestStreams(Protocol):
    """The headsets' streams, as the fleet follows them."""

    def headset(self, identifier: str) -> Headset | None:
        """Return one headset; None if it is not known."""
        ...

    def active_stream(self, identifier: str) -> RestStream | None:
        """Return the stream of a headset's current connection, if one is being followed."""
        ...
