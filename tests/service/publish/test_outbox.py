from __future__ import annotations

import pytest
from tests.support.frames import Bell, brief, frame, reply_frame, state_frame, take_all
from tests.support.messages import baseline, detail

from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.outbox import CREDITS, AcknowledgeError, Outbox

ALLOWANCE = 60


@pytest.fixture
def box(bell: Bell) -> Outbox:
    return Outbox(bell)


def spend(box: Outbox, count: int, first: int = 0) -> list[str]:
    """Put predictions one by one, each taken at once as far as it may be."""
    taken: list[Frame] = []
    for seq in range(first, first + count):
        box.put(frame("a", seq))
        taken += box.take()
    return brief(taken)


def seqs(*numbers: int) -> list[str]:
    return [f"prediction a {number}" for number in numbers]


# Conflation


def test_messages_are_taken_in_the_order_they_were_put(box: Outbox) -> None:
    for put in (state_frame("b"), frame("a", 2), frame("b", 3)):
        box.put(put)
    assert brief(box.take()) == ["status b", "prediction a 2", "prediction b 3"]
    assert box.sent == 3


def test_what_was_taken_is_gone_and_not_conflated(box: Outbox) -> None:
    box.put(frame("a", 0))
    box.take()
    assert box.take() == []
    box.put(frame("a", 1))
    assert brief(box.take()) == seqs(1)
    assert box.conflated == 0


def test_a_newer_message_replaces_an_unsent_one_of_its_kind_and_headset_and_is_counted(
    box: Outbox,
) -> None:
    for seq in range(5):
        box.put(frame("a", seq))
    assert brief(box.take()) == seqs(4)
    assert box.conflated == 4


def test_other_kinds_and_other_headsets_are_left_alone(box: Outbox) -> None:
    for put in (
        frame("a", 0),
        state_frame("a"),
        Frame("baseline", "a", baseline()),
        Frame("detail", "a", detail()),
        frame("b", 0),
    ):
        box.put(put)
    assert brief(box.take()) == [
        "prediction a 0", "status a", "baseline a", "detail a 0", "prediction b 0",
    ]  # fmt: skip
    assert box.conflated == 0


def test_a_replacement_takes_the_place_of_its_own_time(box: Outbox) -> None:
    for put in (frame("a", 0), state_frame("a"), frame("a", 1)):
        box.put(put)
    assert brief(box.take()) == ["status a", "prediction a 1"]


def test_what_was_conflated_since_the_last_look_is_reported_once(box: Outbox) -> None:
    for seq in range(3):
        box.put(frame("a", seq))
    assert (box.newly_conflated(), box.newly_conflated()) == (2, 0)
    box.put(frame("a", 3))
    assert (box.newly_conflated(), box.conflated) == (1, 3)


def test_what_waits_of_a_headset_can_be_dropped_and_of_no_other(box: Outbox) -> None:
    box.hold()
    box.recover([frame("a", 0), frame("b", 0)])
    for put in (frame("a", 1), state_frame("a"), frame("b", 1)):
        box.put(put)
    box.drop("a")
    box.release()
    assert brief(box.take()) == ["prediction b 0", "prediction b 1"]


# Order


def test_greeting_answers_missed_and_newest_come_in_this_order(box: Outbox) -> None:
    box.put(state_frame("a"))
    box.recover([frame("a", 0), frame("a", 1)])
    box.reply(reply_frame())
    box.greet(reply_frame())
    assert brief(box.take()) == ["pong", "pong", *seqs(0, 1), "status a"]
    assert (box.sent, box.answered) == (4, 1), "the greeting is not counted"


def test_the_newest_wait_until_all_that_was_missed_is_sent(box: Outbox) -> None:
    box.use_credits()
    box.recover([frame("a", seq) for seq in range(100)])
    box.put(frame("a", 100))
    assert brief(take_all(box)) == seqs(*range(CREDITS + ALLOWANCE))
    assert box.take() == []
    box.acknowledge(CREDITS + ALLOWANCE)
    assert brief(box.take()) == seqs(*range(CREDITS + ALLOWANCE, 101))


def test_what_waits_already_is_older_than_what_was_missed_after_it(box: Outbox) -> None:
    box.put(frame("a", 0))
    box.put(frame("b", 7))
    box.recover([frame("a", 1), frame("a", 2)])
    box.put(frame("a", 3))
    assert brief(box.take()) == [*seqs(0, 1, 2), "prediction b 7", *seqs(3)]
    assert box.conflated == 0


