"""Repeat a command, first on a quiet machine and then beside busy loops, and count the failures.

A test that depends on the machine's pace passes a hundred times and then fails once, where nobody
can look at it. This runs the whole suite a given number of times, keeps each run's
output, and lists every test that failed, and how often.

    python tests/soak/under_load.py                 # `make test`, 4 times quiet, 4 beside 4 loops
    python tests/soak/under_load.py --runs 20 -- make test ARGS=tests/service/fleet

Needs nothing but Python. Exit status: 0 if every run passed, 1 otherwise, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# pytest's short summary, which `-ra` prints. An id may hold anything, also spaces in its brackets.
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<id>[^\[\n]+?(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)
_NOT_NAMED = "(no test named: see the output)"

# It ends by itself once its parent is gone, so that killing this script leaves no loops behind.
_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass\n"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command.

    Attributes
    ----------
    loops
        How many busy loops ran beside it.
    seconds, cpu_seconds
        The time that it took, and the processor time of it and its children.
    status
        Its exit status; negative if a signal ended it.
    failures
        The ids of the tests that failed.
    output
        The file with its output.
    """

    loops: int
    seconds: float
    cpu_seconds: float
    status: int
    failures: tuple[str, ...]
    output: Path


def failures_in(text: str) -> tuple[str, ...]:
    """Return the ids of the failed tests in pytest's short summary, each once."""
    return tuple(dict.fromkeys(match["id"] for match in _FAILED.finditer(text)))


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[tuple[int, ...]]:
    """Keep a number of processors busy; yield the loops' process ids."""
    loops: list[subprocess.Popen[bytes]] = []
    try:
        while len(loops) < count:
            # A group of its own: Ctrl-C on the terminal is for the command.
            loops.append(subprocess.Popen([sys.executable, "-S", "-c", _BUSY], process_group=0))
        yield tuple(loop.pid for loop in loops)
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def run_once(command: Sequence[str], loops: int, output: Path) -> Run:
    """Run the command to its end, with its output in a file.

    After Ctrl-C, which the command receives as well, wait for its end first.
    """
    begun = time.monotonic()
    with output.open("wb") as file, busy_loops(loops):
        streams = [(os.POSIX_SPAWN_DUP2, file.fileno(), number) for number in (1, 2)]
        child = os.posix_spawnp(command[0], list(command), os.environ, file_actions=streams)
        try:
            _, waited, usage = os.wait4(child, 0)
        except KeyboardInterrupt:
            os.wait4(child, 0)
            raise
    status = os.waitstatus_to_exitcode(waited)
    named = failures_in(output.read_text(encoding="utf-8", errors="replace"))
    return Run(
        loops=loops,
        seconds=time.monotonic() - begun,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        status=status,
        failures=(named or (_NOT_NAMED,)) if status else (),
        output=output,
    )


def table(runs: Sequence[Run]) -> str:
    """Describe the runs, one per line, then how often each test failed."""
    lines = [f"{'run':>4} {'loops':>5} {'seconds':>8} {'CPU s':>8} {'status':>6}  failed"]
    for number, run in enumerate(runs, 1):
        lines.append(
            f"{number:4} {run.loops:5} {run.seconds:8.1f} {run.cpu_seconds:8.1f} "
            f"{run.status:6}  {len(run.failures)}"
        )
    counts = Counter((name, bool(run.loops)) for run in runs for name in run.failures)
    if counts:
        lines += ["", "quiet  busy  test"]
        names = dict.fromkeys(name for name, _ in counts)
        lines += [f"{counts[name, False]:5} {counts[name, True]:5}  {name}" for name in names]
        lines += ["", *(str(run.output) for run in runs if run.failures)]
    passed = sum(not run.failures for run in runs)
    lines += ["", f"{passed} of {len(runs)} passed"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the script; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=4, help="of each kind (default: 4)")
    parser.add_argument("--loops", type=int, default=4, help="busy loops (default: 4)")
    parser.add_argument("--outputs", type=Path, help="folder for the outputs (default: a new one)")
    parser.add_argument("command", nargs="*", help="what to run, after -- (default: make test)")
    chosen = parser.parse_args(arguments)
    if chosen.runs < 1 or chosen.loops < 0:
        parser.error("expected --runs of at least 1 and --loops of at least 0")
    command = chosen.command or ["make", "test"]
    folder = chosen.outputs or Path(tempfile.mkdtemp(prefix="under-load-"))
    folder.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    try:
        for loops in [0] * chosen.runs + [chosen.loops] * chosen.runs:
            runs.append(run_once(command, loops, folder / f"run-{len(runs) + 1}.txt"))
            verdict = f"{len(runs[-1].failures)} failed" if runs[-1].failures else "passed"
            sys.stderr.write(f"run {len(runs)}, {loops} loops: {verdict}\n")
    except KeyboardInterrupt:
        sys.stdout.write(f"{table(runs)}\ninterrupted\n")
        return 130
    sys.stdout.write(f"{table(runs)}\n")
    return 1 if any(run.failures for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
