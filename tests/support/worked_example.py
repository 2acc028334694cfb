"""Do what a page of the documentation says, in a copy of the project.

A page's diffs are applied and its files written, in order; of its console blocks those run that are
marked for it by the line above them::

    <!-- not run: in a copy of the project, by tests/docs/test_worked_examples.py -->
    <!-- not run: in a copy of the project, by tests/docs/test_worked_examples.py; exit 1 -->

Each line of a block's output must appear in the command's, in this order; `...` stands for
anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<kind>\w+)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(
    r"not run: in a copy of the project, by tests/docs/test_worked_examples\.py"
    r"(?:; exit (?P<status>\d+))?"
)
_FILE = re.compile(r"# file: (?P<name>\S+)\n")
# What Python has compiled goes with its sources, whose times are kept: it is as good in the copy.
_LEFT_BEHIND = (".*", "build", "dist", "runs", "_build")
_CHANGED = re.compile(r"^\+\+\+ b/(\S+)$", re.MULTILINE)
# Make would set up the environment first, which is that of the running tests here. What it sets for
# Python's path would lead back from the copy to the project. Types are not checked: that takes
# minutes.
_MAKE = """\
make() {
    case "$1" in
        test) shift; python -m pytest ${1#ARGS=} ;;
        lint) ruff check $TOUCHED && ruff format --check $TOUCHED && lint-imports --no-cache ;;
        reference) python -m docs.generate ;;
        *) echo "found make $1, expected test, lint or reference"; return 2 ;;
    esac
}
"""


@dataclass(frozen=True)
class Command:
    """A command, the exit status it must have, and its output."""

    text: str
    status: int
    output: tuple[str, ...]


@dataclass(frozen=True)
class NewFile:
    """A file that the page gives in full."""

    name: str
    text: str


@dataclass(frozen=True)
class Diff:
    """A change of files, as Git has it."""

    text: str


Step = Command | NewFile | Diff


def steps(page: str) -> list[Step]:
    """Return what a page says is to be done, in order."""
    found: list[Step] = []
    for fence in _FENCE.finditer(page):
        kind, body = fence["kind"], fence["body"]
        if kind == "diff":
            found.append(Diff(body))
        elif kind == "console":
            if mark := _MARK.fullmatch(fence["mark"] or ""):
                found += _commands(body, int(mark["status"] or 0))
        elif named := _FILE.match(body):
            found.append(NewFile(named["name"], body[named.end() :]))
    return found


def _commands(block: str, status: int) -> list[Command]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    lines = [part.splitlines() for part in parts]
    # Only the last one may fail.
    statuses = [0] * (len(lines) - 1) + [status]
    return [
        Command(first, expected, tuple(output))
        for (first, *output), expected in zip(lines, statuses, strict=True)
    ]


@dataclass
class Copy:
    """A copy of the project in a folder, in which pages are followed."""

    folder: Path
    done: list[Step] = field(default_factory=list)

    @classmethod
    def into(cls, folder: Path) -> Copy:
        """Copy what a change may touch, without what is made."""
        shutil.copytree(
            ROOT, folder, ignore=shutil.ignore_patterns(*_LEFT_BEHIND), dirs_exist_ok=True
        )
        return cls(folder)

    def follow(self, page: Path) -> None:
        """Do each step of a page; raise `AssertionError` at the first that does not go as said."""
        for step in steps(page.read_text(encoding="utf-8")):
            match step:
                case Diff(text):
                    done = self._run(["git", "apply", "-"], text)
                    assert done.returncode == 0, f"{done.stdout}\nof this change:\n{text}"
                case NewFile(name, text):
                    path = self.folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(text, encoding="utf-8")
                case Command():
                    self._check(step)
            self.done.append(step)

    def _check(self, command: Command) -> None:
        done = self._run(["bash", "-c", _MAKE + command.text])
        shown = f"$ {command.text}\n{done.stdout}"
        assert done.returncode == command.status, f"expected exit {command.status} of {shown}"
        expected = ".*".join(
            re.escape(line).replace(r"\.\.\.", ".*") for line in command.output if line.strip()
        )
        assert re.search(expected, done.stdout, re.DOTALL), f"expected {expected} of {shown}"

    def _touched(self) -> list[str]:
        """Return the Python files that the page has written or changed so far, and left there."""
        names: list[str] = []
        for step in self.done:
            match step:
                case NewFile(name):
                    names.append(name)
                case Diff(text):
                    names += _CHANGED.findall(text)
        return [name for name in names if name.endswith(".py") and (self.folder / name).exists()]

    def _run(self, command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
        folder = self.folder
        sources = os.pathsep.join(map(str, (folder, folder / "service", folder / "training")))
        scripts = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        # What the running tests have set for themselves is not for those of the page.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
        own = {"PYTHONPATH": sources, "PATH": scripts, "COLUMNS": "200"}
        return subprocess.run(
            command,
            cwd=folder,
            input=text,
            env=kept | own | {"TOUCHED": " ".join(self._touched())},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            check=False,
        )
