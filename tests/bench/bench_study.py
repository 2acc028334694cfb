"""The quick study, from scratch to its report, as a newcomer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.report import Report

AIM_SECONDS = 300.0


def test_quick_study(report: Report, tmp_path: Path) -> None:
    study = tmp_path / "study"
    program = Path(sys.executable).with_name("eeg-emotion-train")
    started = time.perf_counter()
    subprocess.run([program, "study", "--quick", "--out", study], check=True, capture_output=True)
    seconds = time.perf_counter() - started
    assert (study / "report.html").exists()
    folds = len(list((study / "results").iterdir()))
    report(
        f"study --quick on {os.cpu_count()} cores, {folds} folds",
        f"{seconds:.0f} s",
        f"aim at most {AIM_SECONDS:.0f} s",
        seconds <= AIM_SECONDS,
    )
