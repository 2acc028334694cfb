"""Keras, imported at its first use, and without the lines that TensorFlow writes when it starts.

The import takes seconds. Code that only names networks or reads their settings does not wait for
it.

How TensorFlow was compiled and that it found no GPU is of no use here. ``TF_CPP_MIN_LOG_LEVEL``, if
the user sets it, decides instead what is shown.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eeg_emotion_training.networks.names import choose_backend

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@functools.cache
def load_keras() -> Any:
    """Return the module `keras`; the first call imports it on the chosen backend."""
    # Stated, so that results can say which backend made them.
    choose_backend()
    # oneDNN's order of operations depends on the processor, and so would the last digits.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if _LOG_LEVEL in os.environ:
        return importlib.import_module("keras")
    # For what is logged after the import, such as each search for a GPU. Failures raise anyway.
    os.environ[_LOG_LEVEL] = "3"
    try:
        with _no_start_up_lines():
            return importlib.import_module("keras")
    finally:
        del os.environ[_LOG_LEVEL]  # it has been read, and is not the user's choice


@contextmanager
def _no_start_up_lines() -> Iterator[None]:
    """Capture what is written to standard error; show it only if the import fails.

    Libraries write some lines straight to the descriptor, before they read any setting.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(terminal, held_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
