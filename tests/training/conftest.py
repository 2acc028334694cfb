from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eeg_emotion.eeg.path import PathSettings
from eeg_emotion_training.simulate import write_people
from eeg_emotion_training.windows import PersonWindows

if TYPE_CHECKING:
    from eeg_emotion_training.fit import FitSettings


@pytest.fixture(scope="session")
def simulated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One simulated person with seed 5, written once; 103 MB."""
    folder = tmp_path_factory.mktemp("simulated")
    write_people(folder, subjects=1, seed=5)
    return folder


@pytest.fixture(scope="session")
def people() -> list[PersonWindows]:
    """Ten people, 8 trials of 3 windows of `(4, 12)`, half of the trials high.

    The first four features rise with arousal, the last four with valence. Windows of one trial
    differ as much as trials do, and people differ in their level.
    """
    rng = np.random.default_rng(8)
    made = []
    for number in range(1, 11):
        ratings = np.full((8, 4), 3.0)
        ratings[:4, 0] = ratings[::2, 1] = 7.0
        ratings = ratings[rng.permutation(8)]
        features = rng.normal(rng.normal(size=12), 1.0, size=(8, 3, 4, 12))
        features[..., 8:] += 3.0 * (ratings[:, 0] > 5.0)[:, None, None, None]
        features[..., :4] += 3.0 * (ratings[:, 1] > 5.0)[:, None, None, None]
        made.append(
            PersonWindows(number, features.astype(np.float32), ratings, True, f"{number:064x}")
        )
    return made


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., FitSettings]:
    """Settings of a fit of some seconds, over windows of three channels and 1 s."""
    from eeg_emotion_training.fit import FitSettings

    path = PathSettings(channels=("Fz", "Cz", "Pz"), window_seconds=1.0, hop_seconds=0.5)

    def make(**changes: Any) -> FitSettings:
        chosen = {"target": "valence", "units": 4, "epochs": 3, "batch_size": 8, "seed": 3}
        return FitSettings(path=path, **(chosen | changes))

    return make


@pytest.fixture(scope="session")
def make_run(
    people: list[PersonWindows],
    make_settings: Callable[..., FitSettings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Fit to `people` and give the run's folder; the same settings are fitted once."""
    from eeg_emotion_training.fit import fit

    folder = tmp_path_factory.mktemp("runs")
    made: dict[FitSettings, Path] = {}

    def make(**changes: Any) -> Path:
        settings = make_settings(**changes)
        if settings not in made:
            out = folder / f"run{len(made)}"
            fit(people, settings, out, lambda _: None)
            made[settings] = out
        return made[settings]

    return make
