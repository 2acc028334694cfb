"""The hosted workflow cannot run here; it says so, and has the whole matrix."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

FILE = Path(__file__).parents[2] / ".github" / "workflows" / "platforms.yml"


def test_it_says_that_it_has_not_been_run() -> None:
    first = FILE.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# This workflow has not been run")


def test_every_python_is_tried_on_every_platform_from_pins_with_hashes() -> None:
    job = yaml.safe_load(FILE.read_text(encoding="utf-8"))["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    installs = [command for command in commands if " pip install " in command]
    assert installs
    assert all("--require-hashes" in text or "--no-deps" in text for text in installs)
    assert "python -m eeg_emotion demo --seconds 30 --json" in commands
    assert sorted(paths(commands[-1])) == sorted(paths(made_by_make()))


def paths(text: str) -> list[str]:
    """Return the tests that a command names, with its braces expanded by the shell."""
    command = ["bash", "-c", f"printf '%s\\n' {text}"]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [word for word in words if word.startswith("tests/")]


def made_by_make() -> str:
    command = ["make", "--dry-run", "-o", ".venv/test.stamp", "test-python"]
    done = subprocess.run(command, cwd=FILE.parents[2], capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if "pytest" in line)
