"""Names the code that a result came from, so that a change of it is a change of the name."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import eeg_emotion

_SERVICE = Path(eeg_emotion.__file__).parent
_TRAINING = Path(__file__).parent
# What a result does not depend on: how it is shown, and how the work is handed out.
_NO_PART_OF_A_RESULT = {
    "card.py",
    "cli.py",
    "executors.py",
    "export.py",
    "fused.py",
    "plots.py",
    "report.py",
    "report_tables.py",
    "running.py",
    "scores.py",
    "significance.py",
}

_CUTTING = {
    "deap_source.py",
    "simulate.py",
    "sources.py",
    "table.py",
    "table_cells.py",
    "table_labels.py",
    "table_signal.py",
    "table_source.py",
    "windows.py",
}


@functools.cache
def signal_path_version() -> str:
    """Name the code that turns recordings into windows of measures."""
    return _name(
        [
            *(_SERVICE / "eeg").glob("*.py"),
            *(_SERVICE / "recordings").glob("*.py"),
            *(path for path in _TRAINING.glob("*.py") if path.name in _CUTTING),
        ]
    )


@functools.cache
def code_version() -> str:
    """Name the code that a trained network and its score depend on."""
    return _name(
        [
            *(_SERVICE / "eeg").glob("*.py"),
            *(_SERVICE / "recordings").glob("*.py"),
            *(p for p in _TRAINING.glob("*.py") if p.name not in _NO_PART_OF_A_RESULT),
        ]
    )


def _name(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{eeg_emotion.__version__}+{digest.hexdigest()[:12]}"
