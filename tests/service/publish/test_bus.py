from __future__ import annotations

import json

from eeg_emotion.headset.link import State
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import (
    Baseline,
    BaselineState,
    GoingAway,
    Headset,
    Latency,
    Prediction,
    Score,
    Status,
    WindowSpan,
)
from eeg_emotion.publish.outbox import Outbox


def prediction(headset: str, seq: int, *, valid: bool = True) -> Prediction:
    score = Score(probability=0.7, label="high") if valid else Score(probability=None, label=None)
    return Prediction(
        headset=headset,
        epoch="e",
        seq=seq,
        window=WindowSpan(start=float(seq), end=seq + 5.0),
        arousal=score,
        valence=score,
        valid=valid,
        reasons=(),
        quality=1.0,
        latency_ms=Latency(
            resampler=0.0, filter=0.0, arrival=0.0, path=0.0, inference=0.0, total=0.0
        ),
        model="m 1",
    )


def status(headset: str, state: State = State.LIVE) -> Status:
    return Status(
        headset=Headset(
            id=headset, name="H", state=state, detail="", simulated=True, epoch=None, sfreq=128.0
        )
    )


def baseline(headset: str, clean_seconds: int) -> Baseline:
    return Baseline(
        headset=headset, state=BaselineState.COLLECTING, profile="p07", seconds=60,
        clean_seconds=clean_seconds, refused={}, detail="", before=None, after=None,
    )  # fmt: skip


def ignore() -> None:
    """Take no notice."""


def received(outbox: Outbox) -> list[tuple[str, int | None]]:
    sent = [json.loads(text) for text in outbox.take()]
    return [(message["type"], message.get("seq")) for message in sent]


def test_every_subscriber_gets_every_message():
    bus = Bus()
    outboxes = [bus.subscribe(ignore) for _ in range(3)]
    bus.publish(status("a"))
    bus.publish(prediction("a", 0))
    for outbox in outboxes:
        assert received(outbox) == [("status", None), ("prediction", 0)]


def test_of_a_baseline_each_headsets_newest_is_sent_and_takes_no_other_messages_place():
    bus = Bus()
    outbox = bus.subscribe(ignore)
    bus.publish(prediction("a", 0))
    for clean_seconds in (1, 2):
        bus.publish(baseline("a", clean_seconds))
    bus.publish(baseline("b", 7))
    sent = [json.loads(text) for text in outbox.take()]
    assert [(m["type"], m["headset"], m.get("clean_seconds")) for m in sent] == [
        ("prediction", "a", None), ("baseline", "a", 2), ("baseline", "b", 7),
    ]  # fmt: skip
    assert bus.last_prediction("a").seq == 0


def test_a_message_is_encoded_once_for_all():
    bus = Bus()
    one, other = bus.subscribe(ignore), bus.subscribe(ignore)
    bus.publish(prediction("a", 0))
    assert one.take()[0] is other.take()[0]


def test_a_subscriber_gets_what_comes_after_it_came_and_nothing_after_it_left():
    bus = Bus()
    bus.publish(prediction("a", 0))
    outbox = bus.subscribe(ignore)
    bus.publish(prediction("a", 1))
    assert received(outbox) == [("prediction", 1)]
    bus.unsubscribe(outbox)
    bus.publish(prediction("a", 2))
    assert received(outbox) == []


def test_a_slow_subscriber_does_not_hold_up_a_quick_one():
    bus = Bus()
    slow, quick = bus.subscribe(ignore), bus.subscribe(ignore)
    for seq in range(4):
        bus.publish(prediction("a", seq))
        assert received(quick) == [("prediction", seq)]
    assert received(slow) == [("prediction", 3)]
    assert (slow.conflated, quick.conflated) == (3, 0)


def test_headsets_do_not_replace_each_others_messages():
    bus = Bus()
    outbox = bus.subscribe(ignore)
    for headset in ("a", "b"):
        bus.publish(prediction(headset, 0))
        bus.publish(status(headset, State.STALE))
    assert len(outbox.take()) == 4
    assert outbox.conflated == 0


def test_a_newer_status_replaces_an_unsent_one_of_the_same_headset():
    bus = Bus()
    outbox = bus.subscribe(ignore)
    for state in (State.LIVE, State.STALE, State.LOST):
        bus.publish(status("a", state))
    (text,) = outbox.take()
    assert json.loads(text)["headset"]["state"] == "lost"


def test_the_last_prediction_is_kept_for_each_headset_valid_or_not():
    bus = Bus()
    assert bus.last_prediction("a") is None
    bus.publish(prediction("a", 0))
    bus.publish(prediction("b", 7))
    invalid = prediction("a", 1, valid=False)
    bus.publish(invalid)
    bus.publish(status("a"))
    assert bus.last_prediction("a") is invalid
    kept = bus.last_prediction("b")
    assert kept is not None
    assert kept.seq == 7


def test_open_outboxes_are_counted():
    bus = Bus()
    one, other = bus.subscribe(ignore), bus.subscribe(ignore)
    assert bus.subscribers == 2
    bus.unsubscribe(one)
    bus.unsubscribe(one)
    assert bus.subscribers == 1
    bus.unsubscribe(other)
    assert bus.subscribers == 0


def test_closing_wakes_everyone_and_leaves_the_farewell_to_be_taken():
    bus, woken = Bus(), []
    outboxes = [bus.subscribe(lambda name=name: woken.append(name)) for name in ("one", "other")]
    bus.publish(GoingAway(reconnect_after_ms=500))
    woken.clear()
    bus.close(ignore)
    assert sorted(woken) == ["one", "other"]
    for outbox in outboxes:
        assert outbox.closed
        assert received(outbox) == [("going_away", None)]


def test_the_last_to_leave_a_closed_bus_is_told_of():
    bus, gone = Bus(), []
    one, other = bus.subscribe(ignore), bus.subscribe(ignore)
    bus.close(lambda: gone.append(True))
    bus.unsubscribe(one)
    assert gone == []
    bus.unsubscribe(other)
    assert gone == [True]


def test_closing_a_bus_without_subscribers_is_told_of_at_once():
    gone: list[bool] = []
    Bus().close(lambda: gone.append(True))
    assert gone == [True]


def test_an_open_bus_whose_last_subscriber_leaves_goes_on():
    bus = Bus()
    bus.unsubscribe(bus.subscribe(ignore))
    outbox = bus.subscribe(ignore)
    bus.publish(prediction("a", 0))
    assert received(outbox) == [("prediction", 0)]


def test_one_who_comes_to_a_closed_bus_finds_a_closed_outbox():
    bus = Bus()
    bus.close(ignore)
    assert bus.subscribe(ignore).closed
