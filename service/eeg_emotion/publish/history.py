"""The last minutes of each headset's predictions, for who comes back and who looks back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from eeg_emotion.publish.frames import Frame

RESUME_SECONDS = 60.0
"""How far back a returning subscriber is given what it missed."""

KEPT_SECONDS = 600.0
"""How far back REST looks. A prediction takes some 0.6 KB, so 256 headsets take 90 MB."""

MOST_KEPT = 2400
"""As many as come in that time at the shortest hop, 0.25 s. A recording that is replayed faster
than true pace would fill the memory without it."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last prediction of a headset that a subscriber has."""

    epoch: str
    seq: int


class History:
    """The predictions of all headsets, encoded as they were sent.

    Parameters
    ----------
    clock
        Tells how old a prediction is; seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, deque[tuple[float, Frame]]] = {}

    def add(self, frame: Frame) -> None:
        """Keep a prediction, and drop those that are too old."""
        now = self._clock()
        kept = self._kept.setdefault(frame.headset, deque(maxlen=MOST_KEPT))
        kept.append((now, frame))
        while now - kept[0][0] > KEPT_SECONDS:
            kept.popleft()

    def frames(self, headset: str) -> list[Frame]:
        """Give all that is kept, oldest first."""
        oldest = self._clock() - KEPT_SECONDS
        return [frame for when, frame in self._kept.get(headset, ()) if when >= oldest]

    def missed(self, headset: str, position: Position) -> list[Frame] | None:
        """Give exactly the predictions after a position, oldest first.

        None where that cannot be: the position is unknown, or a prediction after it is older than
        a minute. A headset that connected anew in between has a new epoch; what it said in both is
        given.
        """
        oldest = self._clock() - RESUME_SECONDS
        after: list[Frame] = []
        for when, frame in reversed(self._kept.get(headset, ())):
            if frame.epoch == position.epoch and frame.seq is not None:
                if frame.seq == position.seq:
                    return after[::-1]
                if frame.seq < position.seq:
                    return None  # it claims to have what was never sent
            if when < oldest:
                return None
            after.append(frame)
            if frame.epoch == position.epoch and frame.seq == position.seq + 1:
                return after[::-1]
        return None

    def forget(self, headset: str) -> None:
        """Drop what is kept of a headset that is no longer listed."""
        self._kept.pop(headset, None)
