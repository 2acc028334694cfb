"""The command `eeg-emotion`, called in this process: a start of its own would take seconds."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

from eeg_emotion.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command left, as a process would."""

    returncode: int
    stdout: str
    stderr: str


def command(*arguments: object) -> Done:
    """Run `eeg-emotion` with these arguments; messages are not wrapped.

    LSL is configured once in a process, so a command that uses it needs the tests' own session id.
    """
    output, errors = io.StringIO(), io.StringIO()
    status: int | str | None = 0
    with (
        mock.patch.object(sys, "argv", ["eeg-emotion", *map(str, arguments)]),
        mock.patch.dict(os.environ, COLUMNS="4000"),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        _nothing_left_behind(),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code
    assert isinstance(status, int | None), status
    return Done(status or 0, output.getvalue(), errors.getvalue())


def assert_refused(done: Done, status: int, *words: str) -> None:
    """Assert that a command ended with this status and one message that has these words."""
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@contextlib.contextmanager
def _nothing_left_behind() -> Iterator[None]:
    """Put back what a command sets for its whole process."""
    hook, level = sys.excepthook, logging.getLogger("eeg_emotion").level
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        gc.unfreeze()
        sys.excepthook = hook
        logging.getLogger("eeg_emotion").setLevel(level)
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)
