"""The wheel that is built installs and runs its demo where there is nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", folder, REPOSITORY], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "eeg_emotion",
        "eeg_emotion_training",
    }
    listing = ("git", "ls-files", "service/eeg_emotion", "training/eeg_emotion_training", "models")
    listed = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    tracked = listed.stdout.split()
    expected = {
        "eeg_emotion/" + path if path.startswith("models/") else path.split("/", 1)[1]
        for path in tracked
    }
    assert expected <= set(names)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_it_runs_its_demo_where_there_is_nothing_else(wheel: Path, tmp_path: Path) -> None:
    """The pinned packages, the wheel, an empty folder and an empty environment."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [environment / "bin/python", "-m", "pip", "install", "--quiet"]
    pinned = REPOSITORY / "requirements/daemon.txt"
    subprocess.run([*pip, "--require-hashes", "--requirement", pinned], check=True)
    subprocess.run([*pip, "--no-deps", wheel], check=True)

    home = tmp_path / "home"
    home.mkdir()
    ran = subprocess.run(
        [environment / "bin/eeg-emotion", "demo", "--port", "0", "--seconds", "15", "--json"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    summary = json.loads(ran.stdout.splitlines()[-1])
    assert summary["valid"] > 0
    assert "simulated" in json.dumps(summary)
