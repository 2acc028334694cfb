"""A small data set for tests of studies: noise whose alpha rhythm follows valence."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from eeg_emotion.eeg.layout import cap_layout
from eeg_emotion.inference.contract import LabelPolicy
from eeg_emotion_training.data.sources import PersonSignal, Rest, Trial
from eeg_emotion_training.study.plan import Study, StudySettings, plan_study

CHANNELS = ("Fz", "Cz", "Pz", "Oz")
SFREQ_HZ = 128
TRIALS = 8
# Where studies keep windows, so that each person is cut once for all tests; set by a fixture.
kept_windows = Path()


@dataclass
class MadePeople:
    """People of `seeds`, who are the same for the same seed; two windows of 5 s a trial.

    Valence alternates from trial to trial; arousal changes every second trial.
    """

    seeds: Mapping[str, int]
    trials: Mapping[str, int] = field(default_factory=dict)
    baseline_seconds: float | None = 3.0
    rest_seconds: int = 25
    channels: tuple[str, ...] = CHANNELS
    only_low: tuple[str, ...] = ()
    unworn: tuple[str, ...] = ()
    name: str = "made people"
    simulated: bool = True
    labels: tuple[str, ...] = ("valence", "arousal")
    label_policy: LabelPolicy = field(
        default_factory=lambda: LabelPolicy(id="made/1", text="as they were made")
    )
    notes: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        return {
            person: hashlib.sha256(f"{seed} {self._trials(person)}".encode()).hexdigest()
            for person, seed in self.seeds.items()
        }

    def read(self, person: str) -> PersonSignal:
        rng = np.random.default_rng(self.seeds[person])
        trials = []
        for number in range(self._trials(person)):
            valence = number % 2 == 1 and person not in self.only_low
            samples = rng.normal(0.0, 8.0, (len(CHANNELS), 13 * SFREQ_HZ + 10))
            seconds = np.arange(samples.shape[1]) / SFREQ_HZ
            samples[-1] += (24.0 if valence else 12.0) * np.sin(2 * np.pi * 10.0 * seconds)
            if person in self.unworn:
                samples[:] = 0.0
            high = np.array([valence, number % 4 < 2])
            end = 13 * SFREQ_HZ + 5
            trials.append(Trial(samples, 3 * SFREQ_HZ, end, high, f"video {number}"))
        rest = rng.normal(0.0, 8.0, (len(CHANNELS), self.rest_seconds * SFREQ_HZ))
        return PersonSignal(
            layout=cap_layout(CHANNELS, ["uV"] * len(CHANNELS), self.channels),
            sfreq=float(SFREQ_HZ),
            trials=trials,
            rest=[Rest(rest, 1.0)],
        )

    def _trials(self, person: str) -> int:
        return self.trials.get(person, TRIALS)


def made_people(count: int, **changes: Any) -> MadePeople:
    return MadePeople({f"p{number}": number for number in range(1, count + 1)}, **changes)


def plan(
    source: MadePeople,
    folder: Path,
    announce: Callable[[str], None] = lambda _: None,
    cache: Path | None = None,
    **changes: Any,
) -> Study:
    """Plan a study of quick models in `folder`; people who are made alike share a cache."""
    chosen: dict[str, Any] = {
        "protocols": ("trial",),
        "networks": ("majority", "logistic"),
        "targets": ("valence",),
        "montages": {"four": CHANNELS},
        "units": 4,
        "steps": 20,
        "batch_size": 8,
        "seed": 1,
    }
    settings = StudySettings(**(chosen | changes))
    sources = {
        name: replace(source, channels=channels) for name, channels in settings.montages.items()
    }
    if cache is None:
        alike = repr(replace(source, seeds={})).encode()
        cache = kept_windows / hashlib.sha256(alike).hexdigest()
    return plan_study(sources, settings, folder / "study", cache, announce)
