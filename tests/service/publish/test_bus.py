from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.clock import FakeClock
from tests.support.frames import Bell, brief
from tests.support.messages import baseline, detail, prediction, status

from eeg_emotion.codes import State
from eeg_emotion.publish.bus import Bus, Recovery
from eeg_emotion.publish.history import KEPT_SECONDS, RESUME_SECONDS, Position
from eeg_emotion.publish.outbox import Outbox


@pytest.fixture
def bus(clock: FakeClock) -> Bus:
    return Bus(clock, clock)


Join = Callable[..., Outbox]


@pytest.fixture
def join(bus: Bus) -> Join:
    """Attach an outbox that follows headsets."""

    def attach(*names: str, may_read: Callable[[str], bool] = lambda headset: True) -> Outbox:
        outbox = Outbox(Bell())
        bus.attach(outbox, may_read)
        bus.subscribe(outbox, names)
        return outbox

    return attach


def some(bus: Bus, count: int, headset: str = "a", epoch: str = "e0") -> None:
    for seq in range(count):
        bus.publish(prediction(headset, seq, epoch))


# Who gets what


def test_every_follower_gets_every_message_and_the_same_bytes(bus: Bus, join: Join) -> None:
    outboxes = [join("a"), join("*"), join("a", "*")]
    for message in (status(), prediction(), baseline()):
        bus.publish(message)
    taken = [outbox.take() for outbox in outboxes]
    assert brief(taken[0]) == ["status a", "prediction a 0", "baseline a"]
    assert taken[0] == taken[1] == taken[2], "the frames themselves: each is encoded once"


def test_one_who_follows_nothing_gets_nothing(bus: Bus, join: Join) -> None:
    outbox = join()
    bus.publish(prediction())
    assert outbox.take() == []


def test_only_the_headsets_that_are_followed_are_given(bus: Bus, join: Join) -> None:
    outbox = join("a", "c")
    for headset in ("a", "b", "c"):
        bus.publish(prediction(headset))
    assert brief(outbox.take()) == ["prediction a 0", "prediction c 0"]


def test_the_wildcard_gives_what_may_be_read_those_to_come_included(bus: Bus, join: Join) -> None:
    bus.publish(status("ward-1"))
    bus.publish(status("lab-1"))
    outbox = join("*", may_read=lambda headset: headset.startswith("ward"))
    for headset in ("ward-1", "ward-2", "lab-1", "lab-2"):
        bus.publish(prediction(headset))
    assert brief(outbox.take()) == ["status ward-1", "prediction ward-1 0", "prediction ward-2 0"]


def test_a_name_alone_gives_nothing_that_may_not_be_read(bus: Bus, join: Join) -> None:
    bus.publish(status("lab-1"))
    outbox = join("lab-1", may_read=lambda headset: False)
    bus.want_detail(outbox, "lab-1")
    for message in (prediction("lab-1"), status("lab-1"), detail("lab-1"), baseline("lab-1")):
        bus.publish(message)
    position = {"lab-1": Position("e0", 0)}
    assert bus.subscribe(outbox, ["lab-1"], position) == [("lab-1", Recovery(None))]
    assert outbox.take() == []


def test_a_slow_follower_does_not_hold_up_a_quick_one(bus: Bus, join: Join) -> None:
    slow, quick = join("a"), join("a")
    slow.hold()
    for seq in range(4):
        bus.publish(prediction("a", seq))
        assert brief(quick.take()) == [f"prediction a {seq}"]
    slow.release()
    assert brief(slow.take()) == ["prediction a 3"]
    assert (slow.conflated, quick.conflated) == (3, 0)


# The beginning of a subscription


def test_a_subscription_begins_with_the_state_and_the_newest_prediction(
    bus: Bus, join: Join
) -> None:
    bus.publish(status("a"))
    some(bus, 3)
    assert brief(join("a").take()) == ["status a", "prediction a 2"]
    assert brief(join("*").take()) == ["status a", "prediction a 2"]


def test_of_a_headset_yet_to_come_nothing_is_given_before_it_comes(bus: Bus, join: Join) -> None:
    outbox = join("a")
    assert outbox.take() == []
    bus.publish(status("a"))
    assert brief(outbox.take()) == ["status a"]


def test_to_subscribe_to_what_one_follows_gives_nothing_again(bus: Bus, join: Join) -> None:
    some(bus, 1)
    outbox = join("a")
    outbox.take()
    assert bus.subscribe(outbox, ["a", "*"]) == [("a", Recovery(None)), ("*", Recovery(None))]
    bus.subscribe(outbox, ["a"], {"a": Position("e0", 0)})
    assert outbox.take() == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.LIVE])
def test_the_last_score_of_a_headset_that_fell_silent_is_not_given(
    bus: Bus, join: Join, state: State
) -> None:
    bus.publish(status("a"))
    some(bus, 3)
    bus.publish(status("a", state))
    assert brief(join("a").take()) == ["status a"]


