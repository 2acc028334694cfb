"""The messages waiting to be sent to one subscriber. Pure: the transport takes what comes next.

A subscriber that reads slowly gets the newest state, not a growing backlog. Two things hold it
back: the credits of a client that acknowledges, and the socket of any client. Meanwhile, a message
that is still unsent when a newer one of the same kind and headset arrives is dropped and counted;
a change of an alarm is replaced only by a newer one of the same rule. So an outbox holds at most
one message of each kind and headset, and one of each rule, besides the answers to the client's
requests and what the client missed while it was away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.frames import Frame

CREDITS = 32
"""Messages that may be unacknowledged: a client that sleeps finds this many stale ones on waking.
With fewer, a client on a slow network would wait for its own acknowledgements."""

ACK_EVERY = 16
"""How often a client should acknowledge. Half the credits: measured, acknowledging every 16th
costs the server a tenth of a delivery, every single one as much as two."""

_TAKEN_AT_ONCE = 64  # some 25 KB, beyond which the socket is asked whether it takes more
REPLAY_ALLOWANCE = 60
"""Missed predictions sent at once besides the credits: a minute of one headset."""


class AcknowledgeError(EegEmotionError):
    """A client acknowledged more than was sent, or less than before."""


class Outbox:
    """The newest unsent message of each kind and headset, in the order they were published.

    Parameters
    ----------
    wake
        Called when messages become available.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._greeting: Frame | None = None
        self._replies: deque[Frame] = deque()
        self._missed: deque[Frame] = deque()
        self._waiting: dict[tuple[str, ...], Frame] = {}
        self._limit: float = float("inf")
        self._begun = 0
        self._acknowledged = 0
        self._held = False
        self._woken = False
        self.sent = 0
        """Messages taken so far."""
        self.answered = 0
        """Answers among them."""
        self.conflated = 0
        """Messages that were replaced by newer ones."""
        self._reported = 0

    def greet(self, frame: Frame) -> None:
        """Add the welcome, which comes before all other messages and is not counted."""
        self._greeting = frame
        self._ring()

    def put(self, frame: Frame) -> None:
        """Add a message, replacing an older unsent one with the same place."""
        place = frame.place
        # Removed first, so that the newer message goes to the end of the order.
        if self._waiting and self._waiting.pop(place, None) is not None:
            self.conflated += 1
        self._waiting[place] = frame
        if not self._woken:
            self._ring()

    def reply(self, frame: Frame) -> None:
        """Add an answer to the client. It needs no credit, since the client requested it."""
        self._replies.append(frame)
        self._ring()

    def recover(self, frames: Sequence[Frame]) -> None:
        """Add what a subscriber missed, oldest first, before everything that waits.

        It has its own allowance besides the credits: one for all resumptions together, since
        otherwise a client that resumes often would have no limit.
        """
        for place in {frame.place for frame in frames}:
            # A message that is already waiting is older than these.
            if (older := self._waiting.pop(place, None)) is not None:
                self._missed.append(older)
        self._missed.extend(frames)
        most = max(self._begun, self._acknowledged) + CREDITS + REPLAY_ALLOWANCE
        self._limit = max(self._limit, min(self._limit + len(frames), most))
        self._ring()

    def drop(self, headset: str) -> None:
        """Drop the pending messages of a headset that is no longer subscribed to."""
        for place in [place for place in self._waiting if place[1] == headset]:
            del self._waiting[place]
        if self._missed:
            self._missed = deque(frame for frame in self._missed if frame.headset != headset)

    def use_credits(self) -> None:
        """From now on, send no more than the client's acknowledgements allow."""
        self._begun = self.sent
        self._limit = self.sent + CREDITS

    def acknowledge(self, received: int) -> bool:
        """Record that the client has processed `received` messages since the welcome.

        Returns
        -------
        Whether that is more than the client acknowledged before.

        Raises
        ------
        AcknowledgeError
            If it is more than were sent, or less than before.
        """
        if not self._acknowledged <= received <= self.sent:
            raise AcknowledgeError(
                f"found an acknowledgement of {received} messages, expected from "
                f"{self._acknowledged}, the last, to {self.sent}, the messages sent; count each "
                "message after the welcome once"
            )
        news = received > self._acknowledged
        self._acknowledged = received
        self._limit = max(self._limit, received + CREDITS)
        self._ring()
        return news

    def hold(self) -> None:
        """Stop releasing messages, because the socket accepts no more."""
        self._held = True

    def release(self) -> None:
        """Resume releasing messages, because the socket has sent enough."""
        self._held = False
        self._ring()

    @property
    def unanswered(self) -> int:
        """The number of pending answers."""
        return len(self._replies)

    @property
    def blocked(self) -> bool:
        """Return whether messages are pending that cannot be sent to the subscriber now."""
        if self._held:
            return bool(self._waiting or self._missed or self._replies or self._greeting)
        return self.sent >= self._limit and bool(self._waiting or self._missed)

    @property
    def progress(self) -> int:
        """A number that changes whenever the subscriber receives or acknowledges a message."""
        return self.sent + self._acknowledged

    def take(self) -> list[Frame]:
        """Remove and return what may be sent now: answers, then missed messages, then the newest.

        If there is much, this is only part of it, and `wake` is called for the rest.
        """
        self._woken = False
        if self._held:
            return []
        taken: list[Frame] = []
        while self._replies and len(taken) < _TAKEN_AT_ONCE:
            taken.append(self._replies.popleft())
        self.answered += len(taken)
        room = int(min(self._limit - self.sent, _TAKEN_AT_ONCE)) - len(taken)
        while self._missed and room > 0:
            taken.append(self._missed.popleft())
            room -= 1
        if self._waiting and room > 0:
            if room >= len(self._waiting):
                taken.extend(self._waiting.values())
                self._waiting.clear()
            else:
                places = list(islice(self._waiting, room))
                taken.extend(self._waiting.pop(place) for place in places)
        self.sent += len(taken)
        if self._greeting is not None:
            taken.insert(0, self._greeting)
            self._greeting = None
        self._ring()
        return taken

    def newly_conflated(self) -> int:
        """Return the number of messages that were replaced since the last call."""
        new, self._reported = self.conflated - self._reported, self.conflated
        return new

    def _ring(self) -> None:
        if self._woken or self._held:
            return
        if (
            self._greeting
            or self._replies
            or ((self._waiting or self._missed) and self.sent < self._limit)
        ):
            self._woken = True
            self._wake()
