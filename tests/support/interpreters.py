"""Which Pythons of this machine really run: those on PATH, and those below ~/.pyenv/versions.

Run as a script, by any Python from 3.8 on, it prints one path a line, the newest version last.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SUPPORTED = ((3, 11), (3, 12), (3, 13), (3, 14))

# The base executable, so that an environment and a shim lead to the interpreter behind them.
_PROBE = """
import ensurepip, sys, venv
print(sys.version_info[0], sys.version_info[1], getattr(sys, "_base_executable", sys.executable))
"""


def running_interpreters() -> dict[tuple[int, int], Path]:
    """Return one interpreter for each supported minor version that starts and can make a venv."""
    found: dict[tuple[int, int], Path] = {}
    for candidate in _candidates():
        probed = _probe(candidate)
        if probed is not None and probed[0] in SUPPORTED:
            found.setdefault(*probed)
    return dict(sorted(found.items()))


def _candidates() -> list[Path]:
    names = ["python{}.{}".format(*version) for version in SUPPORTED]
    on_path = [
        Path(folder, name)
        for name in [*names, "python3"]
        for folder in os.get_exec_path()
        if Path(folder, name).is_file()
    ]
    versions = Path.home() / ".pyenv" / "versions"
    return [*on_path, *sorted(versions.glob("3.*/bin/python"), reverse=True)]


def _probe(candidate: Path) -> tuple[tuple[int, int], Path] | None:
    """Return the version and the path of an interpreter; none of one that does not run.

    pyenv puts a shim on PATH for each name that it knows, and most of them only report an error.
    """
    try:
        ran = subprocess.run(
            [candidate, "-I", "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor, executable = ran.stdout.strip().split(" ", 2)
    return (int(major), int(minor)), Path(executable)


if __name__ == "__main__":
    for path in running_interpreters().values():
        print(path)  # noqa: T201
