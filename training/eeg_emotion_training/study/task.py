"""One fold of a study as a task of its own: it reads windows, trains, tests, and writes a result.

A task holds nothing but names and numbers, so that it can be sent to another process or machine
which sees the same files. Whatever it needs of Keras is imported where it runs.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.representation import Representation, Tangent
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.calibration import scale
from eeg_emotion_training.choices import network_name
from eeg_emotion_training.data.cache import Kept
from eeg_emotion_training.data.code_version import code_version
from eeg_emotion_training.data.normalising import normalised
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.windows import PersonWindows
from eeg_emotion_training.evaluation.calibration import fit_temperature, unsure_band
from eeg_emotion_training.evaluation.protocols import (
    PROTOCOLS,
    Fold,
    Protocol,
    WindowIndex,
    index_of,
    leak_share,
)
from eeg_emotion_training.networks import baselines
from eeg_emotion_training.networks.names import CONSTANT, backend
from eeg_emotion_training.networks.scalars import scalars
from eeg_emotion_training.networks.trainer import train
from eeg_emotion_training.study.results import (
    Labels,
    Record,
    Result,
    Spec,
    load_result,
    save_result,
    skipped,
)


class TaskError(EegEmotionError):
    """A worker sees other data, code or splits than the study was planned with."""


# A process has one compiled network and one table of windows. A Dask worker has several threads by
# default: two folds at once would train each other's weights.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Task:
    """What one fold needs.

    Attributes
    ----------
    spec
        What to run; its digest names the result.
    label
        The target's place among the source's labels.
    representation
        Of the windows.
    people
        Where the windows of the fold's people are kept.
    results, logs
        Folders for the result and for TensorBoard.
    """

    spec: Spec
    label: int
    representation: Representation
    people: tuple[Kept, ...]
    results: Path
    logs: Path


def data_digest(kept: Sequence[Kept]) -> str:
    """Name the windows of people who are split together, and all that is kept with them."""
    return hashlib.sha256("".join(item.digest() for item in kept).encode()).hexdigest()


def load_people(kept: Sequence[Kept], protocol: Protocol) -> list[PersonWindows]:
    """Read people's windows, except those that the service would refuse to score.

    The paper's protocol keeps them all, as the paper did.
    """
    people = [item.load() for item in kept]
    return people if protocol.baseline else [person.only_scorable() for person in people]


def labelled_index(
    people: Sequence[PersonWindows], labels: Labels, seed: int, label: int
) -> WindowIndex:
    """List the windows with their labels, which the shuffled-label control permutes by trial."""
    if labels == "shuffled":
        people = [_shuffled(person, label, seed) for person in people]
    return index_of(people, label)


def run_task(task: Task) -> Record:
    """Run a task, unless its result is there already; a fold that cannot be run is recorded so.

    Raises
    ------
    TaskError
        If this process would make another result than the task's name states.
    ResultError
        If the result cannot be written.
    """
    spec = task.spec
    done = load_result(task.results, spec)
    if done is not None:
        return done.record
    with _ONE_AT_A_TIME:
        started = time.perf_counter()
        _refuse_other(task)
        try:
            result = _run(task)
        except DataError as error:
            result = skipped(spec, str(error))
    result = _timed(result, time.perf_counter() - started)
    save_result(task.results, result)
    return result.record


def _run(task: Task) -> Result:
    spec, protocol = task.spec, PROTOCOLS[task.spec.protocol]
    people = list(_people(task.people, protocol, spec.data_sha256))
    index = labelled_index(people, spec.labels, spec.seed, task.label)
    fold = next(f for f in protocol.folds(index, spec.seed) if f.name == spec.fold)
    if fold.digest(index) != spec.split_sha256:
        raise TaskError(
            "found another split than the study was planned with, expected the same; restart the "
            "workers and run the same command again"
        )
    _refuse_one_class(index, fold, spec.target)
    validation, test, details = _predict(task, people, index, fold)
    calibration: dict[str, object] = {}
    probability = test
    if len(fold.validation) and spec.network not in CONSTANT:
        high = index.high[fold.validation]
        temperature = fit_temperature(validation, high)
        probability = scale(test, temperature)
        calibration = {
            "temperature": temperature,
            "unsure": unsure_band(scale(validation, temperature), high),
        }
    return Result(
        record=Record.model_validate(
            {
                "spec": spec,
                "status": "done",
                "training_windows": len(fold.training),
                "training_people": len(np.unique(index.person[fold.training])),
                "leak_share": leak_share(fold, index),
                **details,
                **calibration,
            }
        ),
        person=index.person[fold.test],
        trial=index.trial[fold.test],
        high=index.high[fold.test],
        raw=test,
        probability=probability,
    )


def _predict(
    task: Task, people: list[PersonWindows], index: WindowIndex, fold: Fold
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, object]]:
    """Return the probabilities of the validation windows and of the test windows."""
    spec = task.spec
    nothing: dict[str, object] = {}
    if spec.network == "majority":
        return np.empty(0), baselines.majority(index, fold), nothing
    if spec.network == "person-majority":
        return np.empty(0), baselines.person_majority(index, fold), nothing
    features = (
        _seen_from_rest(
            task.people, PROTOCOLS[spec.protocol], spec.data_sha256, task.representation
        )
        if spec.normaliser == "rest-baseline"
        else normalised(people, fold.training, task.representation, spec.normaliser)
    )
    if spec.network == "logistic":
        last = isinstance(task.representation, Tangent)
        validation, test = baselines.logistic(features, index, fold, last_step=last)
        return validation, test, nothing
    with scalars(task.logs) as follow:
        trained = train(features, index.high, fold, network_name(spec.network), spec, follow)
    return (
        trained.validation,
        trained.test,
        {"best_step": trained.best_step, "curve": trained.curve},
    )


def _refuse_other(task: Task) -> None:
    # A worker of a cluster may have been started long ago, or elsewhere, and see other files.
    planned = task.spec
    # Keras is imported by nothing but a task, so the first one may still choose.
    os.environ.setdefault("KERAS_BACKEND", planned.backend.partition(" ")[0])
    found = {
        "data_sha256": data_digest(task.people),
        "code_version": code_version(),
        "backend": backend(),
    }
    for name, value in found.items():
        if value != getattr(planned, name):
            raise TaskError(
                f"this worker found the {name} {value}, expected {getattr(planned, name)} as "
                "when the study was planned; restart the workers"
            )


@functools.lru_cache(maxsize=1)
def _seen_from_rest(
    kept: tuple[Kept, ...], protocol: Protocol, data_sha256: str, representation: Representation
) -> NDArray[np.float32]:
    # What a person's rest makes of their windows is the same in every fold.
    no_one = np.empty(0, dtype=np.intp)
    return normalised(_people(kept, protocol, data_sha256), no_one, representation, "rest-baseline")


@functools.lru_cache(maxsize=2)
def _people(
    kept: tuple[Kept, ...], protocol: Protocol, data_sha256: str
) -> tuple[PersonWindows, ...]:
    # The digest is not read: it keeps a long-lived worker from reusing an earlier study's windows.
    return tuple(load_people(kept, protocol))


def _shuffled(person: PersonWindows, label: int, seed: int) -> PersonWindows:
    """Permute one label over the person's trials; windows of a trial stay together."""
    rng = np.random.default_rng([seed, zlib.crc32(person.person.encode())])
    high = person.high.copy()
    high[:, label] = rng.permutation(high[:, label])
    return replace(person, high=high)


def _refuse_one_class(index: WindowIndex, fold: Fold, target: str) -> None:
    for name, part in (("training", fold.training), ("validation", fold.validation)):
        if len(part) and len(np.unique(index.high[part])) < 2:
            word = "high" if index.high[part[0]] else "low"
            raise DataError(
                f"{fold.name}: found only {word} {target} in the {name} part, expected both "
                "classes; the fold is skipped"
            )


def _timed(result: Result, seconds: float) -> Result:
    record = result.record.model_copy(update={"seconds": round(seconds, 3)})
    return replace(result, record=record)
