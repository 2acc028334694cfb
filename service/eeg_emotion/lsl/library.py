"""liblsl, the C library beneath pylsl: which one is loaded, or how to come by one.

pylsl loads it on import, and without it that import fails. So nothing here imports pylsl but
`load_library`, and whatever needs Lab Streaming Layer calls that first.
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
    """liblsl is not there, cannot be loaded, or is too old."""


class FoundBy(StrEnum):
    """How pylsl came upon the library."""

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
        What it says of its own build.
    path
        The file that is loaded.
    found_by
        How it was found.
    notes
        What is odd about the search, with the remedy.
    """

    version: str
    build: str
    path: str
    found_by: FoundBy
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides which liblsl can run here.

    Attributes
    ----------
    system, architecture
        As `platform` names them: ``Linux``, ``x86_64``.
    glibc
        Its version; None where the C library is another one.
    """

    system: str
    architecture: str
    glibc: tuple[int, int] | None

    def describe(self) -> str:
        """Name it in words."""
        text = f"{self.system} {self.architecture}"
        if self.system != "Linux":
            return text
        return text + (
            f", glibc {self.glibc[0]}.{self.glibc[1]}" if self.glibc else ", no glibc (musl?)"
        )


def this_machine() -> Machine:
    """Look at the machine that this runs on."""
    name, version = platform.libc_ver()
    numbers = version.split(".")
    glibc = (int(numbers[0]), int(numbers[1])) if name == "glibc" and len(numbers) > 1 else None
    return Machine(platform.system(), platform.machine(), glibc)


def remedy_for(machine: Machine) -> str:
    """Return how to come by a liblsl on a machine where pylsl finds none."""
    if machine.system == "Darwin":
        return (
            "on macOS, which was not tried, pylsl's makers name "
            "'brew install labstreaminglayer/tap/lsl' or conda-forge's liblsl; if it is not found "
            f"then, {_NAME_IT}"
        )
    if machine.system != "Linux":
        return (
            f"on {machine.system}, which was not tried, take liblsl from the releases at "
            f"github.com/sccn/liblsl and {_NAME_IT}"
        )
    if machine.glibc is None or machine.glibc < (2, 28):
        return f"no ready-made liblsl is known for it: {_BUILD}"
    if machine.architecture in {"x86_64", "AMD64"} and machine.glibc >= (2, 35):
        return (
            f"pylsl's wheel for it holds one: unset {_VARIABLE} and install pylsl again with "
            "'pip install --force-reinstall --no-cache-dir pylsl'"
        )
    if machine.architecture in {"x86_64", "AMD64", "aarch64"}:
        return (
            "pylsl's wheel for it holds none: install conda-forge's liblsl, or unpack "
            "mne_lsl/lsl/lib/liblsl.so.1.17.7 from the wheel that "
            f"'pip download --no-deps mne-lsl' fetches, and {_NAME_IT}"
        )
    return f"no ready-made liblsl is known for it: {_BUILD}"


def load_library() -> Library:
    """Load liblsl, as importing pylsl does, and tell which one it is.

    Raises
    ------
    LibraryError
        If there is none that serves, with the remedy for this machine.
    """
    machine = this_machine()
    try:
        import pylsl
        from pylsl import lib as binding
    # The second where the file that was loaded is some other library.
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
    """Return the whole path of a library that may have been asked for by its bare name."""
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
        f"{_VARIABLE} is {named!r}, which is {what}: pylsl skips it without a word. Name the "
        "library's file, or unset it",
    )


def _variable_remedy() -> str:
    named = os.environ.get(_VARIABLE)
    if named is None:
        return ""
    if os.path.isfile(named):
        return (
            f"{_VARIABLE} names {named!r}, so nothing else is tried: unset it, or name a liblsl "
            "for this machine. If there is none: "
        )
    return f"{_notes()[0]}. If there is none: "