# Credits


def test_no_more_than_the_credits_are_sent_unacknowledged_and_then_the_newest(box: Outbox) -> None:
    box.use_credits()
    assert spend(box, 50) == seqs(*range(CREDITS))
    assert box.conflated == 50 - CREDITS - 1
    assert box.acknowledge(CREDITS)
    assert brief(box.take()) == seqs(49)


def test_an_acknowledgement_of_some_gives_credit_for_as_many(box: Outbox) -> None:
    box.use_credits()
    spend(box, CREDITS)
    box.acknowledge(5)
    assert len(spend(box, 20, first=CREDITS)) == 5


def test_of_more_headsets_than_credits_the_oldest_news_are_sent_first(box: Outbox) -> None:
    box.use_credits()
    for number in range(CREDITS + 3):
        box.put(frame(f"h{number}"))
    assert brief(box.take()) == [f"prediction h{number} 0" for number in range(CREDITS)]
    box.acknowledge(2)
    assert brief(box.take()) == [f"prediction h{number} 0" for number in (CREDITS, CREDITS + 1)]


def test_credits_count_from_the_time_they_are_asked_for(box: Outbox) -> None:
    assert len(spend(box, 40)) == 40
    box.use_credits()
    assert len(spend(box, 40, first=40)) == CREDITS


def test_who_does_not_acknowledge_is_held_back_by_nothing_but_the_socket(box: Outbox) -> None:
    assert len(spend(box, 500)) == 500
    box.acknowledge(3)
    assert len(spend(box, 100, first=500)) == 100


def test_answers_need_no_credit_but_count(box: Outbox) -> None:
    box.use_credits()
    spend(box, CREDITS)
    for _ in range(3):
        box.reply(reply_frame())
    assert brief(box.take()) == ["pong"] * 3
    box.acknowledge(5)
    assert len(spend(box, 10, first=CREDITS)) == 2, "three of the five credits went to answers"


def test_the_missed_have_an_allowance_beside_the_credits(box: Outbox) -> None:
    box.use_credits()
    box.recover([frame("a", seq) for seq in range(10)])
    assert len(box.take()) == 10
    assert len(spend(box, 50, first=10)) == CREDITS


def test_there_is_one_allowance_however_often_and_of_however_many_one_resumes(box: Outbox) -> None:
    box.use_credits()
    taken = 0
    for headset in "abcde":
        box.recover([frame(headset, seq) for seq in range(50)])
        taken += len(box.take())
    assert taken == CREDITS + ALLOWANCE
    box.acknowledge(taken)
    assert len(box.take()) == CREDITS


def test_an_allowance_is_there_again_after_what_it_was_used_for_is_acknowledged(
    box: Outbox,
) -> None:
    box.use_credits()
    box.recover([frame("a", seq) for seq in range(200)])
    box.acknowledge(len(take_all(box)))
    box.recover([frame("b", seq) for seq in range(200)])
    assert len(take_all(box)) == CREDITS + ALLOWANCE


def test_who_came_long_without_credits_has_the_allowance_too(box: Outbox) -> None:
    spend(box, 200)
    box.use_credits()
    box.recover([frame("b", seq) for seq in range(10)])
    assert len(box.take()) == 10
    assert len(spend(box, 50, first=200)) == CREDITS


@pytest.mark.parametrize("received", [0, 4, 11])
def test_more_than_was_sent_or_less_than_before_cannot_be_acknowledged(
    box: Outbox, received: int
) -> None:
    spend(box, 10)
    box.acknowledge(5)
    with pytest.raises(AcknowledgeError, match=rf"of {received} messages.* from 5.* to 10"):
        box.acknowledge(received)


def test_an_acknowledgement_reports_whether_it_is_new(box: Outbox) -> None:
    spend(box, 10)
    assert [box.acknowledge(received) for received in (0, 5, 5, 10, 10)] == [
        False, True, False, True, False,
    ]  # fmt: skip


# A socket that takes nothing


def test_nothing_is_given_while_held_and_the_newest_after(box: Outbox) -> None:
    box.hold()
    box.greet(reply_frame())
    box.reply(reply_frame())
    box.recover([frame("b", 0)])
    for seq in range(3):
        box.put(frame("a", seq))
    assert box.take() == []
    box.release()
    assert brief(box.take()) == ["pong", "pong", "prediction b 0", "prediction a 2"]
    assert box.conflated == 2


