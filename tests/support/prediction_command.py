"""The command `predict` in this process, and the file that it writes."""

from __future__ import annotations

import csv
from pathlib import Path

from typer.testing import CliRunner

from eeg_emotion.cli.main import app
from eeg_emotion.errors import EegEmotionError


def predict(*arguments: object) -> str:
    """Run the command in this process; an error of ours comes as it is."""
    done = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    if isinstance(done.exception, EegEmotionError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
