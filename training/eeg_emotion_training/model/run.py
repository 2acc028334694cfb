"""A run: one fitted network with the record of how it was made, as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from eeg_emotion.atomic_write import replace_folder
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.contract import (
    HeldOut,
    LabelPolicy,
    RestBaseline,
    Target,
    TrainedOn,
)
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.keras_import import load_keras
from eeg_emotion_training.networks.names import NetworkName
from eeg_emotion_training.networks.settings import TrainSettings

_NETWORK = "network.keras"
_RECORD = "run.json"


class RunError(EegEmotionError):
    """A run's folder is missing, incomplete, or in the way."""


class Run(TrainSettings):
    """What a run was trained on and with, and its result."""

    target: Target
    network: NetworkName
    path: PathSettings
    normaliser: Normaliser | RestBaseline
    label_policy: LabelPolicy
    trained_on: TrainedOn
    training_people: tuple[str, ...]
    validation_people: tuple[str, ...]
    test_people: tuple[str, ...]
    held_out: HeldOut
    best_step: Annotated[int, Field(ge=1)]
    curve: tuple[Point, ...]
    code_version: str


def save_run(folder: Path, run: Run, network: Any, unfinished: Path) -> None:
    """Complete the folder `unfinished`, which holds the logs, and rename it to `folder`.

    Both must be on one file system: a run is complete or does not exist.
    """
    network.save(unfinished / _NETWORK)
    (unfinished / _RECORD).write_text(run.model_dump_json(indent=2) + "\n", encoding="utf-8")
    replace_folder(unfinished, folder)


def refuse_existing(folder: Path) -> None:
    """Refuse to write over an earlier run."""
    if folder.exists():
        raise RunError(
            f"found {folder} already, expected a new folder; choose another with --out, or remove "
            "this one"
        )


def load_run(folder: Path) -> tuple[Run, Any]:
    """Read a run and its network.

    Raises
    ------
    RunError
        If the folder is not a complete run.
    """
    # The record first: a folder that is no run is refused before Keras is imported, for seconds.
    run = _load_record(folder)
    if not (folder / _NETWORK).exists():
        raise _no_run(folder, f"found no {_NETWORK}")
    keras = load_keras()
    try:
        network = keras.models.load_model(folder / _NETWORK)
    except Exception as error:  # Keras and the formats below it share no error of their own
        raise _no_run(folder, str(error)) from error
    return run, network


def _load_record(folder: Path) -> Run:
    try:
        return Run.model_validate_json((folder / _RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _no_run(folder, f"found no {_RECORD}") from error
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        place = ".".join(str(part) for part in first["loc"]) or "the top level"
        more = f", and {len(others)} more error{'s' * (len(others) > 1)}" if others else ""
        raise _no_run(folder, f"{_RECORD} is not valid at {place}: {first['msg']}{more}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise _no_run(folder, str(error)) from error


def _no_run(folder: Path, why: str) -> RunError:
    if not folder.is_dir():
        why = "found no such folder"
    return RunError(
        f"{folder} is not a complete run of 'eeg-emotion-train fit': {why}; name the folder "
        "passed to its --out, or fit again with this release"
    )
