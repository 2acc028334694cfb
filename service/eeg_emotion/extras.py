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
        raise _missing(package, f"{package} ({error})", needed_by, otherwise) from error


def require(modules: Iterable[str], needed_by: str) -> None:
    """Raise an error if one of an extra's modules is missing.

    Raises
    ------
    MissingExtraError
        If one of them is not installed. No module is imported.
    """
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise _missing(absent[0], ", ".join(absent), needed_by)


def install_command(extra: str) -> str:
    """Return the command that installs an extra into the running environment.

    The project itself is installed there already, so pip adds only the extra's packages.
    """
    requirement = f"eeg-emotion[{extra}]"
    # uv creates environments without pip.
    installer = [sys.executable, "-m", "pip", "install"]
    if find_spec("pip") is None:
        installer = ["uv", "pip", "install", "--python", sys.executable]
    return shlex.join([*installer, requirement])


def _missing(module: str, found: str, needed_by: str, otherwise: str = "") -> MissingExtraError:
    (extra,) = (extra for extra, modules in MODULES.items() if module in modules)
    instead = f", or {otherwise}" if otherwise else ""
    return MissingExtraError(
        f"found no {found}, which {needed_by} needs, expected the extra {extra!r}; install it "
        f"with: {install_command(extra)}{instead}"
    )
