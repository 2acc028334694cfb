"""The last minutes of each headset's predictions, for returning subscribers and for REST."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from eeg_emotion.publish.frames import Frame

RESUME_SECONDS = 60.0
"""How far back a returning subscriber receives what it missed."""

KEPT_SECONDS = 600.0
"""How far back REST can look. A prediction takes some 0.6 KB, so 256 headsets take 90 MB."""

MOST_KEPT = 2400
"""The number in that time at the shortest hop, 0.25 s. Without this limit, a recording replayed
faster than real time would fill the memory."""


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a subscriber's last prediction of a headset."""

    epoch: str
    seq: int


class History:
    """The predictions of all headsets, encoded as they were sent.

    Parameters
    ----------
    clock
        Monotonic seconds; for the age of predictions.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, deque[tuple[float, Frame | None]]] = {}

    def add(self, frame: Frame, age: float = 0.0) -> None:
        """Add a prediction made now, or `age` seconds ago, and drop those that are too old."""
        self._append(frame.headset, frame, age)

    def cut(self, headset: str) -> None:
        """Mark that predictions may be missing here, so that nothing is resumed across it."""
        if self._kept.get(headset):
            self._append(headset, None)

    def frames(self, headset: str) -> list[Frame]:
        """Return the kept predictions since the last mark of missing ones, oldest first."""
        return [frame for _, frame in self._aged(headset)]

    def since(self, headset: str, position: Position | None) -> list[tuple[float, Frame]] | None:
        """Return predictions after a position, or all, oldest first, with their ages in seconds.

        Unlike `missed`, this is not limited to a minute. None if the position is not known.
        """
        aged = self._aged(headset)
        if position is None:
            return aged
        for at, (_, frame) in enumerate(aged):
            if (frame.epoch, frame.seq) == (position.epoch, position.seq):
                return aged[at + 1 :]
        return None

    def missed(self, headset: str, position: Position) -> list[Frame] | None:
        """Return exactly the predictions after a position, oldest first.

        None if that is not possible: the position is unknown, or a prediction after it is older
        than a minute. A headset that reconnected in between has a new epoch; the predictions of
        both epochs are returned.
        """
        oldest = self._clock() - RESUME_SECONDS
        after: list[Frame] = []
        for when, frame in reversed(self._kept.get(headset, ())):
            if frame is None:
                return None
            if frame.epoch == position.epoch and frame.seq is not None:
                if frame.seq == position.seq:
                    return after[::-1]
                if frame.seq < position.seq:
                    return None  # the subscriber claims a prediction that was never sent
            if when < oldest:
                return None
            after.append(frame)
            if frame.epoch == position.epoch and frame.seq == position.seq + 1:
                return after[::-1]
        return None

    def _append(self, headset: str, frame: Frame | None, age: float = 0.0) -> None:
        now = self._clock()
        kept = self._kept.setdefault(headset, deque(maxlen=MOST_KEPT))
        kept.append((now - age, frame))
        while kept and now - kept[0][0] > KEPT_SECONDS:
            kept.popleft()

    def _aged(self, headset: str) -> list[tuple[float, Frame]]:
        now = self._clock()
        found: list[tuple[float, Frame]] = []
        for when, frame in reversed(self._kept.get(headset, ())):
            if frame is None or now - when > KEPT_SECONDS:
                break
            found.append((now - when, frame))
        return found[::-1]

    def forget(self, headset: str) -> None:
        """Forget a headset that is no longer listed."""
        self._kept.pop(headset, None)
