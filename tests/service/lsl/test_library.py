"""Which liblsl is loaded, and what is said where there is none. Each in a process of its own."""

from __future__ import annotations

import ctypes.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pylsl
import pytest

from eeg_emotion.lsl.library import Machine, remedy_for, this_machine

BUNDLED = Path(pylsl.lib.__file__).parent / "liblsl.so"
LOAD = (
    "import json\nfrom dataclasses import asdict\n"
    "from eeg_emotion.lsl.library import LibraryError, load_library\n"
    "try:\n    print(json.dumps(asdict(load_library())))\n"
    "except LibraryError as error:\n    print(json.dumps(str(error)))\n"
)


def loaded(**variables: str | Path) -> dict[str, Any]:
    """Load liblsl in another process; return what was found."""
    found = _load(variables)
    assert isinstance(found, dict), found
    return found


def refused(**variables: str | Path) -> str:
    """Try to load liblsl in another process; return the error."""
    error = _load(variables)
    assert isinstance(error, str), error
    return error


def _load(variables: Mapping[str, str | Path]) -> object:
    environment = {name: text for name, text in os.environ.items() if name != "PYLSL_LIB"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env=environment | {name: str(value) for name, value in variables.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: object = json.loads(done.stdout)
    return found


@pytest.fixture
def without_library(tmp_path: Path) -> Path:
    """A path with pylsl as its wheels for other platforms are: without liblsl in it."""
    shutil.copytree(
        Path(pylsl.__file__).parent,
        tmp_path / "site" / "pylsl",
        ignore=shutil.ignore_patterns("liblsl*", "__pycache__"),
    )
    return tmp_path / "site"


def test_the_library_that_is_loaded_is_named() -> None:
    found = loaded()
    assert found["version"] == f"{pylsl.library_version() // 100}.{pylsl.library_version() % 100}"
    assert found["build"] == pylsl.library_info()
    assert Path(found["path"]).samefile(pylsl.lib.libpath)
    assert found["notes"] == []


@pytest.mark.skipif(not BUNDLED.is_file(), reason="pylsl bundles no liblsl for this platform")
def test_it_is_told_how_the_library_was_found(tmp_path: Path) -> None:
    assert loaded()["found_by"] == "bundled with pylsl"
    own = tmp_path / "libown.so"
    shutil.copy(BUNDLED, own)
    found = loaded(PYLSL_LIB=own)
    assert (found["found_by"], found["path"]) == ("named by PYLSL_LIB", str(own))
    folder = loaded(PYLSL_LIB=tmp_path)
    assert (folder["found_by"], folder["notes"]) == (
        "bundled with pylsl",
        [
            f"PYLSL_LIB is {str(tmp_path)!r}, which is a folder: pylsl silently skips it. "
            "Name the library's file, or unset it"
        ],
    )


@pytest.mark.skipif(not BUNDLED.is_file(), reason="pylsl bundles no liblsl for this platform")
def test_a_library_that_the_system_was_asked_for_is_named_by_its_whole_path(
    tmp_path: Path, without_library: Path
) -> None:
    shutil.copy(BUNDLED, tmp_path / "liblsl.so")
    with (without_library / "sitecustomize.py").open("w", encoding="utf-8") as file:
        # As the loader's cache would: the name without a folder.
        file.write("import ctypes.util\nctypes.util.find_library = lambda name: 'liblsl.so'\n")
    found = loaded(PYTHONPATH=without_library, LD_LIBRARY_PATH=tmp_path)
    assert (found["found_by"], found["path"]) == ("in the system", str(tmp_path / "liblsl.so"))


def test_a_missing_library_is_reported_with_the_remedy_for_this_machine(
    without_library: Path,
) -> None:
    if ctypes.util.find_library("lsl"):
        pytest.skip("this system has a liblsl of its own")
    error = refused(PYTHONPATH=without_library)
    assert error.startswith("found no liblsl that can be loaded (LSL binary library file was not")
    assert f"expected 1.17.7 or newer on {this_machine().describe()}; " in error
    assert error.endswith(remedy_for(this_machine()))
    folder = refused(PYTHONPATH=without_library, PYLSL_LIB=without_library)
    assert "which is a folder: pylsl silently skips it" in folder


@pytest.mark.parametrize("what", ["no library", "another library"])
def test_a_file_that_is_no_liblsl_is_reported(tmp_path: Path, what: str) -> None:
    file = tmp_path / "liblsl.so"
    if what == "no library":
        file.write_text("not at all", encoding="utf-8")
    else:
        # `find_library` gives a bare name; a loaded library's whole path is in the map.
        ctypes.CDLL(ctypes.util.find_library("c"))
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        file = next(Path(line[line.index("/") :]) for line in lines if "libc.so" in line)
    error = refused(PYLSL_LIB=file)
    assert "found no liblsl that can be loaded (" in error
    assert f"PYLSL_LIB names {str(file)!r}, so pylsl tries nothing else: unset it" in error


def test_this_machine_is_described() -> None:
    assert this_machine().describe().startswith(f"{platform.system()} {platform.machine()}")
    libc, version = platform.libc_ver()
    if libc == "glibc":
        assert this_machine().describe().endswith(f"glibc {version}")


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine("Linux", "x86_64", (2, 36)), "pylsl's wheel for it includes one"),
        (Machine("Linux", "x86_64", (2, 35)), "pylsl's wheel for it includes one"),
        (Machine("Linux", "x86_64", (2, 34)), "includes none: install conda-forge's liblsl"),
        (Machine("Linux", "x86_64", (2, 28)), "mne_lsl/lsl/lib/liblsl.so.1.17.7"),
        (Machine("Linux", "x86_64", (2, 27)), "build liblsl 1.17.7 or newer"),
        (Machine("Linux", "aarch64", (2, 36)), "mne_lsl/lsl/lib/liblsl.so.1.17.7"),
        (Machine("Linux", "armv7l", (2, 36)), "build liblsl 1.17.7 or newer"),
        (Machine("Linux", "x86_64", None), "build liblsl 1.17.7 or newer"),
        (Machine("Darwin", "arm64", None), "on macOS, which we have not tested"),
        (Machine("Windows", "AMD64", None), "on Windows, which we have not tested"),
    ],
)
def test_each_platform_has_its_remedy(machine: Machine, words: str) -> None:
    assert words in remedy_for(machine)


def test_a_machine_without_glibc_says_so() -> None:
    assert Machine("Linux", "x86_64", None).describe() == "Linux x86_64, no glibc (musl?)"
    assert Machine("Darwin", "arm64", None).describe() == "Darwin arm64"
