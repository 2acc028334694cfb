"""Names the code that a result came from, so that a change of it is a change of the name."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import eeg_emotion

_SERVICE = Path(eeg_emotion.__file__).parent
_TRAINING = Path(__file__).parents[1]
# What turns recordings into windows of measures.
_SIGNAL = ("eeg_emotion/eeg", "eeg_emotion/recordings", "eeg_emotion_training/data")
# What a trained network and its test predictions depend on besides. How the predictions are summed
# up, shown and handed out changes no result.
_TRAINED = (
    "eeg_emotion/inference/calibration.py",
    "eeg_emotion_training/choices.py",
    "eeg_emotion_training/evaluation/calibration.py",
    "eeg_emotion_training/evaluation/protocols.py",
    "eeg_emotion_training/networks",
    "eeg_emotion_training/study/plan.py",
    "eeg_emotion_training/study/results.py",
    "eeg_emotion_training/study/task.py",
)


@functools.cache
def signal_path_version() -> str:
    """Name the code that turns recordings into windows of measures."""
    return _name(_SIGNAL)


@functools.cache
def code_version() -> str:
    """Name the code that a trained network and its score depend on."""
    return _name((*_SIGNAL, *_TRAINED))


def named_files(places: Iterable[str]) -> list[Path]:
    """Return the files of places, each a file or a folder of one of the two packages."""
    files: list[Path] = []
    for place in places:
        package, _, inside = place.partition("/")
        path = (_SERVICE if package == "eeg_emotion" else _TRAINING) / inside
        files += sorted(path.glob("*.py")) if path.is_dir() else [path]
    return files


def _name(places: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in named_files(places):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{eeg_emotion.__version__}+{digest.hexdigest()[:12]}"
