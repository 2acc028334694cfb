from __future__ import annotations

from eeg_emotion.publish.outbox import Outbox


class Bell:
    """Counts how often it rings."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1


def outbox() -> Outbox:
    return Outbox(Bell())


def test_messages_are_taken_in_the_order_they_were_put():
    box = outbox()
    box.put("status", "b", "1")
    box.put("prediction", "a", "2")
    box.put("prediction", "b", "3")
    assert box.take() == ["1", "2", "3"]


def test_what_was_taken_is_gone():
    box = outbox()
    box.put("status", "a", "1")
    box.take()
    assert box.take() == []
    box.put("status", "a", "2")
    assert box.take() == ["2"]
    assert box.conflated == 0


def test_a_newer_message_replaces_an_unsent_one_of_its_kind_and_headset_and_is_counted():
    box = outbox()
    for number in range(5):
        box.put("prediction", "a", f"p{number}")
    assert box.take() == ["p4"]
    assert box.conflated == 4


def test_other_kinds_and_other_headsets_are_left_alone():
    box = outbox()
    box.put("prediction", "a", "pa")
    box.put("status", "a", "sa")
    box.put("prediction", "b", "pb")
    box.put("going_away", "", "ga")
    assert box.take() == ["pa", "sa", "pb", "ga"]
    assert box.conflated == 0


def test_a_replacement_takes_the_place_of_its_own_time():
    box = outbox()
    box.put("prediction", "a", "old")
    box.put("status", "a", "lost")
    box.put("prediction", "a", "new")
    assert box.take() == ["lost", "new"]


def test_a_reader_that_never_reads_costs_three_messages_a_headset():
    box = outbox()
    for number in range(1000):
        for headset in ("a", "b", "c"):
            box.put("prediction", headset, f"p{number}")
            box.put("status", headset, f"s{number}")
            box.put("baseline", headset, f"b{number}")
    assert box.take() == ["p999", "s999", "b999"] * 3
    assert box.conflated == 999 * 9


def test_every_message_and_the_end_wake_the_reader():
    bell = Bell()
    box = Outbox(bell)
    assert bell.rung == 0
    box.put("prediction", "a", "1")
    box.put("prediction", "a", "2")
    assert bell.rung == 2
    box.close()
    assert bell.rung == 3


def test_the_message_is_there_when_the_reader_wakes():
    seen: list[list[str]] = []
    box = Outbox(lambda: seen.append(box.take()))
    box.put("status", "a", "1")
    assert seen == [["1"]]


def test_what_waits_may_still_be_taken_after_the_end():
    box = outbox()
    box.put("going_away", "", "bye")
    assert not box.closed
    box.close()
    assert box.closed
    assert box.take() == ["bye"]
