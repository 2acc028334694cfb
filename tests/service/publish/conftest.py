"""Frames and messages to be published, and who listens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from eeg_emotion.codes import State
from eeg_emotion.eeg.quality import Fault
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    Detail,
    Headset,
    Latency,
    Pong,
    Prediction,
    Score,
    Status,
    WindowSpan,
)
from eeg_emotion.publish.outbox import Outbox


def prediction(headset: str = "a", seq: int = 0, epoch: str = "e0", **changes: Any) -> Prediction:
    score = Score(probability=0.75, label="high")
    values: dict[str, Any] = {
        "headset": headset,
        "epoch": epoch,
        "seq": seq,
        "window": WindowSpan(start=1e9 + seq, end=1e9 + seq + 5),
        "arousal": score,
        "valence": score,
        "valid": True,
        "reasons": (),
        "quality": 1.0,
        "latency_ms": Latency(
            resampler=0.0, filter=60.0, arrival=70.0, path=2.0, inference=1.0, total=73.0
        ),
        "model": "demo-simulated 1",
    }
    return Prediction(**values | changes)


def status(headset: str = "a", state: State = State.LIVE, detail: str = "") -> Status:
    return Status(
        headset=Headset(
            id=headset,
            name=headset,
            state=state,
            detail=detail,
            simulated=True,
            epoch="e0",
            sfreq=128.0,
        )
    )


def baseline(
    headset: str = "a",
    clean_seconds: int = 0,
    state: BaselineState = BaselineState.COLLECTING,
    profile: str | None = "p07",
) -> Baseline:
    return Baseline(
        headset=headset,
        state=state,
        profile=profile,
        seconds=60,
        clean_seconds=clean_seconds,
        refused={},
        detail=f"{clean_seconds} s",
        before=None,
        after=None,
    )


def detail(headset: str = "a", seq: int = 0) -> Detail:
    return Detail(
        headset=headset,
        epoch="e0",
        seq=seq,
        window=WindowSpan(start=1e9 + seq, end=1e9 + seq + 5),
        overall=0.3,
        faults=(Fault.POOR_CONTACT,),
        interpolated=(),
        channels=(),
    )


def frame(headset: str = "a", seq: int = 0, epoch: str = "e0") -> Frame:
    return Frame("prediction", headset, prediction(headset, seq, epoch))


def state_frame(headset: str = "a", detail: str = "") -> Frame:
    return Frame("status", headset, status(headset, detail=detail))


def reply_frame() -> Frame:
    return Frame("reply", "", Pong())


def take_all(outbox: Outbox) -> list[Frame]:
    """Return everything that may be taken, as the transport takes it."""
    taken: list[Frame] = []
    while some := outbox.take():
        taken += some
    return taken


def brief(frames: Iterable[Frame]) -> list[str]:
    """Describe each frame briefly: ``prediction a 3``, ``status b``, ``pong``."""
    reported = []
    for sent in frames:
        message = json.loads(sent.data)
        assert message["type"] == sent.name
        whose = message.get("headset", "")
        if isinstance(whose, dict):
            whose = whose["id"]
        reported.append(" ".join(str(part) for part in (sent.name, whose, message.get("seq", ""))))
    return [text.strip() for text in reported]


class FakeClock:
    """Time that only a test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Bell:
    """Counts how often it rings."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bell() -> Callable[[], None]:
    return Bell()
