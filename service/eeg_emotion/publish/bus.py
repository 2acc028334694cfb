"""The bus: from the lines of the headsets to every subscriber. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable

from eeg_emotion.publish.messages import Baseline, GoingAway, Prediction, Status
from eeg_emotion.publish.outbox import Outbox


class Bus:
    """Hands each message to all outboxes, encoded once, and keeps the last prediction.

    It is used from one thread, the event loop's.
    """

    def __init__(self) -> None:
        self._outboxes: set[Outbox] = set()
        self._last: dict[str, Prediction] = {}
        self._emptied: Callable[[], None] | None = None

    def subscribe(self, wake: Callable[[], None]) -> Outbox:
        """Open an outbox that gets every message from now on; a closed bus gives a closed one."""
        outbox = Outbox(wake)
        self._outboxes.add(outbox)
        if self._emptied is not None:
            outbox.close()
        return outbox

    def unsubscribe(self, outbox: Outbox) -> None:
        """Close an outbox; what waits in it is dropped."""
        self._outboxes.discard(outbox)
        if self._emptied is not None and not self._outboxes:
            self._emptied()

    @property
    def subscribers(self) -> int:
        """How many outboxes are open."""
        return len(self._outboxes)

    def last_prediction(self, headset: str) -> Prediction | None:
        """Give the headset's newest prediction, valid or not."""
        return self._last.get(headset)

    def forget(self, headset: str) -> None:
        """Drop the last prediction of a headset that is no longer listed."""
        self._last.pop(headset, None)

    def publish(self, message: Prediction | Status | Baseline | GoingAway) -> None:
        """Hand the message to every subscriber."""
        text = message.encode()
        match message:
            case Prediction():
                self._last[message.headset] = message
                headset = message.headset
            case Baseline():
                headset = message.headset
            case Status():
                headset = message.headset.id
            case GoingAway():
                headset = ""
        for outbox in self._outboxes:
            outbox.put(message.type, headset, text)

    def close(self, emptied: Callable[[], None]) -> None:
        """Close all outboxes; what waits in them may still be taken.

        `emptied` is called when the last subscriber has left.
        """
        self._emptied = emptied
        for outbox in self._outboxes:
            outbox.close()
        if not self._outboxes:
            emptied()
