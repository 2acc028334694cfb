"""The outlet of a replay's markers: it keeps one a moment for a reader who is still connecting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pylsl

_READER_SECONDS = 5.0
"""Whoever follows a signal finds its markers a moment later; a busy machine needs some seconds."""


class NoteOutlet:
    """Sends texts, each with its own stamp; one that nobody reads within 5 s is gone.

    Parameters
    ----------
    info
        The stream: one channel of text.
    clock
        LSL's clock, seconds.
    """

    def __init__(self, info: pylsl.StreamInfo, clock: Callable[[], float]) -> None:
        self._outlet = pylsl.StreamOutlet(info)
        self._clock = clock
        self._waiting: deque[tuple[float, str, float]] = deque()

    def push(self, text: str, stamp: float) -> None:
        """Have a text sent as soon as somebody reads."""
        self._waiting.append((self._clock(), text, stamp))

    def flush(self) -> None:
        """Send what waits, or drop what has waited for too long."""
        if self.have_consumers():
            while self._waiting:
                _, text, stamp = self._waiting.popleft()
                self._outlet.push_sample([text], stamp)
        while self._waiting and self._clock() - self._waiting[0][0] > _READER_SECONDS:
            self._waiting.popleft()

    def have_consumers(self) -> bool:
        """Return whether anybody reads."""
        return bool(self._outlet.have_consumers())
