"""A data set in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eeg_emotion.inference.contract import LabelPolicy
from eeg_emotion_training.data.sources import PersonSignal


@dataclass
class FakeSource:
    """A data set in memory; it notes who was read."""

    digests: Mapping[str, str]
    signals: Mapping[str, PersonSignal] = field(default_factory=dict)
    name: str = "simulated people in memory"
    simulated: bool = True
    labels: tuple[str, ...] = ("valence", "arousal")
    label_policy: LabelPolicy = field(
        default_factory=lambda: LabelPolicy(id="high-above-5/1", text="high = rating > 5.0")
    )
    notes: tuple[str, ...] = ()
    baseline_seconds: float | None = 3.0
    reads: list[str] = field(default_factory=list)

    def read(self, person: str) -> PersonSignal:
        self.reads.append(person)
        return self.signals[person]
