"""Messages received and not yet taken, and the position of each headset. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import (
    Baseline,
    Detail,
    Marker,
    Prediction,
    Refused,
    Status,
    Subscribed,
    TypedMessage,
)
from eeg_emotion.publish.requests import EVERY_HEADSET


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The connection was lost and is back; what follows arrived over the new one.

    Attributes
    ----------
    recovered
        For each headset: True if exactly the missed predictions follow, False if some may be
        missing, None if there was none to resume from.
    why
        What ended the previous connection.
    """

    recovered: Mapping[str, bool | None]
    why: str


Message = Prediction | Status | Baseline | Detail | Alarm | Marker | Reconnected
"""Everything that a stream yields."""

_News = Prediction | Status | Baseline | Detail | Alarm | Marker


class Inbox:
    """The messages of successive connections, in order and each prediction once.

    A connection's first messages are held until all its subscriptions are answered, so that
    `Reconnected` comes before the messages that it announces.
    """

    def __init__(self) -> None:
        self.positions: dict[str, Position] = {}
        """The last prediction of each headset."""
        self._waiting: deque[tuple[int, Message]] = deque()
        self._held: list[tuple[int, _News]] = []
        self._unanswered: set[str] = set()
        self._recovered: dict[str, bool | None] = {}
        self._why: str | None = None
        self._received = 0

    @property
    def waiting(self) -> int:
        """The number of messages that can be taken."""
        return len(self._waiting)

    @property
    def dealt(self) -> int:
        """The number of the connection's messages that were processed, without the welcome."""
        if self._waiting:
            return self._waiting[0][0] - 1
        if self._held:
            return self._held[0][0] - 1
        return self._received

    def begin(self, names: Iterable[str], why: str | None) -> None:
        """Start a new connection, once everything from the previous one has been taken.

        Parameters
        ----------
        names
            The subscriptions that will be answered.
        why
            What ended the previous connection; None for the first one.
        """
        self._held.clear()
        self._unanswered = set(names)
        self._recovered = dict.fromkeys(self.positions, False)
        self._why = why
        self._received = 0

    def add(self, message: TypedMessage | None) -> None:
        """Add a message; None for one of an unknown kind, which counts as well."""
        self._received += 1
        match message:
            case Prediction() | Status() | Baseline() | Detail() | Alarm() | Marker():
                if self._unanswered:
                    self._held.append((self._received, message))
                else:
                    self._keep(self._received, message)
            case Subscribed(headset=headset, recovered=recovered):
                self._answer(headset, recovered)
            case Refused(headset=headset):
                self._answer(headset, False)

    def take(self) -> Message | None:
        """Remove and return the oldest message; None if there is none."""
        return self._waiting.popleft()[1] if self._waiting else None

    def _answer(self, name: str, recovered: bool | None) -> None:
        if not self._unanswered:
            return
        if name != EVERY_HEADSET:
            self._recovered[name] = recovered
        self._unanswered.discard(name)
        if self._unanswered:
            return
        if self._why is not None:
            number = self._held[0][0] if self._held else self._received
            self._waiting.append((number, Reconnected(self._recovered, self._why)))
        for number, message in self._held:
            self._keep(number, message)
        self._held.clear()

    def _keep(self, number: int, message: _News) -> None:
        if isinstance(message, Prediction):
            last = self.positions.get(message.headset)
            if last is not None and last.epoch == message.epoch and message.seq <= last.seq:
                return
            self.positions[message.headset] = Position(message.epoch, message.seq)
        self._waiting.append((number, message))