def test_nor_is_it_given_once_the_headset_is_back_until_it_has_a_new_one(
    bus: Bus, join: Join
) -> None:
    some(bus, 3)
    bus.publish(status("a", State.LOST))
    bus.publish(status("a"))
    assert brief(join("a").take()) == ["status a"]
    bus.publish(prediction("a", 0, "e1"))
    assert brief(join("a").take()) == ["status a", "prediction a 0"]


def test_a_late_prediction_of_a_silent_headset_is_for_its_followers_alone(
    bus: Bus, join: Join
) -> None:
    follower = join("a")
    bus.publish(status("a", State.STALE))
    bus.publish(prediction("a", 7))
    assert brief(follower.take()) == ["status a", "prediction a 7"]
    assert brief(join("a").take()) == ["status a"]


# Resuming


def test_who_resumes_gets_exactly_the_missed_before_the_state(bus: Bus, join: Join) -> None:
    bus.publish(status("a"))
    some(bus, 5)
    outbox = join()
    reported = bus.subscribe(outbox, ["a"], {"a": Position("e0", 2)})
    assert reported == [("a", Recovery(True, 2))]
    assert brief(outbox.take()) == ["prediction a 3", "prediction a 4", "status a"]


def test_who_missed_nothing_is_not_given_the_newest_again(bus: Bus, join: Join) -> None:
    some(bus, 5)
    outbox = join()
    assert bus.subscribe(outbox, ["a"], {"a": Position("e0", 4)}) == [("a", Recovery(True, 0))]
    assert outbox.take() == []


def test_if_the_missed_cannot_be_recovered_that_is_reported_and_the_newest_sent(
    bus: Bus, join: Join, clock: FakeClock
) -> None:
    some(bus, 2)
    clock.now += RESUME_SECONDS + 1
    bus.publish(prediction("a", 2))
    outbox = join()
    assert bus.subscribe(outbox, ["a"], {"a": Position("e0", 0)}) == [("a", Recovery(False))]
    assert brief(outbox.take()) == ["prediction a 2"]


def test_what_a_silent_headset_said_meanwhile_was_missed_all_the_same(bus: Bus, join: Join) -> None:
    some(bus, 3)
    bus.publish(status("a", State.LOST))
    outbox = join()
    bus.subscribe(outbox, ["a"], {"a": Position("e0", 1)})
    assert brief(outbox.take()) == ["prediction a 2", "status a"]


def test_each_headset_under_the_wildcard_is_gone_on_from_its_own_position(
    bus: Bus, join: Join
) -> None:
    for headset in ("a", "b", "c"):
        some(bus, 3, headset)
    outbox = join()
    positions = {"a": Position("e0", 1), "b": Position("older", 9), "unknown": Position("e0", 1)}
    assert bus.subscribe(outbox, ["*"], positions) == [
        ("a", Recovery(True, 1)),
        ("b", Recovery(False)),
        ("unknown", Recovery(False)),
        ("*", Recovery(None)),
    ]
    assert brief(outbox.take()) == ["prediction a 2", "prediction b 2", "prediction c 2"]


def test_a_position_of_what_is_not_subscribed_to_is_passed_over(bus: Bus, join: Join) -> None:
    for headset in ("a", "b"):
        some(bus, 3, headset)
    outbox = join()
    reported = bus.subscribe(outbox, ["a"], {"b": Position("e0", 0)})
    assert reported == [("a", Recovery(None))]
    assert brief(outbox.take()) == ["prediction a 2"]


# Unsubscribing and leaving


def test_who_unsubscribes_gets_nothing_more_not_even_what_waits(bus: Bus, join: Join) -> None:
    outbox = join("a", "b", "c")
    for headset in ("a", "b", "c"):
        some(bus, 1, headset)
    bus.unsubscribe(outbox, "a", "c", "never")
    for headset in ("a", "b", "c"):
        bus.publish(status(headset))
    assert brief(outbox.take()) == ["prediction b 0", "status b"]
    assert bus.following(outbox) == {"b"}


def test_under_the_wildcard_a_headset_stays_followed(bus: Bus, join: Join) -> None:
    outbox = join("a", "*")
    some(bus, 1)
    bus.unsubscribe(outbox, "a")
    assert brief(outbox.take()) == ["prediction a 0"]
    bus.publish(prediction("a", 1))
    bus.unsubscribe(outbox, "*")
    bus.publish(prediction("a", 2))
    assert outbox.take() == []


def test_who_is_gone_is_not_counted_and_gets_nothing(bus: Bus, join: Join) -> None:
    one, other = join("a"), join("*")
    bus.want_detail(one, "a")
    bus.publish(detail())
    assert bus.subscribers == 2
    bus.detach(one)
    bus.detach(one)
    assert bus.subscribers == 1
    one.take()
    some(bus, 1)
    bus.publish(detail())
    assert one.take() == []
    assert brief(other.take()) == ["prediction a 0"]


