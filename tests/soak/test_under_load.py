from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from tests.soak.under_load import busy_loops, failures_in, main

SUMMARY = """
FAILED tests/a.py::test_one[x - y] - AssertionError: assert 1 == 2
ERROR tests/b.py::test_two - TimeoutError
FAILED tests/a.py::test_three
FAILED tests/a.py::test_three
=== 2 failed, 100 passed, 1 error in 1.00s ===
"""


def test_what_pytest_names_as_failed_is_found_once() -> None:
    assert failures_in(SUMMARY) == (
        "tests/a.py::test_one[x - y]",
        "tests/b.py::test_two",
        "tests/a.py::test_three",
    )
    assert failures_in("=== 100 passed in 1.00s ===") == ()


def test_the_loops_run_as_long_as_needed() -> None:
    with busy_loops(2) as loops:
        for loop in loops:
            os.kill(loop, 0)  # raises where there is no such process
    for loop in loops:
        with pytest.raises(ProcessLookupError):
            os.kill(loop, 0)


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("print('1 passed')", 0, "4 of 4 passed"),
        ("print('FAILED t.py::one - why'); raise SystemExit(1)", 1, "    2     2  t.py::one"),
        ("raise SystemExit(3)", 1, "    2     2  (no test named: see the output)"),
        ("import os; os.abort()", 1, "-6  1"),
    ],
)
def test_each_run_is_reported_and_one_failure_fails_all(
    script: str, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--runs", "2", "--loops", "1", "--outputs", str(tmp_path)]
    assert main([*options, "--", sys.executable, "-S", "-c", script]) == status
    lines = capsys.readouterr().out.splitlines()
    assert any(said in line for line in lines)
    assert [line.split()[1] for line in lines[1:5]] == ["0", "0", "1", "1"]
    assert len(list(tmp_path.iterdir())) == 4
