"""What a Dockerfile says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCKER = Path(__file__).parents[2] / "docker"


@dataclass
class Stage:
    """One stage; what takes a list of words is JSON there."""

    base: str
    runs: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def words(self, instruction: str) -> list[str]:
        found: Any = json.loads(self.said[instruction])
        assert isinstance(found, list)
        return found


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
            found[-1].env.update(pair.split("=", 1) for pair in rest.split())
        else:
            found[-1].said[instruction] = rest
    return found