def test_a_reader_that_never_reads_costs_one_message_of_each_kind_and_headset(
    box: Outbox,
) -> None:
    box.hold()
    for seq in range(100):
        for headset in ("a", "b", "c"):
            box.put(frame(headset, seq))
            box.put(state_frame(headset))
            box.put(Frame("baseline", headset, baseline(headset)))
    box.release()
    assert len(box.take()) == 9
    assert box.conflated == 99 * 9


# Blocked, and progress


def test_one_is_blocked_while_something_waits_that_cannot_be_sent(box: Outbox) -> None:
    box.hold()
    assert not box.blocked, "nothing waits"
    box.put(frame("a", 0))
    assert box.blocked
    box.release()
    assert not box.blocked
    box.take()
    box.hold()
    box.reply(reply_frame())
    assert box.blocked


def test_one_without_credit_is_blocked_as_soon_as_something_waits(box: Outbox) -> None:
    box.use_credits()
    spend(box, CREDITS)
    assert not box.blocked
    box.put(frame("a", CREDITS))
    assert box.blocked
    box.acknowledge(1)
    assert not box.blocked


def test_progress_changes_with_what_is_taken_and_with_what_is_acknowledged(box: Outbox) -> None:
    seen = [box.progress]
    box.put(frame("a", 0))
    seen.append(box.progress)
    box.take()
    seen.append(box.progress)
    box.acknowledge(1)
    seen.append(box.progress)
    assert seen[0] == seen[1] < seen[2] < seen[3]


# Waking


def test_the_message_is_there_when_the_reader_wakes() -> None:
    seen: list[list[str]] = []

    def wake() -> None:
        seen.append(brief(own.take()))

    own = Outbox(wake)
    own.put(state_frame("a"))
    own.reply(reply_frame())
    own.recover([frame("a", 3)])
    own.greet(reply_frame())
    assert seen == [["status a"], ["pong"], ["prediction a 3"], ["pong"]]


def test_the_reader_is_woken_once_until_it_takes(box: Outbox, bell: Bell) -> None:
    box.put(frame("a", 0))
    box.put(frame("b", 0))
    box.reply(reply_frame())
    assert bell.rung == 1
    box.take()
    assert bell.rung == 1
    box.put(frame("a", 1))
    assert bell.rung == 2


def test_the_reader_is_not_woken_for_what_cannot_be_sent(box: Outbox, bell: Bell) -> None:
    box.use_credits()
    spend(box, CREDITS)
    rung = bell.rung
    box.put(frame("a", CREDITS))
    box.recover([])
    assert bell.rung == rung
    box.reply(reply_frame())
    assert bell.rung == rung + 1
    box.take()
    box.acknowledge(5)
    assert bell.rung == rung + 2


def test_the_reader_is_woken_when_the_socket_goes_on_if_something_waits(
    box: Outbox, bell: Bell
) -> None:
    box.hold()
    box.release()
    assert bell.rung == 0
    box.hold()
    box.put(frame("a", 0))
    assert bell.rung == 0
    box.release()
    assert bell.rung == 1


def test_one_woken_in_vain_is_woken_again(box: Outbox, bell: Bell) -> None:
    box.put(frame("a", 0))
    box.hold()
    assert box.take() == []
    box.release()
    assert bell.rung == 2
    assert brief(box.take()) == seqs(0)


# What is taken at once


@pytest.mark.parametrize("kind", ["answers", "missed", "newest"])
def test_much_is_taken_in_parts_and_the_transport_is_woken_for_the_next(
    box: Outbox, bell: Bell, kind: str
) -> None:
    if kind == "answers":
        for _ in range(150):
            box.reply(reply_frame())
    elif kind == "missed":
        box.recover([frame("a", seq) for seq in range(150)])
    else:
        for number in range(150):
            box.put(frame(f"h{number}"))
    sizes: list[int] = []
    while bell.rung > len(sizes):
        sizes.append(len(box.take()))
    assert sum(sizes) == 150
    assert max(sizes) <= 64, "or a socket that takes nothing would be given it all"


def test_a_part_that_fills_the_socket_is_the_last_until_it_is_released(
    box: Outbox, bell: Bell
) -> None:
    box.recover([frame("a", seq) for seq in range(150)])
    first = box.take()
    box.hold()
    assert box.take() == []
    rung = bell.rung
    box.release()
    assert bell.rung == rung + 1
    assert brief(first + take_all(box)) == seqs(*range(150))
