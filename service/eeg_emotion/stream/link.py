"""Where a headset's connection stands, judged by when its samples arrive. Pure."""

from __future__ import annotations

from eeg_emotion.codes import State

WARNED_SECONDS = 1.0
"""After this long without a sample it is logged, and said in the headset's detail."""

STALE_SECONDS = 2.0
"""Without a sample for this long the last estimate no longer describes the person."""

LOST_SECONDS = 10.0
"""Without a sample for this long the headset is given up until it speaks again."""


class Link:
    """Follows one connection. liblsl says nothing when a source stops sending, so time must.

    Parameters
    ----------
    now
        When the connection was opened, in seconds of a steady clock.
    """

    def __init__(self, now: float) -> None:
        self._last = now
        self._heard = False
        self._closed = False

    def heard(self, now: float) -> None:
        """Note that samples arrived."""
        self._last = now
        self._heard = True

    def close(self) -> None:
        """Note that the connection was closed from the other side."""
        self._closed = True

    @property
    def closed(self) -> bool:
        """Return whether it was."""
        return self._closed

    def state(self, now: float) -> State:
        """Return the state at a time."""
        silent = now - self._last
        if self._closed or silent >= LOST_SECONDS:
            return State.LOST
        if silent >= STALE_SECONDS:
            return State.STALE
        return State.LIVE if self._heard else State.CONNECTING

    def silent_seconds(self, now: float) -> float:
        """Return for how long no sample has come."""
        return now - self._last
