from __future__ import annotations

import pytest
from tests.support.clock import FakeClock
from tests.support.frames import brief, frame

from eeg_emotion.publish.history import (
    KEPT_SECONDS,
    MOST_KEPT,
    RESUME_SECONDS,
    History,
    Position,
)


@pytest.fixture
def history(clock: FakeClock) -> History:
    return History(clock)


def fill(
    history: History, clock: FakeClock, numbers: range, epoch: str = "e0", every: float = 1.0
) -> None:
    """Add predictions, one a second; the last one is of this moment."""
    for number in numbers:
        clock.now += every
        history.add(frame("a", number, epoch))


def missed(history: History, seq: int, epoch: str = "e0") -> list[tuple[str | None, int | None]]:
    found = history.missed("a", Position(epoch, seq))
    assert found is not None
    return [(sent.epoch, sent.seq) for sent in found]


def test_exactly_those_after_a_position_are_missed_oldest_first(
    history: History, clock: FakeClock
) -> None:
    fill(history, clock, range(10))
    assert missed(history, 6) == [("e0", 7), ("e0", 8), ("e0", 9)]


def test_who_has_the_newest_missed_nothing(history: History, clock: FakeClock) -> None:
    fill(history, clock, range(10))
    assert missed(history, 9) == []
    clock.now += 300
    assert missed(history, 9) == [], "however long ago that was"


def test_headsets_are_kept_apart(history: History, clock: FakeClock) -> None:
    fill(history, clock, range(3))
    history.add(frame("b", 3))
    assert missed(history, 1) == [("e0", 2)]
    assert brief(history.frames("b")) == ["prediction b 3"]


@pytest.mark.parametrize("position", [Position("e0", 10), Position("e0", 999), Position("x", 3)])
def test_a_position_that_was_never_sent_cannot_be_gone_on_from(
    history: History, clock: FakeClock, position: Position
) -> None:
    fill(history, clock, range(10))
    assert history.missed("a", position) is None


def test_an_unknown_headset_cannot_be_resumed(history: History) -> None:
    assert history.missed("a", Position("e0", 0)) is None


def test_all_of_the_missed_must_be_young_enough_the_position_itself_need_not(
    history: History, clock: FakeClock
) -> None:
    fill(history, clock, range(3), every=RESUME_SECONDS)
    assert missed(history, 1) == [("e0", 2)]
    assert missed(history, 0) == [("e0", 1), ("e0", 2)], "the oldest of these is just young enough"
    clock.now += 0.1
    assert history.missed("a", Position("e0", 0)) is None
    assert missed(history, 1) == [("e0", 2)]


def test_what_follows_a_position_is_given_though_the_position_itself_is_no_longer_kept(
    history: History, clock: FakeClock
) -> None:
    history.add(frame("a", 0))
    clock.now += KEPT_SECONDS + 1
    fill(history, clock, range(1, 3))
    assert missed(history, 0) == [("e0", 1), ("e0", 2)]


def test_a_number_that_was_never_given_leaves_no_hole(history: History, clock: FakeClock) -> None:
    for number in (3, 4, 7, 8):
        fill(history, clock, range(number, number + 1))
    assert missed(history, 4) == [("e0", 7), ("e0", 8)]
    assert history.missed("a", Position("e0", 5)) is None, "nobody was sent that one"


def test_the_rest_of_an_epoch_and_the_next_one_are_given_together(
    history: History, clock: FakeClock
) -> None:
    fill(history, clock, range(5))
    fill(history, clock, range(2), epoch="e1")
    assert missed(history, 3) == [("e0", 4), ("e1", 0), ("e1", 1)]
    assert missed(history, 4) == [("e1", 0), ("e1", 1)]
    assert missed(history, 0, "e1") == [("e1", 1)]


def test_the_last_of_an_old_epoch_is_a_position_as_long_as_all_since_is_young(
    history: History, clock: FakeClock
) -> None:
    fill(history, clock, range(1))
    clock.now += 100
    fill(history, clock, range(2), epoch="e1")
    assert missed(history, 0) == [("e1", 0), ("e1", 1)]
    clock.now += RESUME_SECONDS
    assert history.missed("a", Position("e0", 0)) is None


def test_ten_minutes_are_kept(history: History, clock: FakeClock) -> None:
    fill(history, clock, range(700))
    kept = history.frames("a")
    assert [kept[0].seq, kept[-1].seq] == [699 - KEPT_SECONDS, 699]
    clock.now += KEPT_SECONDS - 1
    assert [sent.seq for sent in history.frames("a")] == [698, 699]
    clock.now += 2
    assert history.frames("a") == [], "though nothing came that would have pushed them out"


def test_what_is_too_old_takes_no_memory_either(history: History, clock: FakeClock) -> None:
    fill(history, clock, range(2000))
    assert len(history._kept["a"]) == KEPT_SECONDS + 1


def test_a_forgotten_headset_leaves_nothing(history: History, clock: FakeClock) -> None:
    fill(history, clock, range(3))
    history.forget("a")
    history.forget("never")
    assert history.frames("a") == []
    assert history.missed("a", Position("e0", 1)) is None


def test_a_fast_replay_fills_no_more_memory_than_a_headset_can(
    history: History, clock: FakeClock
) -> None:
    fill(history, clock, range(MOST_KEPT + 100), every=0.05)
    kept = history.frames("a")
    assert len(kept) == MOST_KEPT == KEPT_SECONDS / 0.25
    assert kept[0].seq == 100
    assert history.missed("a", Position("e0", 99)) is None
    assert missed(history, MOST_KEPT + 98) == [("e0", MOST_KEPT + 99)]
