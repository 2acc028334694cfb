from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from eeg_emotion.cli.replay import _set_on_signals

NUMBERS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_in_the_middle_of_a_wait_stops_it_and_does_not_wait_itself(
    number: signal.Signals,
) -> None:
    stop = threading.Event()
    _set_on_signals(stop)
    # As `stop.wait` holds it for a moment at its beginning and its end.
    with stop._cond:  # type: ignore[attr-defined]
        signal.raise_signal(number)
        assert not stop.is_set()
    assert stop.wait(60)
