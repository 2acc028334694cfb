"""Orderly shutdown on request: by Ctrl-C, a service manager or a closed terminal.

It uses `signal.signal`, which exists on every platform, not the event loop's own handlers, which
Windows lacks. On Windows Ctrl-Break arrives as SIGBREAK, and SIGTERM never arrives from outside:
sending it ends the process at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import threading
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Iterator
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeVar

_T = TypeVar("_T")

ASKED = ("SIGINT", "SIGTERM", "SIGBREAK")
"""Ctrl-C, service managers and `kill`, Ctrl-Break."""

TERMINAL_CLOSED = "SIGHUP"


def end_at_once(number: int) -> None:
    """End this process as the signal does by default."""
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


@contextlib.contextmanager
def on_signals(
    first: Callable[[], object],
    again: Callable[[int], object] = end_at_once,
    names: tuple[str, ...] = ASKED,
) -> Iterator[None]:
    """Call `first` on the first of these signals, and `again` on each later one.

    Signals that this platform lacks are ignored, and `TERMINAL_CLOSED` stays ignored where it was,
    as under `nohup`. Both functions interrupt the main thread at any point, so they must not
    acquire a lock.
    """
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            again(number)
        else:
            asked = True
            first()

    known = signal.Signals.__members__
    numbers = [
        known[name]
        for name in names
        if name in known
        and not (name == TERMINAL_CLOSED and signal.getsignal(known[name]) is signal.SIG_IGN)
    ]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_until_asked(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, _T]],
    again: Callable[[int], object] = end_at_once,
    names: tuple[str, ...] = ASKED,
) -> _T:
    """Run a coroutine on an event loop, as `asyncio.run` does, and return its result.

    Parameters
    ----------
    work
        Called with the event that the first signal sets.
    again
        Called on each later signal, until the loop is closed.
    names
        The names of the signals.
    """
    runner = asyncio.Runner()
    loop, stop = runner.get_loop(), asyncio.Event()

    def ask() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)

    with on_signals(ask, again, names), runner:
        return runner.run(work(stop))


@contextlib.contextmanager
def stop_for_threads() -> Iterator[threading.Event]:
    """Yield an event that the first signal sets; the second ends the process at once."""
    stop = threading.Event()
    # Not set by the handler itself: it may interrupt a `wait` that holds the event's lock, and then
    # deadlock on it. Putting into a SimpleQueue is reentrant.
    came: SimpleQueue[bool] = SimpleQueue()

    def pass_on() -> None:
        if came.get():
            stop.set()

    passing = threading.Thread(target=pass_on, name="signals", daemon=True)
    passing.start()
    try:
        with on_signals(lambda: came.put(True)):
            yield stop
    finally:
        came.put(False)
        passing.join()


def group_of_its_own() -> dict[str, Any]:
    """Return options to start a process that Ctrl-C in this one's terminal does not reach."""
    return {
        "start_new_session": True,  # ignored on Windows
        "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # Windows alone
    }


def ask_to_stop(process: Process) -> None:
    """Send the signal to shut down to a process that has its own process group."""
    # Windows cannot send SIGTERM, and a new process group ignores Ctrl-C.
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
