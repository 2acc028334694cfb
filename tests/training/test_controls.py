"""Controls: what must be found is found, and what is not there is found only where trials leak."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from eeg_emotion.eeg.layout import cap_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.contract import LabelPolicy
from eeg_emotion.recordings.simulation import Effect, SimulatedPerson
from eeg_emotion_training.data.sources import PersonSignal, Rest, Trial
from eeg_emotion_training.evaluation.scores import Predictions, Score, by_trial, summarise
from eeg_emotion_training.study.executors import run_tasks
from eeg_emotion_training.study.plan import Study, StudySettings, plan_study
from eeg_emotion_training.study.results import load_result

pytestmark = pytest.mark.slow

CHANNELS = ("AF3", "AF4", "F3", "F4", "F7", "F8", "FC1", "FC2", "C3", "C4")
SFREQ_HZ = 128
REST_SECONDS = 30
QUADRANTS = ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))
# A change of state of +1 to -1 that can be seen in every window of every person.
PLANTED = Effect(asymmetry_db=20.0, beta_db=5.0, gamma_db=6.0, rating_noise=0.0, person_spread=0.05)
# Nothing of emotion, but every trial has a background of its own.
FINGERPRINT = Effect(
    asymmetry_db=0.0, beta_db=0.0, gamma_db=0.0, alpha_db=0.0, trial_db=6.0, person_spread=0.0
)


@dataclass
class Planted:
    """Simulated people: each trial has 3 s without emotion, then some of one, high or low."""

    people: int
    effect: Effect
    trials: int = 24
    seconds: int = 15
    seed: int = 1
    name: str = "simulated people"
    simulated: bool = True
    labels: tuple[str, ...] = ("valence", "arousal")
    label_policy: LabelPolicy = field(
        default_factory=lambda: LabelPolicy(id="planted/1", text="as planted")
    )
    notes: tuple[str, ...] = ()
    baseline_seconds: float | None = 3.0

    @property
    def digests(self) -> dict[str, str]:
        named = {f"s{number:02d}": number for number in range(1, self.people + 1)}
        return {
            name: hashlib.sha256(f"{self.seed} {number} {self}".encode()).hexdigest()
            for name, number in named.items()
        }

    def read(self, person: str) -> PersonSignal:
        number = int(person[1:])
        made = SimulatedPerson(self.seed, number, self.effect)
        quadrants = np.resize(QUADRANTS, (self.trials, 2))
        states = np.random.default_rng([self.seed, number]).permutation(quadrants)
        trials = []
        for trial, (valence, arousal) in enumerate(states):
            course = np.zeros((2, (3 + self.seconds) * SFREQ_HZ))
            course[:, 3 * SFREQ_HZ :] = [[valence], [arousal]]
            samples = made.run(trial, SFREQ_HZ).next(course.shape[1], course[1], course[0])
            high = np.array([valence > 0, arousal > 0])
            trials.append(Trial(samples, 3 * SFREQ_HZ, course.shape[1], high, f"video {trial + 1}"))
        rest = made.run(self.trials, SFREQ_HZ).next(REST_SECONDS * SFREQ_HZ, 0.0, 0.0)
        return PersonSignal(
            layout=cap_layout(DEAP32, ["uV"] * len(DEAP32), CHANNELS),
            sfreq=float(SFREQ_HZ),
            trials=trials,
            rest=[Rest(rest, 3.0)],
        )


def planned(source: Planted, folder: Path, study: str, **changes: object) -> Study:
    """Plan a study; studies of one folder share their windows."""
    chosen: dict[str, object] = {
        "protocols": ("trial", "loso"),
        "networks": ("logistic",),
        "targets": ("valence",),
        "montages": {"ten": CHANNELS},
        "units": 16,
        "steps": 150,
        "batch_size": 32,
        "seed": 1,
    }
    settings = StudySettings.model_validate(chosen | changes)
    return plan_study({"ten": source}, settings, folder / study, folder / "cache", lambda _: None)


def run(study: Study) -> None:
    # In this process: Keras is loaded, and compiles the network, once.
    with ThreadPoolExecutor(1) as executor:
        run_tasks(study.tasks, executor, lambda *_: None)


def balanced_accuracy(protocol: str, target: str, *studies: Study) -> Score:
    """Score the trials of all folds of a protocol; people of several studies count as others."""
    columns: list[tuple[np.ndarray, ...]] = []
    for number, study in enumerate(studies):
        for task in study.tasks:
            if (task.spec.protocol, task.spec.target) == (protocol, target):
                result = load_result(task.results, task.spec)
                assert result is not None
                assert result.record.status == "done"
                person = np.char.add(result.person, f" of {number}")
                columns.append((person, result.trial, result.high, result.probability))
    predictions = Predictions(*(np.concatenate(column) for column in zip(*columns, strict=True)))
    score = summarise(by_trial(predictions)).scores["balanced_accuracy"]
    print(f"{protocol} {target}: {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]")  # noqa: T201
    return score


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planted")


@pytest.mark.needs("time")
def test_bn_gru_finds_what_was_planted_in_trials_and_in_people_that_it_never_saw(
    folder: Path,
) -> None:
    study = planned(
        Planted(3, PLANTED),
        folder,
        "network",
        networks=("bn-gru",),
        normalisers=("rest-baseline",),
    )
    run(study)
    assert balanced_accuracy("trial", "valence", study).value >= 0.95
    assert balanced_accuracy("loso", "valence", study).value >= 0.95


@pytest.mark.needs("time")
def test_the_linear_model_finds_both_effects(folder: Path) -> None:
    study = planned(
        Planted(3, PLANTED, trials=16, seconds=12),
        folder,
        "linear",
        protocols=("trial", "loso", "stimulus"),
        targets=("valence", "arousal"),
        normalisers=("rest-baseline",),
    )
    run(study)
    for protocol in ("trial", "loso", "stimulus"):
        for target in ("valence", "arousal"):
            assert balanced_accuracy(protocol, target, study).value >= 0.95


def shuffled(source: Planted, folder: Path, *protocols: str, seeds: int) -> list[Study]:
    """Run a study of shuffled labels for each seed."""
    studies = [
        planned(
            source, folder, f"shuffle-{seed}", protocols=protocols, labels="shuffled", seed=seed
        )
        for seed in range(1, seeds + 1)
    ]
    for study in studies:
        run(study)
    return studies


@pytest.mark.needs("time")
def test_shuffled_labels_are_found_only_where_windows_of_a_trial_are_on_both_sides(
    tmp_path: Path,
) -> None:
    """Each trial has a background of its own: who saw it once knows its label, whatever it is."""
    source = Planted(3, FINGERPRINT, trials=12, seconds=15)
    studies = shuffled(source, tmp_path, "segment", "loso", seeds=3)
    honest = balanced_accuracy("loso", "valence", *studies)
    assert honest.low < 0.5 < honest.high
    leaky = balanced_accuracy("segment", "valence", *studies)
    assert leaky.low > 0.55


@pytest.mark.needs("time")
def test_shuffled_labels_are_found_under_no_honest_protocol(tmp_path: Path) -> None:
    source = Planted(4, FINGERPRINT, trials=16, seconds=30)
    protocols = ("segment", "trial", "loso", "stimulus")
    studies = shuffled(source, tmp_path, *protocols, seeds=3)
    for protocol in protocols[1:]:
        honest = balanced_accuracy(protocol, "valence", *studies)
        assert honest.low < 0.5 < honest.high
        assert honest.high - honest.low < 0.2
    assert balanced_accuracy("segment", "valence", *studies).low > 0.6
