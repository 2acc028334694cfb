"""The names of all models, apart from what fits them: a command line lists them without it."""

from __future__ import annotations

import functools
import os
from importlib import metadata
from typing import Literal, get_args

NetworkName = Literal["gru", "bn-gru", "lstm", "bn-lstm"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)

CONSTANT = ("majority", "person-majority")
"""Guesses that look at no window."""

BASELINES = (*CONSTANT, "logistic")
"""What a network must beat."""


def backend() -> str:
    """Name what computes, with versions, such as ``tensorflow 2.21.0, keras 3.15.1``.

    The backend is that of ``KERAS_BACKEND``, and TensorFlow where that says nothing.
    """
    return _with_versions(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))


@functools.cache
def _with_versions(name: str) -> str:
    found = {dist.name: dist.version for dist in metadata.distributions()}
    # TensorFlow's build for processors alone has a name of its own.
    version = found.get(name) or found.get(f"{name}-cpu") or found.get(f"{name}_cpu") or "unknown"
    return f"{name} {version}, keras {found.get('keras', 'unknown')}"
