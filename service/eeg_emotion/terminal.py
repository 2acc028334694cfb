"""Standard output on terminals and pipes that cannot encode every character."""

from __future__ import annotations

import io
import sys


def write_every_letter() -> None:
    """Make standard output escape characters that its encoding lacks.

    On Windows a pipe or file uses the system's code page: without this, a sensor named `Ω` would
    end the command with an error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
