"""Frames of messages, who waits for them, and what was sent in a few words."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tests.support.messages import prediction, status

from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import (
    Pong,
)
from eeg_emotion.publish.outbox import Outbox


def frame(headset: str = "a", seq: int = 0, epoch: str = "e0") -> Frame:
    return Frame("prediction", headset, prediction(headset, seq, epoch))


def state_frame(headset: str = "a", detail: str = "") -> Frame:
    return Frame("status", headset, status(headset, detail=detail))


def reply_frame() -> Frame:
    return Frame("reply", "", Pong())


def take_all(outbox: Outbox) -> list[Frame]:
    """Return all frames that may be sent now, as a carrier would take them."""
    taken: list[Frame] = []
    while some := outbox.take():
        taken += some
    return taken


def brief(frames: Iterable[Frame]) -> list[str]:
    """Return for each frame what matters here: ``prediction a 3``, ``status b``, ``pong``."""
    reported = []
    for sent in frames:
        message = json.loads(sent.data)
        assert message["type"] == sent.name
        whose = message.get("headset", "")
        if isinstance(whose, dict):
            whose = whose["id"]
        reported.append(" ".join(str(part) for part in (sent.name, whose, message.get("seq", ""))))
    return [text.strip() for text in reported]


class Bell:
    """Counts how often it is called."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1
