"""Messages as the service publishes them, to be changed in what matters to a test."""

from __future__ import annotations

from typing import Any

from eeg_emotion.codes import Reason, State
from eeg_emotion.publish.alarms import Alarm, AlarmChange, Severity
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    Detail,
    Headset,
    Latency,
    Prediction,
    Score,
    Status,
    WindowSpan,
)


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
        faults=(Reason.POOR_CONTACT,),
        interpolated=(),
        channels=(),
    )


def alarm(
    alarm: str = "a1",
    change: AlarmChange = AlarmChange.RAISED,
    *,
    headset: str = "ward-1",
    time: float = 100.0,
    by: str | None = None,
) -> Alarm:
    return Alarm(
        id=f"{alarm}.{change}",
        alarm=alarm,
        headset=headset,
        rule="excited",
        severity=Severity.WARNING,
        text="Excited – by the estimate",
        change=change,
        time=time,
        by=by,
        note=None,
        evidence=None,
        simulated=True,
    )
