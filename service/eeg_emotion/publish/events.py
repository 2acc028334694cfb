"""The events of each headset: changes of state, baselines, markers. Kept in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count

from eeg_emotion.publish.messages import Baseline, Event, Marker, Status

KEPT_EVENTS = 1000
"""Per headset. One that appears and disappears every minute has this many in eight hours."""


class Events:
    """The newest events of each headset.

    Parameters
    ----------
    utc
        Unix seconds; dates the events.
    """

    def __init__(self, utc: Callable[[], float]) -> None:
        self._utc = utc
        self._numbers = count()
        self._kept: dict[str, deque[Event]] = {}
        self._last: dict[tuple[str, str], tuple[str, str]] = {}

    def on_message(self, message: Status | Baseline | Marker) -> None:
        """Record a message's event, if it is new."""
        if isinstance(message, Status):
            headset, kind = message.headset.id, "state"
            state, detail = message.headset.state.value, message.headset.detail
            news = state, detail
        elif isinstance(message, Marker):
            headset, kind = message.headset, "marker"
            state, detail = "", message.text
            news = str(message.time), detail
        else:
            headset, kind = message.headset, "baseline"
            state, detail = message.state.value, message.detail
            # A collection reports each second; only its start and its end are events.
            news = state, message.profile or ""
        if self._last.get((headset, kind)) == news:
            return
        self._last[headset, kind] = news
        kept = self._kept.setdefault(headset, deque(maxlen=KEPT_EVENTS))
        kept.append(
            Event(
                number=next(self._numbers),
                headset=headset,
                time=message.time if isinstance(message, Marker) else self._utc(),
                kind=kind,
                state=state,
                detail=detail,
                ratings=message.ratings if isinstance(message, Marker) else None,
            )
        )

    def of(self, headset: str) -> list[Event]:
        """Return a headset's events, oldest first."""
        return list(self._kept.get(headset, ()))

    def forget(self, headset: str) -> None:
        """Forget a headset that is no longer listed."""
        self._kept.pop(headset, None)
        for kind in ("state", "baseline", "marker"):
            self._last.pop((headset, kind), None)
