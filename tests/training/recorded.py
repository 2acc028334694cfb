"""Windows and results of a small simulated data set, kept in a file with the version they are of.

python -m tests.training.recorded          # after WINDOWS or RESULTS was raised: record all again
python -m tests.training.recorded --add    # after a representation was added: record its windows
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.support.study_people import CHANNELS, made_people, plan

from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion_training.choices import REPRESENTATIONS
from eeg_emotion_training.data.code_version import RESULTS, WINDOWS
from eeg_emotion_training.data.windows import cut_person
from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.networks.names import BASELINES, NETWORKS
from eeg_emotion_training.study.results import load_result
from eeg_emotion_training.study.task import run_task

FILE = Path(__file__).parent / "recorded.npz"

Arrays = dict[str, NDArray[Any]]


def windows() -> Arrays:
    """Return the measures of each representation, with and without the trials' baseline."""
    made: Arrays = {}
    source = made_people(2, trials={"p1": 2})
    for name, representation in REPRESENTATIONS.items():
        settings = PathSettings(channels=CHANNELS, representation=representation)
        for baseline in (False, True):
            cut = cut_person("p1", source.read("p1"), settings, baseline)
            case = f"windows {name} {'with' if baseline else 'without'} baseline"
            made[f"{case}, measures"] = (
                cut.measures[..., ::32, :] if name == "raw" else cut.measures
            )
            made[f"{case}, trials"] = cut.trial
            made[f"{case}, scorable"] = cut.scorable
    made["windows simulated person"] = SimulatedPerson(1, 1).run(0, 128.0).next(64, 0.5, -0.5)
    return made


PROTOCOLS_OF = {BASELINES: tuple(PROTOCOLS), NETWORKS: ("loso",)}


def results(models: tuple[str, ...]) -> Arrays:
    """Return what baselines, or networks, predicted of whose windows.

    A row holds the person's number, the trial, the raw and the calibrated probability.
    """
    rows: dict[str, list[NDArray[np.float64]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        study = plan(
            made_people(3),
            Path(folder),
            cache=Path(folder) / "windows",
            protocols=PROTOCOLS_OF[models],
            networks=models,
            steps=6,
        )
        for task in study.tasks:
            spec = task.spec
            if models == NETWORKS and spec.fold != "p1":
                continue  # each takes a second to compile
            run_task(task)
            result = load_result(task.results, spec)
            assert result is not None
            person = [int(name.removeprefix("p")) for name in result.person]
            rows.setdefault(f"results {spec.protocol} {spec.network}", []).append(
                np.stack([person, result.trial, result.raw, result.probability], axis=1)
            )
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def recorded() -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield what is kept, by name."""
    with np.load(FILE) as kept:
        yield from ((name, kept[name]) for name in kept.files)


def main(arguments: list[str]) -> None:
    if arguments == ["--add"]:
        kept = dict(recorded())
        kept |= {name: values for name, values in windows().items() if name not in kept}
    else:
        kept = {
            "WINDOWS": np.array(WINDOWS),
            "RESULTS": np.array(RESULTS),
            **windows(),
            **results(BASELINES),
            **results(NETWORKS),
        }
    np.savez_compressed(FILE, allow_pickle=False, **kept)


if __name__ == "__main__":
    main(sys.argv[1:])
