"""One message of each kind, as the protocol's documents show them."""

from __future__ import annotations

from pydantic import SecretStr

from eeg_emotion.codes import Check, Purpose, Reason, State, Trouble
from eeg_emotion.inference.contract import Calibration
from eeg_emotion.publish.alarms import Alarm, AlarmChange, Evidence, Severity
from eeg_emotion.publish.history import RESUME_SECONDS
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    CalibrationFigures,
    ChannelQuality,
    Detail,
    GoingAway,
    Headset,
    Latency,
    Marker,
    ModelCard,
    Pong,
    Prediction,
    Refused,
    Score,
    Status,
    Subscribed,
    TypedMessage,
    Welcome,
    WindowSpan,
)
from eeg_emotion.publish.outbox import ACK_EVERY, CREDITS
from eeg_emotion.publish.requests import (
    MAX_SUBSCRIPTIONS,
    Ack,
    Hello,
    Ping,
    Request,
    Resume,
    Subscribe,
    Unsubscribe,
)

_ID = "biosemi-1234"
_EPOCH = "9f1c2a7be4d05386"
_MODEL = "demo-simulated 1"
_ALARM = "5b0c1e9a6f0d4c7f8a2b3c4d5e6f7081"
_CHANNELS = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")
_WINDOW = WindowSpan(start=1795416120.0, end=1795416124.992)

_HEADSET = Headset(
    id=_ID,
    name="BioSemi",
    state=State.LIVE,
    detail="6 of 6 channels measured in µV, as stated",
    check=Check.ACCEPTED,
    simulated=False,
    epoch=_EPOCH,
    sfreq=512.0,
    sfreq_measured=511.99,
    unit="µV, as stated",
    channels_used=_CHANNELS,
    samples_received=245_760,
)

_PREDICTION = Prediction(
    headset=_ID,
    epoch=_EPOCH,
    seq=41,
    window=_WINDOW,
    arousal=Score(probability=0.82, label="high"),
    valence=Score(probability=0.46, label="unsure"),
    valid=True,
    reasons=(),
    quality=0.97,
    latency_ms=Latency(
        resampler=0.0, filter=61.2, arrival=9.5, path=1.2, inference=0.6, total=11.3
    ),
    model=_MODEL,
)

_NO_SCORE = Score(probability=None, label=None)

_UNSCORED = _PREDICTION.model_copy(
    update={
        "seq": 42,
        "window": WindowSpan(start=_WINDOW.start + 1, end=_WINDOW.end + 1),
        "arousal": _NO_SCORE,
        "valence": _NO_SCORE,
        "valid": False,
        "reasons": (Reason.POOR_CONTACT,),
        "quality": 0.31,
    }
)

_CALIBRATION = {
    "arousal": Calibration(
        temperature=1.44,
        unsure=(0.39, 0.61),
        windows=960,
        people=2,
        ece_before=0.074,
        ece_after=0.077,
    ),
    "valence": Calibration(
        temperature=1.3,
        unsure=(0.38, 0.62),
        windows=960,
        people=2,
        ece_before=0.089,
        ece_after=0.088,
    ),
}

_CARD = ModelCard(
    name="demo-simulated",
    version="1",
    sha256="3dbeff1d40387204d7f84a814075ba834a26a98bc9b1698560c1678b98668ff9",
    simulated=True,
    trained_on="simulated people in DEAP's format, 10 people, 4800 windows",
    held_out={"arousal": "balanced accuracy 0.885", "valence": "balanced accuracy 0.832"},
    calibration={target: each.describe() for target, each in _CALIBRATION.items()},
    calibration_figures={
        target: CalibrationFigures(**each.model_dump()) for target, each in _CALIBRATION.items()
    },
    label_rule="high = rating > 5.0, a tie is low",
    targets=("arousal", "valence"),
    channels=_CHANNELS,
    sfreq=128.0,
    window_seconds=5.0,
    hop_seconds=1.0,
    settle_seconds=3.0,
    representation="bands",
    normaliser="training",
)

MESSAGES: tuple[TypedMessage, ...] = (
    Welcome(
        service="eeg-emotion 0.1.0",
        purpose=Purpose.RESEARCH,
        justification=None,
        subject="wallboard",
        scopes=("read:biosemi-*",),
        credits=CREDITS,
        ack_every=ACK_EVERY,
        heartbeat_seconds=20.0,
        resume_seconds=RESUME_SECONDS,
        max_subscriptions=MAX_SUBSCRIPTIONS,
        model=_CARD,
        headsets=(_HEADSET,),
    ),
    Subscribed(headset=_ID, recovered=True, missed=3),
    Refused(
        headset="ward-7",
        reason="not_allowed",
        detail="found no scope for the headset 'ward-7', expected read:ward-7",
    ),
    Status(headset=_HEADSET),
    _PREDICTION,
    _UNSCORED,
    Detail(
        headset=_ID,
        epoch=_EPOCH,
        window=_WINDOW,
        overall=0.97,
        faults=(),
        interpolated=("O1",),
        channels=(
            ChannelQuality(label="Fp1", score=0.99, trouble=None),
            ChannelQuality(label="O1", score=0.0, trouble=Trouble.RAILED),
        ),
        seq=41,
    ),
    Baseline(
        headset=_ID,
        state=BaselineState.COLLECTING,
        profile="p-07",
        seconds=60,
        clean_seconds=22,
        refused={"poor_contact": 3},
        detail="22 of 60 s of clean rest; not counted: 3 s poor contact",
        before=None,
        after=None,
    ),
    Alarm(
        id=f"{_ALARM}.raised",
        alarm=_ALARM,
        headset=_ID,
        rule="driver-takeover",
        rule_digest="0b6f8d6c1f8d2e4f3a7c9b5d1e2f4a68",
        severity=Severity.CRITICAL,
        text="High arousal and low valence: hand control to the car.",
        change=AlarmChange.RAISED,
        time=_WINDOW.end,
        by=None,
        note=None,
        evidence=Evidence(
            state=State.LIVE,
            epoch=_EPOCH,
            seq=41,
            arousal=0.82,
            valence=0.21,
            quality=0.97,
            reasons=(),
        ),
        simulated=False,
    ),
    Marker(
        headset=_ID,
        time=_WINDOW.start,
        text="trial 7",
        ratings={"valence": 7.04, "arousal": 6.1},
    ),
    Pong(),
    GoingAway(reconnect_after_ms=3180),
)
"""From the service; at least one of each type."""

REQUESTS: tuple[Request, ...] = (
    Hello(
        type="hello",
        token=SecretStr("eeg_wallboard_…"),
        acknowledges=True,
        subscribe=(_ID,),
        resume={_ID: Resume(epoch=_EPOCH, seq=38)},
    ),
    Subscribe(type="subscribe", headsets=("ward-7",), detail=("ward-7",)),
    Unsubscribe(type="unsubscribe", headsets=(_ID,)),
    Ack(type="ack", received=16),
    Ping(type="ping"),
)
"""From the client, one of each type."""
