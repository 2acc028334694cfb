"""Standard output: pipes that cannot encode every character, or whose reader has ended."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console


class Output(Console):
    """Standard output, with styles on a terminal.

    A reader that has ended, such as `head`, is an error like any other, which a task hands on; by
    default Rich ends the process from within the task, and asyncio reports that with a traceback.
    """

    def __init__(self) -> None:
        super().__init__(highlight=False)

    def on_broken_pipe(self) -> None:
        """Raise the error."""
        raise


def write_every_letter() -> None:
    """Make standard output escape characters that its encoding lacks.

    On Windows a pipe or file uses the system's code page: without this, a sensor named `Ω` would
    end the command with an error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def ends_with_its_reader() -> Iterator[None]:
    """End with status 1 and without a word once the reader of standard output has ended.

    A command's library does this for an error of its own; here it is done for those of tasks.
    """
    try:
        yield
    except* BrokenPipeError:
        with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            # Otherwise Python would complain at its end, when it writes what it still holds.
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        ended = True
    else:
        ended = False
    if ended:
        sys.exit(1)
