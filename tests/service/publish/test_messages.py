from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest
from pydantic import ValidationError

from eeg_emotion.codes import FAULTS, Check, Purpose, Reason, State, Trouble
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import (
    PROTOCOL,
    Baseline,
    BaselineState,
    ChannelQuality,
    Detail,
    GoingAway,
    Headset,
    Latency,
    ModelCard,
    Pong,
    Prediction,
    Quality,
    Refused,
    Score,
    Status,
    Subscribed,
    Welcome,
    WindowSpan,
)

START = 1_700_000_000.123456


def strict(text: str) -> Any:
    """Parse JSON as the standard has it; Python's own reader takes NaN for a number."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def latency(**changes: float) -> Latency:
    stated = {"resampler": 148.438, "filter": 61.2, "arrival": 12.345, "path": 1.234}
    return Latency(**{**stated, "inference": 0.567, "total": 14.146, **changes})


def prediction(**changes: Any) -> Prediction:
    stated: dict[str, Any] = {
        "headset": "biosemi-active-two-1234",
        "epoch": "0123456789abcdef",
        "seq": 86400,
        "window": WindowSpan(start=START, end=START + 4.9921875),
        "arousal": Score(probability=0.712345, label="high"),
        "valence": Score(probability=0.412345, label="low"),
        "valid": True,
        "reasons": (),
        "quality": 0.9531,
        "latency_ms": latency(),
        "model": "demo-simulated 1",
    }
    return Prediction(**{**stated, **changes})


def headset(**changes: Any) -> Headset:
    stated: dict[str, Any] = {
        "id": "a",
        "name": "A",
        "state": State.LIVE,
        "detail": "d",
        "simulated": True,
        "epoch": None,
        "sfreq": 128.0,
    }
    return Headset(**{**stated, **changes})


def welcome() -> Welcome:
    card = ModelCard(
        name="m", version="1", sha256="0" * 64, simulated=True, trained_on="made up",
        held_out={"arousal": "0.7"}, calibration={"arousal": "temperature 1.30"},
        label_rule="above 5", targets=("arousal",), channels=("Cz",), sfreq=128.0,
        window_seconds=5.0, hop_seconds=1.0, settle_seconds=3.0,
        representation="bands", normaliser="rest-baseline",
    )  # fmt: skip
    return Welcome(
        service="0.1.0", purpose=Purpose.SAFETY, justification=None, subject="wallboard",
        scopes=("read:*",), credits=32, ack_every=16, heartbeat_seconds=20.0, resume_seconds=60.0,
        max_subscriptions=256, model=card, headsets=(headset(),),
    )  # fmt: skip


def baseline(**changes: Any) -> Baseline:
    stated: dict[str, Any] = {
        "headset": "a",
        "state": BaselineState.COLLECTING,
        "profile": "person-7f3a2c",
        "seconds": 60,
        "clean_seconds": 12,
        "refused": {"warming_up": 3},
        "detail": "d",
        "before": None,
        "after": None,
    }
    return Baseline(**{**stated, **changes})


def quality(**changes: Any) -> Quality:
    stated: dict[str, Any] = {
        "headset": "a",
        "epoch": "0123456789abcdef",
        "window": WindowSpan(start=START, end=START + 5),
        "overall": 0.5,
        "faults": (),
        "interpolated": (),
        "channels": (ChannelQuality(label="Cz", score=1.0, trouble=None),),
    }
    return Quality(**{**stated, **changes})


@pytest.mark.parametrize(
    "message",
    [
        prediction(),
        baseline(),
        baseline(state=BaselineState.APPLIED, before=prediction(), after=prediction(seq=3)),
        prediction(
            arousal=Score(probability=None, label=None),
            valence=Score(probability=None, label=None),
            valid=False,
            reasons=(Reason.GAP, Reason.WARMING_UP),
            interpolated=("Cz", "O1"),
        ),
        Status(headset=headset(dropped=("EXG1",), gaps=3)),
        Status(
            headset=headset(
                check=Check.INTERPOLATED,
                changes=("rate 128 Hz, now 250 Hz", "channels removed: Cz"),
                sfreq_measured=249.98,
                unit="mV, inferred from its amplitude of 0.012 mV",
                interpolated=("Cz",),
            )
        ),
        welcome(),
        GoingAway(reconnect_after_ms=500),
        Subscribed(headset="a", recovered=True, missed=3),
        Refused(headset="a", reason="not_allowed", detail="d"),
        Pong(),
        Detail(**dict(quality()), seq=3),
    ],
    ids=lambda message: message.type,
)
def test_a_message_survives_the_way_over_the_wire(message: Message) -> None:
    text = message.encode()
    assert type(message).model_validate_json(text) == message
    assert strict(text) == message.model_dump(mode="json")
    assert "\n" not in text


@pytest.mark.parametrize("trouble", [None, *Trouble])
@pytest.mark.parametrize("faults", [(), FAULTS])
def test_a_quality_survives_the_way_over_the_wire(
    trouble: Trouble | None, faults: tuple[Reason, ...]
) -> None:
    channel = ChannelQuality(label="Cz", score=0.25, trouble=trouble)
    message = quality(faults=faults, interpolated=("Cz",), channels=(channel,))
    text = message.encode()
    assert Quality.model_validate_json(text) == message
    assert strict(text) == message.model_dump(mode="json")


@pytest.mark.parametrize("value", [float("nan"), -0.001, 1.001])
def test_an_impossible_score_of_a_channel_is_never_made_into_a_message(value: float) -> None:
    with pytest.raises(ValidationError, match="score"):
        ChannelQuality(label="Cz", score=value, trouble=None)
    with pytest.raises(ValidationError, match="overall"):
        quality(overall=value)


def test_a_headset_of_which_nothing_is_known_yet_says_so() -> None:
    sent = strict(Status(headset=headset()).encode())["headset"]
    assert (sent["check"], sent["sfreq_measured"], sent["unit"]) == (None, None, None)
    assert sent["changes"] == []


def test_a_prediction_keeps_the_microseconds_of_its_window() -> None:
    sent = strict(prediction().encode())["window"]
    assert sent["start"] == START
    assert sent["end"] - sent["start"] == pytest.approx(4.9921875, abs=1e-6)


def test_each_message_names_its_kind() -> None:
    kinds = {
        strict(message.encode())["type"]
        for message in (
            prediction(),
            Status(headset=headset()),
            baseline(),
            welcome(),
            GoingAway(reconnect_after_ms=1),
            Pong(),
        )
    }
    assert kinds == {"prediction", "status", "baseline", "welcome", "going_away", "pong"}
    assert strict(welcome().encode())["protocol"] == PROTOCOL


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_not_finite_are_written_as_null(value: float) -> None:
    text = prediction(
        window=WindowSpan(start=value, end=START), latency_ms=latency(arrival=value)
    ).encode()
    sent = strict(text)
    assert sent["window"] == {"start": None, "end": START}
    assert sent["latency_ms"]["arrival"] is None
    assert sent["latency_ms"]["path"] == latency().path


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.001, 1.001])
def test_an_impossible_probability_or_quality_is_never_made_into_a_message(value: float) -> None:
    with pytest.raises(ValidationError, match="probability"):
        Score(probability=value, label="high")
    with pytest.raises(ValidationError, match="quality"):
        prediction(quality=value)


def test_a_score_is_null_and_not_left_out() -> None:
    sent = strict(prediction(arousal=Score(probability=None, label=None)).encode())
    assert sent["arousal"] == {"probability": None, "label": None}


def test_a_predictions_frame_is_small() -> None:
    text = prediction().encode()
    assert 400 <= len(text.encode()) <= 700
    every_reason = prediction(
        valid=False, reasons=tuple(Reason), interpolated=("AF3", "AF4", "PO3", "CP5") * 3
    )
    assert len(every_reason.encode().encode()) <= 1000


def test_a_message_cannot_be_changed_and_takes_no_unknown_field() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        prediction().seq = 3  # type: ignore[misc]  # that it is refused is the test
    with pytest.raises(ValidationError, match="surprise"):
        prediction(surprise=1)
    with pytest.raises(ValidationError, match="seq"):
        prediction(seq=-1)


def test_names_in_any_script_are_sent_as_they_are() -> None:
    sent = strict(Status(headset=headset(name='Anna "Ä" 脳波\n')).encode())
    assert sent["headset"]["name"] == 'Anna "Ä" 脳波\n'
