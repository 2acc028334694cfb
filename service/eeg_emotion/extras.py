"""Optional extras: an error for a missing one names the command that installs it."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from eeg_emotion.errors import EegEmotionError

MODULES: dict[str, tuple[str, ...]] = {
    "alarms": ("httpx", "paho", "psycopg", "sqlalchemy", "standardwebhooks"),
    "cluster": ("httpx", "nats", "nkeys"),
    "recordings": ("mne", "pyarrow", "pyxdf"),
    "training": (
        "distributed",
        "jax",
        "joblib",
        "keras",
        "markdown_it",
        "matplotlib",
        "onnx",
        "sklearn",
        "tensorboard",
        "tensorflow",
    ),
}
"""The modules that each extra of pyproject.toml installs."""


class MissingExtraError(EegEmotionError):
    """A feature needs an extra that is not installed."""


def load(module: str, needed_by: str, otherwise: str = "") -> Any:
    """Import a module of an extra.

    Parameters
    ----------
    module
        Its name.
    needed_by
        What needs it, for the error message.
    otherwise
        An alternative to installing it, if there is one.

    Raises
    ------
    MissingExtraError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        found = f"{package} ({error})"
        raise _missing(_extra_of(package), found, needed_by, otherwise) from error


def load_package(module: str, needed_by: str, otherwise: str = "") -> Any:
    """Import a package that a third-party reader asks for, and that no extra contains.

    Raises
    ------
    MissingExtraError
        If it cannot be imported, with the command that installs it.
    """
    package = module.partition(".")[0]
    instead = f", {otherwise}" if otherwise else ""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(
            f"found no {package} ({error}), which {needed_by} needs, expected it installed; "
            f"install it with: {shlex.join([*_installer(), package])}{instead}"
        ) from error


def require(modules: Iterable[str], needed_by: str) -> None:
    """Raise an error if one of an extra's modules is missing.

    Raises
    ------
    MissingExtraError
        If one of them is not installed. No module is imported.
    """
    if absent := _absent(modules):
        raise _missing(_extra_of(absent[0]), ", ".join(absent), needed_by)


def is_installed(extra: str) -> bool:
    """Return whether all modules of an extra are installed. None is imported."""
    return not _absent(MODULES[extra])


def require_extra(extra: str, needed_by: str, otherwise: str = "") -> None:
    """Refuse to begin what needs a whole extra; see `load`.

    Raises
    ------
    MissingExtraError
        If a module of it is not installed. None is imported.
    """
    if absent := _absent(MODULES[extra]):
        raise _missing(extra, ", ".join(absent), needed_by, otherwise)


def not_installed(extra: str) -> str:
    """Return the line of a command that goes on without an extra."""
    return f"{extra:<10} not installed; to add: {install_command(extra)}"


def install_command(extra: str) -> str:
    """Return the command that installs an extra into the running environment.

    The project itself is installed there already, so pip adds only the extra's packages.
    """
    return shlex.join([*_installer(), f"eeg-emotion[{extra}]"])


def _installer() -> list[str]:
    # uv creates environments without pip.
    if find_spec("pip") is None:
        return ["uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]


def _absent(modules: Iterable[str]) -> list[str]:
    return [module for module in modules if find_spec(module) is None]


def _extra_of(module: str) -> str:
    """Return the extra that a module comes with, the first of several."""
    return next(extra for extra, modules in MODULES.items() if module in modules)


def _missing(extra: str, found: str, needed_by: str, otherwise: str = "") -> MissingExtraError:
    instead = f", or {otherwise}" if otherwise else ""
    return MissingExtraError(
        f"found no {found}, which {needed_by} needs, expected the extra {extra!r}; install it "
        f"with: {install_command(extra)}{instead}"
    )
