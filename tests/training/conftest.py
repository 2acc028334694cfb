from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support import study_people
from tests.support.fake_source import FakeSource

from eeg_emotion.eeg.normaliser import fit_normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import FOUR_BANDS, BandPower
from eeg_emotion.recordings.deap import CHANNELS, SAMPLES, TRIALS, mark_simulated
from eeg_emotion.recordings.deap_pickle import write_python2_pickle
from eeg_emotion_training.data.windows import PersonWindows
from eeg_emotion_training.networks.names import choose_backend

if TYPE_CHECKING:
    from eeg_emotion_training.model.fit import FitSettings

# Before any test imports Keras.
choose_backend()

# Tests compile many networks and train each for a moment: without these two steps XLA compiles in
# half the time. It reads this when TensorFlow, or JAX in a process that a test starts, compiles
# first; it would end the process if it ever forgot one of the names.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)

# Windows of 1 s and 3 channels: `(4, 12)`.
PATH = PathSettings(
    channels=("Fz", "Cz", "Pz"),
    window_seconds=1.0,
    hop_seconds=0.5,
    representation=BandPower(bands=FOUR_BANDS),
)


@pytest.fixture(scope="session", autouse=True)
def _kept_windows(tmp_path_factory: pytest.TempPathFactory) -> None:
    study_people.kept_windows = tmp_path_factory.mktemp("made-people")


@pytest.fixture(scope="session")
def simulated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person's file that states that it is simulated, 103 MB; its signals are plain noise."""
    folder = tmp_path_factory.mktemp("simulated")
    rng = np.random.default_rng(5)
    data = np.tile(rng.normal(0.0, 10.0, (1, CHANNELS, SAMPLES)), (TRIALS, 1, 1))
    mark_simulated(data)
    with (folder / "s01.dat").open("wb") as file:
        write_python2_pickle(file, {"labels": rng.uniform(1.0, 9.0, (TRIALS, 4)), "data": data})
    return folder


@pytest.fixture(scope="session")
def make_source() -> Callable[..., FakeSource]:
    """Makes a data set in memory, for which only its digests must be given."""
    return FakeSource


@pytest.fixture(scope="session")
def people() -> list[PersonWindows]:
    """Ten people, 8 trials of 3 windows of `(4, 12)`, half of the trials high.

    The first four measures rise with arousal, the last four with valence. Windows of one trial
    differ as much as trials do, and people differ in their level.
    """
    rng = np.random.default_rng(8)
    made = []
    for number in range(1, 11):
        high = np.zeros((8, 2), dtype=np.bool_)
        high[:4, 0] = high[::2, 1] = True
        high = high[rng.permutation(8)]
        level = rng.normal(size=12)
        measures = rng.normal(level, 1.0, size=(8, 3, 4, 12))
        measures[..., 8:] += 3.0 * high[:, 0, None, None, None]
        measures[..., :4] += 3.0 * high[:, 1, None, None, None]
        rest = rng.normal(level + 1.0, 1.5, size=(30, 4, 12))
        made.append(
            PersonWindows(
                person=f"s{number:02d}",
                measures=measures.reshape(24, 4, 12).astype(np.float32),
                trial=np.repeat(np.arange(8, dtype=np.int32), 3),
                scorable=np.ones(24, dtype=np.bool_),
                high=high,
                stimuli=tuple(f"video {trial + 1}" for trial in range(8)),
                rest=fit_normaliser([rest], PATH.representation, "rest-baseline"),
            )
        )
    return made


@pytest.fixture(scope="session")
def source(people: list[PersonWindows]) -> FakeSource:
    """The data set of `people`."""
    return FakeSource({one.person: one.person[1:] * 32 for one in people})


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., FitSettings]:
    """Settings of a fit of some seconds to `people`."""
    from eeg_emotion_training.model.fit import FitSettings

    def make(target: str = "valence", normaliser: Any = "training", **changes: Any) -> FitSettings:
        chosen = {"network": "bn-gru", "units": 4, "steps": 30, "batch_size": 8, "seed": 3}
        return FitSettings.model_validate(
            {"target": target, "path": PATH, "normaliser": normaliser} | chosen | changes
        )

    return make


@pytest.fixture(scope="session")
def make_run(
    people: list[PersonWindows],
    source: FakeSource,
    make_settings: Callable[..., FitSettings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Path]:
    """Fit to `people` and return the run's folder; the same settings are fitted once."""
    from eeg_emotion_training.model.fit import fit

    folder = tmp_path_factory.mktemp("runs")
    made: dict[FitSettings, Path] = {}

    def make(**changes: Any) -> Path:
        settings = make_settings(**changes)
        if settings not in made:
            out = folder / f"run{len(made)}"
            fit(people, source, settings, out, lambda _: None)
            made[settings] = out
        return made[settings]

    return make


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """Make the kernel refuse to write files beyond a size, as on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows limits no file's size")

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
