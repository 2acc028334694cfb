"""The standard output, as a terminal or a pipe that may not have every letter."""

from __future__ import annotations

import io
import sys


def write_every_letter() -> None:
    """Let the standard output show a letter that its encoding lacks as an escape.

    On Windows a pipe or a file has the encoding of the system's language: without this a sensor
    called `Ω` would end the command with an error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
