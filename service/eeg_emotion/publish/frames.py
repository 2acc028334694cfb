"""A message as it is sent: encoded once, the same bytes for every subscriber."""

from __future__ import annotations

from copy import copy
from typing import Literal, Self

from eeg_emotion.publish.alarms import Alarm
from eeg_emotion.publish.messages import Prediction, TypedMessage

Kind = Literal["prediction", "status", "baseline", "detail", "alarm", "marker", "reply"]


class Frame:
    """One encoded message.

    Attributes
    ----------
    kind, headset
        The kind of message, and its headset.
    place
        A newer message with the same place replaces an unsent one: the kind and the headset, and
        for an alarm also the rule.
    name
        The message's `type`.
    data
        The JSON, UTF-8.
    epoch, seq
        A prediction's position; None for other messages.
    window_end
        When the last sample of a new prediction was taken, Unix seconds; None for other messages.
    packed
        A transport's encoding, cached.
    """

    __slots__ = (
        "data",
        "epoch",
        "headset",
        "kind",
        "name",
        "packed",
        "place",
        "seq",
        "window_end",
    )

    def __init__(self, kind: Kind, headset: str, message: TypedMessage) -> None:
        self.kind = kind
        self.name = message.type
        self.headset = headset
        rule = (message.rule,) if isinstance(message, Alarm) else ()
        self.place: tuple[str, ...] = (kind, headset, *rule)
        self.data = message.encode().encode()
        self.epoch: str | None = None
        self.seq: int | None = None
        self.window_end: float | None = None
        self.packed: bytes | None = None
        if isinstance(message, Prediction):
            self.epoch, self.seq = message.epoch, message.seq
            self.window_end = message.window.end

    def as_past(self) -> Self:
        """Return the same message for late delivery: its age does not count as latency."""
        past = copy(self)
        past.window_end = None
        return past
