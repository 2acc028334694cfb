"""The guide to the Raspberry Pi quotes what the service says there, where pylsl has no library."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pylsl
import pytest

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "raspberry-pi.md"
TEXT = _PAGE.read_text(encoding="utf-8")

DOCTOR_ON_A_PI = """
import sys
from eeg_emotion.cli.main import main
from eeg_emotion.doctor import doctor
from eeg_emotion.lsl import library

pi = library.Machine("Linux", "aarch64", (2, 36))
library.this_machine = doctor.this_machine = lambda: pi
sys.argv = ["eeg-emotion", "doctor", "--seconds", "0"]
main()
"""


@pytest.mark.skipif(
    ctypes.util.find_library("lsl") is not None, reason="this system has a liblsl of its own"
)
def test_the_page_shows_what_the_doctor_prints_on_a_pi(tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(
        Path(pylsl.__file__).parent,
        site / "pylsl",
        ignore=shutil.ignore_patterns("liblsl*", "__pycache__"),
    )
    others = {name: text for name, text in os.environ.items() if name != "PYLSL_LIB"}
    path = os.pathsep.join(filter(None, (str(site), others.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", DOCTOR_ON_A_PI],
        env={**others, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    shown = re.search(r"^ *(liblsl +MISSING: .*)$", TEXT, re.MULTILINE)
    assert shown is not None
    expected = ".*".join(re.escape(part) for part in shown[1].split("..."))
    assert re.search(f"^{expected}$", done.stdout, re.MULTILINE), done.stdout
