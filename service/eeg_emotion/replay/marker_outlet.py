"""The outlet of a replay's markers; it keeps each for some seconds for readers still connecting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pylsl

_READER_SECONDS = 5.0
"""A reader of the signal finds its markers a moment later; on a busy machine it takes seconds."""


class MarkerOutlet:
    """Sends texts, each with its own stamp; those without a reader within 5 s are dropped.

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
        """Queue a text until there is a reader."""
        self._waiting.append((self._clock(), text, stamp))

    def flush(self) -> None:
        """Send the queued texts, and drop those that have waited too long."""
        if self.have_consumers():
            while self._waiting:
                _, text, stamp = self._waiting.popleft()
                self._outlet.push_sample([text], stamp)
        while self._waiting and self._clock() - self._waiting[0][0] > _READER_SECONDS:
            self._waiting.popleft()

    def have_consumers(self) -> bool:
        """Return whether there is a reader."""
        return bool(self._outlet.have_consumers())
