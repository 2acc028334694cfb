"""A fold's result: one file, named by all that it depends on, complete or absent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.settings import TrainSettings

Labels = Literal["true", "shuffled"]


class ResultError(EegEmotionError):
    """A result cannot be written."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Comparison(_Part):
    protocol: str
    fold: str
    target: str
    network: str
    """One of the paper's, or a baseline."""
    montage: str
    representation: str
    normaliser: NormaliserKind


# The bases come in this order because Pydantic takes the last one's fields first: the digest, and
# so the name of every finished result, depends on the order of the fields.
class Spec(TrainSettings, _Comparison):
    """All that a result depends on. Two equal ones have one result."""

    labels: Labels
    backend: str
    data_sha256: str
    split_sha256: str
    code_version: str

    @property
    def digest(self) -> str:
        """The result file's name."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:32]


class Record(_Part):
    """A result without its predictions."""

    spec: Spec
    status: Literal["done", "skipped"]
    reason: str = ""
    seconds: float = 0.0
    training_windows: int = 0
    training_people: int = 0
    leak_share: float = 0.0
    """Share of the test windows of whose trial other windows were trained on."""
    best_step: int = 0
    curve: tuple[Point, ...] = ()
    temperature: float = 1.0
    unsure: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Result:
    """A record with its predictions.

    Attributes
    ----------
    person, trial
        `(test windows,)`: whose, and which of their trials.
    high
        `(test windows,)`: the label.
    raw, probability
        `(test windows,)`: the probability of high before and after temperature scaling.
    """

    record: Record
    person: NDArray[np.str_]
    trial: NDArray[np.int32]
    high: NDArray[np.bool_]
    raw: NDArray[np.float64]
    probability: NDArray[np.float64]


def skipped(spec: Spec, reason: str) -> Result:
    """Record that a fold cannot be run, and why."""
    nothing = np.empty(0)
    return Result(
        Record(spec=spec, status="skipped", reason=reason),
        person=nothing.astype(np.str_),
        trial=nothing.astype(np.int32),
        high=nothing.astype(np.bool_),
        raw=nothing,
        probability=nothing,
    )


def result_path(folder: Path, spec: Spec) -> Path:
    """Return the place of a result."""
    return folder / f"{spec.digest}.npz"


def save_result(folder: Path, result: Result) -> None:
    """Write a result under a temporary name, and rename it once it is complete.

    Raises
    ------
    ResultError
        If the disk is full or cannot be written.
    """
    path = result_path(folder, result.record.spec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            np.savez(
                file,
                record=np.array(result.record.model_dump_json()),
                person=result.person,
                trial=result.trial,
                high=result.high,
                raw=result.raw,
                probability=result.probability,
            )
    except OSError as error:
        raise ResultError(
            f"cannot write the result {path}: {error.strerror}; free some disk space, or make the "
            "folder writable, and run the same command again: finished results are kept"
        ) from error


def load_result(folder: Path, spec: Spec) -> Result | None:
    """Read a result; None if it is missing, incomplete, or of another spec."""
    try:
        # Opened here: of a file that is no archive, NumPy forgets to close what it opened itself.
        with (
            result_path(folder, spec).open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            record = Record.model_validate_json(str(arrays["record"]))
            result = Result(
                record,
                **{
                    name: arrays[name] for name in ("person", "trial", "high", "raw", "probability")
                },
            )
    except Exception:
        # Whatever is wrong with it, it is no result: the fold runs again and replaces it. A damaged
        # archive raises nearly anything, NotImplementedError and MemoryError among it.
        return None
    return result if record.spec == spec else None
