from __future__ import annotations

import pytest
from tests.support.clock import FakeClock
from tests.support.messages import baseline, status

from eeg_emotion.codes import State
from eeg_emotion.publish.events import KEPT_EVENTS, Events
from eeg_emotion.publish.messages import BaselineState, Marker


@pytest.fixture
def events(clock: FakeClock) -> Events:
    return Events(clock)


def reported(events: Events, headset: str = "a") -> list[tuple[str, str]]:
    return [(event.kind, event.state) for event in events.of(headset)]


def test_an_event_says_what_happened_to_whom_and_when(events: Events, clock: FakeClock) -> None:
    clock.now = 1.7e9
    events.on_message(status("a", State.STALE, "no sample for 2 s"))
    (event,) = events.of("a")
    assert event.model_dump() == {
        "number": 0,
        "headset": "a",
        "time": 1.7e9,
        "kind": "state",
        "state": "stale",
        "detail": "no sample for 2 s",
        "ratings": None,
    }


def test_a_marker_is_an_event_of_its_own_time_with_its_ratings(
    events: Events, clock: FakeClock
) -> None:
    clock.now = 1.7e9
    rated = Marker(headset="a", time=1.6e9, text="trial 3", ratings={"arousal": 7.0})
    for marker in (rated, rated, Marker(headset="a", time=1.6e9 + 1, text="end", ratings=None)):
        events.on_message(marker)
    assert [(e.time, e.kind, e.detail, e.ratings) for e in events.of("a")] == [
        (1.6e9, "marker", "trial 3", {"arousal": 7.0}),
        (1.6e9 + 1, "marker", "end", None),
    ]


def test_a_status_without_changes_is_no_event(events: Events) -> None:
    for state in (State.LIVE, State.LIVE, State.STALE, State.STALE, State.LIVE):
        events.on_message(status("a", state))
    assert reported(events) == [("state", "live"), ("state", "stale"), ("state", "live")]


def test_a_state_for_another_reason_is_an_event(events: Events) -> None:
    events.on_message(status("a", State.QUARANTINED, "found 3 channels"))
    events.on_message(status("a", State.QUARANTINED, "found two of one id"))
    assert [event.detail for event in events.of("a")] == ["found 3 channels", "found two of one id"]


def test_of_a_collection_the_beginning_and_the_end_are_events(events: Events) -> None:
    for seconds in range(60):
        events.on_message(baseline("a", seconds))
    events.on_message(baseline("a", 60, BaselineState.APPLIED))
    assert reported(events) == [("baseline", "collecting"), ("baseline", "applied")]


def test_another_persons_baseline_is_an_event(events: Events) -> None:
    for profile in ("p07", "p07", "p08", None):
        events.on_message(baseline("a", 60, BaselineState.APPLIED, profile))
    assert len(reported(events)) == 3


def test_states_and_baselines_are_news_each_for_itself(events: Events) -> None:
    for _ in range(2):
        events.on_message(status("a"))
        events.on_message(baseline("a"))
    assert reported(events) == [("state", "live"), ("baseline", "collecting")]


def test_headsets_are_kept_apart_and_numbered_together(events: Events) -> None:
    events.on_message(status("a"))
    events.on_message(status("b"))
    events.on_message(status("a", State.LOST))
    assert [event.number for event in events.of("a")] == [0, 2]
    assert [event.number for event in events.of("b")] == [1]
    assert events.of("never") == []


def test_the_newest_are_kept(events: Events) -> None:
    for number in range(KEPT_EVENTS + 5):
        events.on_message(status("a", State.LIVE, str(number)))
    kept = events.of("a")
    assert (len(kept), kept[0].number, kept[-1].number) == (KEPT_EVENTS, 5, KEPT_EVENTS + 4)


def test_a_forgotten_headset_starts_over_with_higher_numbers(events: Events) -> None:
    events.on_message(status("a"))
    events.on_message(baseline("a"))
    events.forget("a")
    events.forget("never")
    assert events.of("a") == []
    events.on_message(status("a"))
    events.on_message(baseline("a"))
    assert [event.number for event in events.of("a")] == [2, 3]
