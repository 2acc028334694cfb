"""The names of all models, separate from the code that fits them, so that listing them is quick."""

from __future__ import annotations

import functools
import os
from importlib import metadata
from importlib.util import find_spec
from typing import Literal, get_args

NetworkName = Literal["gru", "bn-gru", "lstm", "bn-lstm"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)

CONSTANT = ("majority", "person-majority")
"""Constant guesses, which see no window."""

BASELINES = (*CONSTANT, "logistic")
"""What a network must beat."""


def backend() -> str:
    """Name what computes, with versions, such as ``tensorflow 2.21.0, keras 3.15.1``.

    The backend is that of ``KERAS_BACKEND``, or what `choose_backend` makes it.
    """
    return _with_versions(choose_backend())


def choose_backend() -> str:
    """Return the Keras backend, and set ``KERAS_BACKEND`` to it where it is unset.

    The default is TensorFlow, or JAX where only JAX is installed: the extra `training` brings one
    of the two, since TensorFlow has no release for the newest Python.
    """
    if not os.environ.get("KERAS_BACKEND"):
        only_jax = not find_spec("tensorflow") and find_spec("jax")
        os.environ["KERAS_BACKEND"] = "jax" if only_jax else "tensorflow"
    return os.environ["KERAS_BACKEND"]


@functools.cache
def _with_versions(name: str) -> str:
    found = {dist.name: dist.version for dist in metadata.distributions()}
    # TensorFlow's build for processors alone has a name of its own.
    version = found.get(name) or found.get(f"{name}-cpu") or found.get(f"{name}_cpu") or "unknown"
    return f"{name} {version}, keras {found.get('keras', 'unknown')}"
