"""The state of a headset's connection, derived from when its samples arrive. Pure."""

from __future__ import annotations

from eeg_emotion.codes import State

WARNED_SECONDS = 1.0
"""After this long without a sample, it is logged and shown in the headset's detail."""

STALE_SECONDS = 2.0
"""After this long without a sample, the last estimate no longer describes the person."""

LOST_SECONDS = 10.0
"""After this long without a sample, the headset counts as lost until it sends again."""


class Link:
    """Follows one connection. liblsl does not report a source that stops sending; time does.

    Parameters
    ----------
    now
        When the connection was opened, in seconds of a steady clock.
    """

    def __init__(self, now: float) -> None:
        self._last = now
        self._has_samples = False
        self._closed = False

    def on_samples(self, now: float) -> None:
        """Record that samples arrived."""
        self._last = now
        self._has_samples = True

    def close(self) -> None:
        """Record that the connection was closed from the other side."""
        self._closed = True

    @property
    def closed(self) -> bool:
        """Return whether the connection was closed from the other side."""
        return self._closed

    def state(self, now: float) -> State:
        """Return the state at a time."""
        silent = now - self._last
        if self._closed or silent >= LOST_SECONDS:
            return State.LOST
        if silent >= STALE_SECONDS:
            return State.STALE
        return State.LIVE if self._has_samples else State.CONNECTING

    def silent_seconds(self, now: float) -> float:
        """Return the seconds since the last sample."""
        return now - self._last