# Details


def test_details_are_for_subscribers_of_headsets_that_they_follow(bus: Bus, join: Join) -> None:
    plain, wanting, all_of_one, other = join("*"), join("a", "b"), join("b"), join("b")
    bus.want_detail(wanting, "a")
    bus.want_detail(all_of_one, "*")
    bus.want_detail(other, "a")
    assert (bus.is_detail_wanted("a"), bus.is_detail_wanted("b")) == (True, True)
    assert not bus.is_detail_wanted("c")
    for headset in ("a", "b", "c"):
        bus.publish(detail(headset))
    assert brief(wanting.take()) == ["detail a 0"]
    assert brief(all_of_one.take()) == ["detail b 0"]
    assert plain.take() == other.take() == []


def test_details_end_with_their_headset(bus: Bus, join: Join) -> None:
    outbox = join("a", "b")
    bus.want_detail(outbox, "a", "b")
    bus.unsubscribe(outbox, "a")
    assert not bus.is_detail_wanted("a")
    assert bus.details(outbox) == {"b"}
    bus.subscribe(outbox, ["a"])
    bus.publish(detail("a"))
    assert outbox.take() == []


def test_details_of_a_headset_yet_to_come_are_wanted_when_it_comes(bus: Bus, join: Join) -> None:
    outbox = join("*")
    bus.want_detail(outbox, "late")
    assert bus.is_detail_wanted("late")
    bus.publish(detail("late"))
    assert brief(outbox.take()) == ["detail late 0"]


# What is kept


def test_the_last_prediction_is_kept_for_each_headset_valid_or_not(bus: Bus) -> None:
    assert bus.last_prediction("a") is None
    some(bus, 1)
    bus.publish(prediction("b", 7))
    invalid = prediction("a", 1, valid=False)
    bus.publish(invalid)
    bus.publish(status("a"))
    assert bus.last_prediction("a") is invalid
    kept = bus.last_prediction("b")
    assert kept is not None
    assert kept.seq == 7


def test_predictions_go_to_the_history_states_and_baselines_to_the_events(bus: Bus) -> None:
    for message in (status(), prediction(), baseline(), detail()):
        bus.publish(message)
    assert brief(bus.history.frames("a")) == ["prediction a 0"]
    assert [event.kind for event in bus.events.of("a")] == ["state", "baseline"]


def test_of_a_forgotten_headset_nothing_is_given(bus: Bus, join: Join, clock: FakeClock) -> None:
    outbox = join("a")
    bus.publish(status("a"))
    some(bus, 2)
    bus.forget("a")
    assert brief(outbox.take()) == ["status a", "prediction a 1"], "it was sent before"
    assert bus.last_prediction("a") is None
    assert bus.history.frames("a") == []
    assert bus.events.of("a") == []
    late = join("a")
    assert late.take() == []
    assert bus.subscribe(late, ["a"], {"a": Position("e0", 0)}) == [("a", Recovery(False))]


def test_who_followed_a_forgotten_headset_gets_it_when_it_is_back(bus: Bus, join: Join) -> None:
    named, every = join("a"), join("*")
    bus.want_detail(named, "a")
    some(bus, 1)
    bus.forget("a")
    for outbox in (named, every):
        outbox.take()
    bus.publish(prediction("a", 0, "e1"))
    bus.publish(detail("a"))
    assert brief(named.take()) == ["prediction a 0", "detail a 0"]
    assert brief(every.take()) == ["prediction a 0"]


def test_names_that_no_headset_has_take_no_room_in_the_bus(bus: Bus, join: Join) -> None:
    outbox = join(*(f"no-{number}" for number in range(50)))
    bus.want_detail(outbox, "no-7")
    bus.unsubscribe(outbox, "no-8")
    assert bus._known() == set()


def test_predictions_are_kept_no_longer_than_rest_looks_back(bus: Bus, clock: FakeClock) -> None:
    some(bus, 1)
    clock.now += KEPT_SECONDS + 1
    assert bus.history.frames("a") == []


def test_only_new_predictions_count_for_the_delivery_latency(bus: Bus, clock: FakeClock) -> None:
    bus.publish(prediction("a", 0))
    bus.publish(prediction("a", 1))
    for resume in ({}, {"a": Position("e0", 0)}):
        outbox = Outbox(Bell())
        bus.attach(outbox, lambda headset: True)
        bus.subscribe(outbox, ["a"], resume)
        (past,) = outbox.take()
        assert past.seq == 1
        assert past.window_end is None
        bus.publish(prediction("a", 2))
        (new,) = outbox.take()
        assert new.window_end == 1e9 + 2 + 5
        bus.forget("a")
        bus.publish(prediction("a", 0))
        bus.publish(prediction("a", 1))
