"""A headset's pipeline without its signal."""

from __future__ import annotations

from dataclasses import dataclass, field

from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.quality import QualityLimits


@dataclass
class FakePipeline:
    """What a headset's stream offers to a collection; `used` records its normalisers."""

    settings: PathSettings
    layout: Layout | None
    sfreq: float = 128.0
    limits: QualityLimits = field(default_factory=QualityLimits)
    rest: RestCollection | None = None
    used: list[Normaliser | None] = field(default_factory=list)

    def use(self, normaliser: Normaliser | None) -> None:
        self.used.append(normaliser)
