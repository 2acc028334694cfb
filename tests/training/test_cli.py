from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.cli import app

runner = CliRunner()
# What the console script of pyproject.toml does.
MAIN = "from eeg_emotion_training.cli import main; main()"


def run_main(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "400"},
    )


def test_help_lists_the_four_verbs() -> None:
    result = runner.invoke(app, ["--help"], env={"NO_COLOR": "1", "COLUMNS": "200"})
    assert result.exit_code == 0
    verbs = re.findall(r"^\W*(\w+)  +[A-Z]", result.stdout.split("Commands")[1], re.MULTILINE)
    assert verbs == ["simulate", "check", "fit", "export"]


def test_check_of_an_empty_folder_fails_with_the_reason(tmp_path: Path) -> None:
    result = runner.invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path}: not DEAP - refused" in result.stdout
    assert "found no s01.dat or s01.mat, expected DEAP's preprocessed files" in result.stdout


def test_check_says_of_what_simulate_wrote_that_it_is_simulated(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    written = runner.invoke(app, ["simulate", str(folder), "--subjects", "1", "--seed", "5"])
    assert (written.exit_code, written.stdout) == (0, "wrote simulated person 1 of 1\n")
    checked = runner.invoke(app, ["check", str(folder)])
    assert checked.exit_code == 0
    assert f"{folder}: simulated\n" in checked.stdout
    assert "no person's brain made these signals" in checked.stdout


def test_fit_with_too_few_people_is_one_message_and_not_a_traceback(
    simulated_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    result = run_main("fit", simulated_folder, "--target", "valence", "--out", out)
    assert result.returncode == 1
    assert result.stdout == "read s01.dat: 40 trials\n"
    assert result.stderr.splitlines()[-1] == (
        "eeg-emotion-train: found 1 people, expected at least 3: one to train, one to choose the "
        "epoch, one to test"
    )
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_fit_refuses_an_earlier_run_before_it_reads_anything(tmp_path: Path) -> None:
    arguments = ["fit", str(tmp_path / "none"), "--target", "valence", "--out", str(tmp_path)]
    result = runner.invoke(app, arguments)
    assert isinstance(result.exception, EegEmotionError)
    assert "already there, expected a new folder" in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "people", "--target", "mood", "--out", "run"],
        ["fit", "people", "--target", "valence"],
        ["fit", "people", "--target", "valence", "--out", "run", "--seed", "-1"],
        ["fit", "people", "--target", "valence", "--out", "run", "--seed", str(2**32)],
        ["simulate", "people", "--subjects", "33"],
        ["export", "--out", "model"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2
