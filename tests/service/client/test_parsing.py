"""Messages of a later service: what is not known is passed over, what is wrong is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from eeg_emotion.client.parsing import MessageError, parse
from eeg_emotion.codes import Reason
from eeg_emotion.publish.messages import Detail, Prediction

Predict = Callable[..., Prediction]


def wire(message: Prediction, **changes: Any) -> bytes:
    return json.dumps(json.loads(message.encode()) | changes).encode()


def test_a_message_is_read_as_it_was_written(prediction: Predict) -> None:
    made = prediction(seq=3, reasons=(Reason.GAP,))
    assert parse(made.encode().encode()) == made


def test_later_fields_and_types_are_passed_over(prediction: Predict) -> None:
    assert parse(wire(prediction(), mood={"name": "calm"})) == prediction()
    assert parse(b'{"type":"mood","name":"calm"}') is None


def test_later_reasons_are_passed_over_and_the_known_ones_kept(prediction: Predict) -> None:
    null = {"probability": None, "label": None}
    silent = prediction(valid=False, arousal=null, valence=null)
    known = silent.model_copy(update={"reasons": (Reason.GAP, Reason.STALE)})
    assert parse(wire(silent, reasons=["asleep", "gap", "away", "stale"])) == known
    assert parse(wire(silent, reasons=["asleep"])) == silent


def test_later_faults_and_troubles_are_passed_over() -> None:
    channels = [
        {"label": "Fp1", "score": 0.1, "trouble": "melted"},
        {"label": "Fp2", "score": 0.2, "trouble": "flat"},
    ]
    detail = {
        "type": "detail",
        "headset": "h1",
        "epoch": "e0",
        "seq": 0,
        "window": {"start": 0.0, "end": 5.0},
        "overall": 0.5,
        "faults": ["fire"],
        "interpolated": [],
        "channels": channels,
    }
    found = parse(json.dumps(detail).encode())
    assert isinstance(found, Detail)
    assert found.faults == ()
    assert [channel.trouble for channel in found.channels] == [None, "flat"]


@pytest.mark.parametrize(
    "changes", [{"seq": -1}, {"reasons": ["asleep"], "seq": "one"}, {"window": None}]
)
def test_what_is_wrong_is_an_error(prediction: Predict, changes: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match=r"not part of emotion\.v1\.json \(prediction\."):
        parse(wire(prediction(), **changes))


def test_a_value_that_nothing_can_stand_for_is_an_error() -> None:
    status = {"type": "status", "headset": {"id": "h1", "state": "melted"}}
    with pytest.raises(MessageError):
        parse(json.dumps(status).encode())
