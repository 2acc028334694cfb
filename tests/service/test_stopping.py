"""Signal handling; whole processes are stopped in `test_daemon` and `test_demo`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from typing import Any, cast

import pytest

from eeg_emotion.daemon.stopping import (
    ASKED,
    TERMINAL_CLOSED,
    ask_to_stop,
    group_of_its_own,
    on_signals,
    run_until_asked,
    stop_for_threads,
)

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.timeout(20)
def test_a_signal_during_a_wait_ends_the_wait_without_a_deadlock(
    number: signal.Signals,
) -> None:
    with stop_for_threads() as stop:
        # As `stop.wait` holds it briefly at its beginning and end.
        with stop._cond:  # type: ignore[attr-defined]
            signal.raise_signal(number)
            assert not stop.is_set()
        assert stop.wait(10)


def test_no_thread_and_no_handler_is_left_behind() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    threads = threading.active_count()
    with stop_for_threads() as stop:
        assert threading.active_count() == threads + 1
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert not stop.is_set()
    assert threading.active_count() == threads
    assert [signal.getsignal(number) for number in NUMBERS] == before


def test_the_first_signal_asks_and_each_later_one_is_passed_on() -> None:
    came: list[object] = []
    with on_signals(lambda: came.append("asked"), came.append):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
    assert came == ["asked", signal.SIGTERM, signal.SIGINT]


def test_a_signal_that_the_platform_lacks_is_ignored() -> None:
    with on_signals(lambda: None, names=("SIGBREAK", "SIGNONE")):
        assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


@pytest.mark.parametrize("number", NUMBERS)
def test_a_waiting_event_loop_wakes_and_its_work_ends_in_order(number: signal.Signals) -> None:
    async def work(stop: asyncio.Event) -> str:
        # From another thread, and while nothing else would wake the loop.
        timer = threading.Timer(0.05, os.kill, (os.getpid(), number))
        timer.start()
        await asyncio.wait_for(stop.wait(), 10)
        timer.join()
        return "done"

    before = [signal.getsignal(each) for each in NUMBERS]
    assert run_until_asked(work) == "done"
    assert [signal.getsignal(each) for each in NUMBERS] == before


def test_an_error_in_the_work_is_raised_and_the_handlers_are_removed() -> None:
    async def work(stop: asyncio.Event) -> None:
        raise ValueError("broken")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="broken"):
        run_until_asked(work)
    assert signal.getsignal(signal.SIGTERM) == before


class FakeProcess:
    def __init__(self) -> None:
        self.sent: list[int] = []

    def send_signal(self, number: int) -> None:
        self.sent.append(number)


def asked() -> list[int]:
    process = FakeProcess()
    ask_to_stop(cast(Any, process))
    return process.sent


def test_a_process_is_stopped_with_the_signal_of_its_platform(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asked() == [signal.SIGTERM]
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    assert asked() == [1]


def test_a_process_is_in_a_group_that_ctrl_c_does_not_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert group_of_its_own() == {"start_new_session": True, "creationflags": 0}
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    assert group_of_its_own()["creationflags"] == 512


@pytest.mark.skipif(not hasattr(signal, TERMINAL_CLOSED), reason="the platform has no SIGHUP")
@pytest.mark.parametrize("is_ignored", [False, True])
def test_a_closed_terminal_asks_to_stop_unless_it_is_ignored(is_ignored: bool) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if is_ignored else signal.SIG_DFL)
    came: list[str] = []
    try:
        with on_signals(lambda: came.append("asked"), names=(*ASKED, TERMINAL_CLOSED)):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert came == ([] if is_ignored else ["asked"])
