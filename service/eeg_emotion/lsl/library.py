"""liblsl, the C library behind pylsl: which one is loaded, or how to get one.

pylsl loads it on import, and without it the import fails. So only `load_library` imports pylsl
here, and anything that needs Lab Streaming Layer calls it first.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from eeg_emotion.errors import EegEmotionError

_VARIABLE = "PYLSL_LIB"
_NAME_IT = f"name that file, not its folder, in {_VARIABLE}"
_BUILD = f"build liblsl 1.17.7 or newer from github.com/sccn/liblsl and {_NAME_IT}"


class LibraryError(EegEmotionError):
    """liblsl is missing, cannot be loaded, or is too old."""


class FoundBy(StrEnum):
    """How pylsl found the library."""

    VARIABLE = "named by PYLSL_LIB"
    BUNDLED = "bundled with pylsl"
    ENVIRONMENT = "in the Python environment"
    SYSTEM = "in the system"


@dataclass(frozen=True, slots=True)
class Library:
    """The liblsl of this process.

    Attributes
    ----------
    version
        Such as ``1.18``.
    build
        Its own description of its build.
    path
        The loaded file.
    found_by
        How it was found.
    notes
        What is unusual about the search, with the remedy.
    """

    version: str
    build: str
    path: str
    found_by: FoundBy
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """The properties that decide which liblsl can run here.

    Attributes
    ----------
    system, architecture
        As named by `platform`: ``Linux``, ``x86_64``.
    glibc
        Its version; None if the C library is another one.
    """

    system: str
    architecture: str
    glibc: tuple[int, int] | None

    def describe(self) -> str:
        """Return a description in words."""
        text = f"{self.system} {self.architecture}"
        if self.system != "Linux":
            return text
        return text + (
            f", glibc {self.glibc[0]}.{self.glibc[1]}" if self.glibc else ", no glibc (musl?)"
        )


def this_machine() -> Machine:
    """Return the properties of this machine."""
    name, version = platform.libc_ver()
    numbers = version.split(".")
    glibc = (int(numbers[0]), int(numbers[1])) if name == "glibc" and len(numbers) > 1 else None
    return Machine(platform.system(), platform.machine(), glibc)


def remedy_for(machine: Machine) -> str:
    """Return how to get a liblsl on a machine where pylsl finds none."""
    if machine.system == "Darwin":
        return (
            "on macOS, which we have not tested, pylsl's documentation recommends "
            "'brew install labstreaminglayer/tap/lsl' or conda-forge's liblsl; if it is still not "
            f"found, {_NAME_IT}"
        )
    if machine.system != "Linux":
        return (
            f"on {machine.system}, which we have not tested, get liblsl from the releases at "
            f"github.com/sccn/liblsl and {_NAME_IT}"
        )
    if machine.glibc is None or machine.glibc < (2, 28):
        return f"no ready-made liblsl is known for it: {_BUILD}"
    if machine.architecture in {"x86_64", "AMD64"} and machine.glibc >= (2, 35):
        return (
            f"pylsl's wheel for it includes one: unset {_VARIABLE} and reinstall pylsl with "
            "'pip install --force-reinstall --no-cache-dir pylsl'"
        )
    if machine.architecture in {"x86_64", "AMD64", "aarch64"}:
        return (
            "pylsl's wheel for it includes none: install conda-forge's liblsl, or unpack "
            "mne_lsl/lsl/lib/liblsl.so.1.17.7 from the wheel that "
            f"'pip download --no-deps mne-lsl' fetches, and {_NAME_IT}"
        )
    return f"no ready-made liblsl is known for it: {_BUILD}"


def load_library() -> Library:
    """Load liblsl, by importing pylsl, and return which one it is.

    Raises
    ------
    LibraryError
        If there is no usable one, with the remedy for this machine.
    """
    machine = this_machine()
    try:
        import pylsl
        from pylsl import lib as binding
    # AttributeError if the loaded file is some other library.
    except (RuntimeError, AttributeError) as error:
        why = str(error).split("\n")[0].split(". ")[0].rstrip(". ")
        raise LibraryError(
            f"found no liblsl that can be loaded ({why}), expected 1.17.7 or newer on "
            f"{machine.describe()}; {_variable_remedy()}{remedy_for(machine)}"
        ) from error
    number = pylsl.library_version()
    version, named = f"{number // 100}.{number % 100}", str(binding.libpath)
    if not hasattr(binding.lib, "lsl_set_config_content"):
        # Without it the scope cannot be set, and liblsl's own default is the whole site.
        raise LibraryError(
            f"found liblsl {version} ({named}), expected 1.17.7 or newer on {machine.describe()}; "
            f"{_variable_remedy()}{remedy_for(machine)}"
        )
    path = _loaded_file(named)
    return Library(
        version=version,
        build=pylsl.library_info(),
        path=path,
        found_by=_found_by(path, Path(binding.__file__).parent),
        notes=_notes(),
    )


def _found_by(path: str, package: Path) -> FoundBy:
    named = os.environ.get(_VARIABLE, "")
    if os.path.isfile(named) and os.path.realpath(named) == path:
        return FoundBy.VARIABLE
    if Path(path).is_relative_to(package.resolve()):
        return FoundBy.BUNDLED
    if Path(path).is_relative_to(Path(sys.prefix, "lib").resolve()):
        return FoundBy.ENVIRONMENT
    return FoundBy.SYSTEM


def _loaded_file(named: str) -> str:
    """Return the full path of a library that may have been loaded by its bare name."""
    path = os.path.realpath(named)
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return path  # not Linux
    mapped = {line[line.index("/") :] for line in lines if "/" in line}
    stem = Path(named).name.split(".so")[0]
    alike = sorted(other for other in mapped if Path(other).name.startswith(f"{stem}.so"))
    return path if path in mapped or not alike else alike[0]


def _notes() -> tuple[str, ...]:
    named = os.environ.get(_VARIABLE)
    if named is None or os.path.isfile(named):
        return ()
    what = "a folder" if os.path.isdir(named) else "no file"
    return (
        f"{_VARIABLE} is {named!r}, which is {what}: pylsl silently skips it. Name the "
        "library's file, or unset it",
    )


def _variable_remedy() -> str:
    named = os.environ.get(_VARIABLE)
    if named is None:
        return ""
    if os.path.isfile(named):
        return (
            f"{_VARIABLE} names {named!r}, so pylsl tries nothing else: unset it, or name a liblsl "
            "for this machine. If there is none: "
        )
    return f"{_notes()[0]}. If there is none: "
