"""The wheel in an environment of its own: installed with the base alone, its demo runs.

As a script, ``python -m tests.support.wheel WHEEL PYTHON`` does it on another Python.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_PINS = _REPOSITORY / "requirements/base.txt"
_DEMO_SECONDS = 240  # to its first score; on an idle machine it takes 15


def without(*names: str) -> dict[str, str]:
    """Return the environment without some variables."""
    return {name: value for name, value in os.environ.items() if name not in names}


def demo_of_the_wheel_runs(python: Path, wheel: Path, folder: Path) -> None:
    """Run the demo until its first score; alarms and the trainer, which are not there, say so."""
    _demo_runs(_install(python, wheel, folder / "environment"), folder / "home")


def _install(python: Path, wheel: Path, environment: Path) -> Path:
    """Install the wheel and the base alone into an empty environment; return its programs."""
    subprocess.run([python, "-m", "venv", environment], check=True)
    pins: list[str | Path] = ["sh", "requirements/install.sh", environment, _PINS]
    subprocess.run(pins, cwd=_REPOSITORY, env=without("PYTHONPATH"), check=True)
    pip: list[str | Path] = [
        environment / "bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
    ]
    subprocess.run([*pip, "--no-deps", wheel], env=without("PYTHONPATH"), check=True)
    return environment / "bin"


def _demo_runs(programs: Path, home: Path) -> None:
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    with subprocess.Popen(
        [programs / "eeg-emotion", "demo", "--port", "0", "--json"],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        patience = threading.Timer(_DEMO_SECONDS, demo.terminate)
        patience.start()
        shown = []
        for line in demo.stdout:
            shown.append(line)
            if re.search(r" arousal \d", line):
                demo.send_signal(signal.SIGINT)
                break
        shown += demo.stdout
        patience.cancel()
    assert demo.returncode == 0, "".join(shown)
    assert [line for line in shown if line.startswith("alarms     not installed; to add: ")]
    summary = json.loads(shown[-1])
    assert (summary["valid"] > 0, summary["samples_lost"]) == (True, 0)
    assert "simulated" in summary["model"]

    trainer = subprocess.run(
        [programs / "eeg-emotion-train", "study", "--quick", "--out", "study"],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert trainer.returncode == 1
    assert re.fullmatch(
        r"eeg-emotion-train: found no keras, tensorflow, .*, expected the extra 'training'; "
        rf"install it with: {programs}/python[\d.]* -m pip install 'eeg-emotion\[training\]'\n",
        trainer.stderr,
    )
    assert list(home.iterdir()) == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        demo_of_the_wheel_runs(Path(sys.argv[2]), Path(sys.argv[1]), Path(scratch))
