"""The output of `make dist` is reproducible, and installs and runs in an empty environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.wheel import demo_of_the_wheel_runs, without

# They install dozens of packages.
pytestmark = [pytest.mark.needs("installs"), pytest.mark.slow, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).parents[2]
PINS = REPOSITORY / "requirements/daemon.txt"


def output_of(*command: str | Path) -> str:
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def epoch() -> str:
    """Return the time of the last commit, Unix seconds: the date of everything that is built."""
    return output_of("git", "log", "-1", "--format=%ct").strip()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build as `make dist` does, in the environment that runs these tests."""
    folder = tmp_path_factory.mktemp("make") / "dist"
    command = ["make", "-o", ".venv/dev.stamp", "dist", f"DIST={folder}"]
    environment = without("PYTHONPATH", "SOURCE_DATE_EPOCH")
    subprocess.run(
        [*command, f"BIN={Path(sys.executable).parent}"],
        cwd=REPOSITORY,
        env=environment,
        check=True,
    )
    assert sorted(item.suffix for item in folder.iterdir()) == [".gz", ".json", ".whl"]
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (built,) = dist.glob("*.whl")
    return built


def test_it_contains_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "eeg_emotion",
        "eeg_emotion_training",
    }
    tracked = output_of(
        "git", "ls-files", "service/eeg_emotion", "training/eeg_emotion_training", "models"
    ).split()
    expected = {
        "eeg_emotion/" + path if path.startswith("models/") else path.split("/", 1)[1]
        for path in tracked
    }
    assert expected <= set(names)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_another_checkout_of_the_commit_gives_the_same_bytes(
    dist: Path, epoch: str, tmp_path: Path
) -> None:
    """In another folder, with other times and modes, and the wheel without the source archive."""
    copy = tmp_path / "copy"
    listed = output_of("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target)
            target.chmod(target.stat().st_mode & 0o700)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", tmp_path / "again"],
        cwd=copy,
        env=os.environ | {"SOURCE_DATE_EPOCH": epoch, "TZ": "Asia/Tokyo"},
        umask=0o077,
        check=True,
        capture_output=True,
    )
    again = {item.name: item.read_bytes() for item in (tmp_path / "again").iterdir()}
    first = {item.name: item.read_bytes() for item in dist.iterdir() if item.name in again}
    assert len(first) == 2
    assert {name: first[name] == again[name] for name in again} == dict.fromkeys(again, True)


def test_the_sbom_names_what_the_pins_install(dist: Path, epoch: str) -> None:
    bom = json.loads((dist / "eeg-emotion.cdx.json").read_text(encoding="utf-8"))
    assert bom["bomFormat"] == "CycloneDX"
    root = bom["metadata"]["component"]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (root["name"], root["version"]) == (project["name"], project["version"])
    # Nothing in it changes from build to build.
    assert "serialNumber" not in bom
    assert datetime.fromisoformat(bom["metadata"]["timestamp"]) == datetime.fromtimestamp(
        int(epoch), UTC
    )
    found = {normal(part["name"]): part["version"] for part in bom["components"]}
    pinned = re.findall(r"^([\w.-]+)==([^\s;]+)", PINS.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(found.items()) <= {(normal(name), version) for name, version in pinned}
    assert {"numpy", "onnxruntime", "pylsl", "starlette"} <= set(found)
    assert not {"hatchling", "editables", "pip", "setuptools"} & set(found)
    names = {part["bom-ref"]: normal(part["name"]) for part in bom["components"]}
    (direct,) = (
        each["dependsOn"] for each in bom["dependencies"] if each["ref"] == root["bom-ref"]
    )
    stated = {normal(re.split(r"[\[>=;]", line)[0]) for line in project["dependencies"]}
    assert {names[ref] for ref in direct} >= stated


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_its_demo_runs_with_nothing_else_installed(wheel: Path, tmp_path: Path) -> None:
    """On this Python; `make test-pythons` does the same on each further one of this machine."""
    demo_of_the_wheel_runs(Path(sys.executable), wheel, tmp_path)
