"""The Dockerfiles, without an engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.dockerfile import DOCKER, stages

HADOLINT = Path(sys.executable).with_name("hadolint")
BUILD = "sh docker/build.sh {}"
PREPARE = "--mount=type=bind,target=/src sh /src/docker/prepare.sh"


@pytest.mark.parametrize("name", ["service", "training"])
def test_a_linter_finds_nothing(name: str) -> None:
    path = DOCKER / f"{name}.Dockerfile"
    checked = subprocess.run([HADOLINT, path], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_linter_finds_a_planted_error(tmp_path: Path) -> None:
    careless = tmp_path / "Dockerfile"
    careless.write_text("FROM debian\nRUN apt-get install curl\n", encoding="utf-8")
    assert subprocess.run([HADOLINT, careless], capture_output=True).returncode != 0


@pytest.mark.parametrize(("name", "part"), [("service", "daemon"), ("training", "training")])
def test_everything_that_an_image_runs_is_in_the_tested_scripts(name: str, part: str) -> None:
    build, final = stages(name)
    assert (build.runs, final.runs) == ([BUILD.format(part)], [PREPARE])
    assert build.base == final.base == "debian:bookworm-slim"
    assert final.said["COPY"] == "--from=build /opt/eeg-emotion /opt/eeg-emotion"


@pytest.mark.parametrize("name", ["service", "training"])
def test_nobody_is_root(name: str) -> None:
    assert stages(name)[-1].said["USER"] == "10001:10001"


def test_the_health_check_queries_livez() -> None:
    check = stages("service")[-1].said["HEALTHCHECK"]
    assert "http://127.0.0.1:8000/livez" in check
