"""`eeg-emotion` with only what Python's library has on Windows: one process for all checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.without_posix import CHECKS

from eeg_emotion.own_folders import moved_to

pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")
pytestmark = [
    pytest.mark.needs("time"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows needs no imitation"),
]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Run all checks once; return the error of each."""
    folder = tmp_path_factory.mktemp("own")
    home = folder / "home"  # empty, whatever other tests have stored
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.without_posix", str(folder)],
        cwd=ROOT,
        env=os.environ | moved_to(home) | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("check", [check.__name__ for check in CHECKS])
def test_it_needs_nothing_that_windows_lacks(wrong: dict[str, str | None], check: str) -> None:
    assert wrong[check] is None, wrong[check]
