"""Parse a Dockerfile."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
DOCKER = REPOSITORY / "docker"


@dataclass
class Stage:
    """One stage; instructions that take a list of words use JSON."""

    base: str
    runs: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def words(self, instruction: str) -> list[str]:
        found: Any = json.loads(self.said[instruction])
        assert isinstance(found, list)
        return found


def send_context(place: Path) -> None:
    """Copy a build's context to a new folder: everything that `.dockerignore` does not exclude."""
    first, *patterns = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert first == "*", "nothing but what is named"
    names = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    left_out = [pattern for pattern in patterns if not pattern.startswith("!")]
    assert all(re.fullmatch(r"\*\*/\w+", pattern) for pattern in left_out)
    ignore = shutil.ignore_patterns(*(pattern.removeprefix("**/") for pattern in left_out))
    for name in names:
        found = list(REPOSITORY.glob(name))
        assert found, name
        for path in found:
            copy = place / path.relative_to(REPOSITORY)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, copy, ignore=ignore)
            else:
                shutil.copy(path, copy)


def stages(name: str) -> list[Stage]:
    """Read `docker/NAME.Dockerfile`."""
    text = (DOCKER / f"{name}.Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    found: list[Stage] = []
    for line in filter(None, lines):
        instruction, rest = line.split(maxsplit=1)
        if instruction == "FROM":
            found.append(Stage(rest.split()[0]))
        elif instruction == "RUN":
            found[-1].runs.append(rest)
        elif instruction == "ENV":
            found[-1].env.update(pair.partition("=")[::2] for pair in rest.split())
        else:
            found[-1].said[instruction] = rest
    return found
