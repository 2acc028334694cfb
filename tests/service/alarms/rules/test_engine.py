from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_emotion.alarms.rules.alarm import Phase
from eeg_emotion.alarms.rules.engine import RuleEngine, RuleEvent, StillRaised
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.codes import Reason, State
from eeg_emotion.publish.alarms import AlarmChange
from eeg_emotion.publish.messages import Headset, Latency, Prediction, Score, Status
from eeg_emotion.publish.messages import WindowSpan as Span

Moment = tuple[AlarmChange, float]


def window(
    end: float,
    arousal: float | None = 0.5,
    *,
    label: str = "high",
    quality: float = 1.0,
    reasons: Sequence[Reason] = (),
    headset: str = "a",
) -> Prediction:
    score = Score.model_validate(
        {"probability": arousal, "label": None if arousal is None else label}
    )
    return Prediction(
        headset=headset, epoch="e", seq=int(end * 4), window=Span(start=end - 5, end=end),
        arousal=score, valence=score, valid=arousal is not None, reasons=tuple(reasons),
        quality=quality, model="m 1",
        latency_ms=Latency(resampler=0, filter=0, arrival=0, path=0, inference=0, total=0),
    )  # fmt: skip


def state(state: State, headset: str = "a") -> Status:
    return Status(
        headset=Headset(
            id=headset, name=headset, state=state, detail="", simulated=True, epoch="e", sfreq=128
        )
    )


def engine(*when: dict[str, object], **rule: object) -> RuleEngine:
    values = {"name": "r", "text": "t", "severity": "warning", "when": when, **rule}
    return RuleEngine(Rules.model_validate({"rule": [values]}))


EXCITED: dict[str, object] = {"of": "arousal", "above": 0.8}


def play(judge: RuleEngine, arousals: Sequence[float | None], begin: float = 0.0) -> list[Moment]:
    """Feed one window per second."""
    events: list[RuleEvent] = []
    for second, arousal in enumerate(arousals):
        events += judge.on_message(window(begin + second, arousal), 0.0)
    return [(event.change, event.time) for event in events]


# Conditions


@pytest.mark.parametrize(
    ("condition", "seen", "expected"),
    [
        ({"of": "arousal", "above": 0.8}, window(1, 0.81), True),
        ({"of": "arousal", "above": 0.8}, window(1, 0.8), False),
        ({"of": "valence", "below": 0.3}, window(1, 0.2), True),
        ({"of": "quality", "below": 0.5}, window(1, None, quality=0.4), True),
        ({"of": "arousal_label", "is": ["unsure"]}, window(1, 0.5, label="unsure"), True),
        ({"of": "valence_label", "is": ["low"]}, window(1, 0.5, label="unsure"), False),
        ({"of": "reason", "is": ["not_worn"]}, window(1, None, reasons=[Reason.NOT_WORN]), True),
        ({"of": "reason", "is": ["not_worn"]}, window(1, None, reasons=[Reason.GAP]), False),
        ({"of": "state", "is": ["lost"]}, state(State.LOST), True),
        ({"of": "state", "is": ["lost"]}, state(State.STALE), False),
    ],
)
def test_a_condition_depends_on_what_it_names(
    condition: dict[str, object], seen: Prediction | Status, expected: bool
) -> None:
    assert bool(engine(condition).on_message(seen, 1.0)) is expected


def test_an_event_holds_its_evidence() -> None:
    (event,) = engine(EXCITED).on_message(window(7, 0.9), 100.0)
    assert (event.headset, event.rule.name, event.time) == ("a", "r", 7)
    assert event.seen.prediction == window(7, 0.9)


# Dwell, release and cooldown


def test_conditions_must_hold_for_the_dwell() -> None:
    assert play(engine(EXCITED, dwell_seconds=3), [0.9, 0.9, 0.9, 0.5, 0.9, 0.9, 0.9]) == []
    assert play(engine(EXCITED, dwell_seconds=3), [0.9] * 5) == [(AlarmChange.RAISED, 3)]


def test_an_alarm_is_cleared_after_its_release() -> None:
    values = [0.9, 0.5, 0.9, 0.5, 0.5, 0.5, 0.5]
    assert play(engine(EXCITED, release_seconds=2), values) == [
        (AlarmChange.RAISED, 0), (AlarmChange.CLEARED, 5),
    ]  # fmt: skip


def test_hysteresis_holds_until_the_second_level_is_passed() -> None:
    judge = engine({"of": "arousal", "above": 0.8, "until": 0.6})
    assert play(judge, [0.7, 0.9, 0.7, 0.61, 0.6, 0.7]) == [
        (AlarmChange.RAISED, 1), (AlarmChange.CLEARED, 4),
    ]  # fmt: skip


def test_no_alarm_is_raised_during_the_cooldown_and_one_right_after_it() -> None:
    values = [0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert play(engine(EXCITED, cooldown_seconds=5), values) == [
        (AlarmChange.RAISED, 0), (AlarmChange.CLEARED, 1), (AlarmChange.RAISED, 6),
    ]  # fmt: skip


def test_all_conditions_must_hold() -> None:
    judge = engine(EXCITED, {"of": "quality", "above": 0.7})
    assert not judge.on_message(window(1, 0.9, quality=0.6), 0)
    assert judge.on_message(window(2, 0.9, quality=0.8), 0)


# Unknown answers


def test_a_lost_signal_never_clears_an_alarm() -> None:
    judge = engine(EXCITED)
    assert play(judge, [0.9, None, None]) == [(AlarmChange.RAISED, 0)]
    judge.on_message(state(State.LOST), 4)
    for second in range(5, 600):
        assert judge.tick(second) == []
    (alarm,) = judge.alarms("a")
    assert alarm.is_raised
    assert not alarm.known, "and it is said that it is not known any more"
    assert play(judge, [0.5], begin=700) == [(AlarmChange.CLEARED, 700)]


def test_unknown_windows_count_no_time_and_a_few_do_not_matter() -> None:
    judge = engine(EXCITED, dwell_seconds=3)
    assert play(judge, [0.9, 0.9, None, None, 0.9, 0.9, 0.9]) == [(AlarmChange.RAISED, 6)]


def test_many_unknown_windows_restart_a_dwell() -> None:
    judge = engine(EXCITED, dwell_seconds=3)
    values = [0.9, 0.9, 0.9, *[None] * 11, 0.9, 0.9, 0.9]
    assert play(judge, values) == []
    assert judge.alarms("a")[0].phase is Phase.DWELLING


def test_a_window_of_poor_quality_says_nothing_about_scores() -> None:
    judge = engine(EXCITED, quality_at_least=0.6)
    assert not judge.on_message(window(1, 0.9, quality=0.5), 0)
    assert judge.on_message(window(2, 0.9, quality=0.6), 0)
    assert not judge.on_message(window(3, 0.1, quality=0.5), 0), "nor is it over"


def test_a_score_from_before_a_signal_loss_is_not_used_after_it() -> None:
    judge = engine(EXCITED, dwell_seconds=2)
    play(judge, [0.9])
    judge.on_message(state(State.STALE), 1)
    assert judge.tick(5) == []
    judge.on_message(state(State.LIVE), 6)
    assert judge.tick(8) == []


# Time, and several headsets


def test_a_lost_signal_raises_an_alarm_without_further_messages() -> None:
    judge = engine({"of": "state", "is": ["stale", "lost"]}, dwell_seconds=5)
    assert judge.on_message(state(State.LIVE), 0) == judge.on_message(state(State.STALE), 2) == []
    assert judge.tick(6.9) == []
    (event,) = judge.tick(7.0)
    assert (event.change, event.seen.state) == (AlarmChange.RAISED, State.STALE)
    assert judge.on_message(state(State.LOST), 12) == []
    (event,) = judge.on_message(state(State.LIVE), 20)
    assert event.change is AlarmChange.CLEARED


def test_headsets_are_evaluated_separately() -> None:
    judge = engine(EXCITED, headsets=["a", "b"])
    assert judge.on_message(window(1, 0.9, headset="a"), 0)
    assert judge.on_message(window(1, 0.9, headset="b"), 0)
    assert not judge.on_message(window(1, 0.9, headset="c"), 0)


def test_a_dwell_restarts_once_its_headset_is_forgotten() -> None:
    judge = engine(EXCITED, dwell_seconds=2)
    assert play(judge, [0.9, 0.9]) == []
    judge.forget("a")
    assert play(judge, [0.9, 0.9], begin=2) == []
    assert play(judge, [0.9], begin=4) == [(AlarmChange.RAISED, 4)]


def test_ids_repeat_in_a_second_run_and_differ_between_alarms() -> None:
    def ids() -> list[str]:
        judge = engine(EXCITED)
        return [
            event.alarm
            for second, arousal in enumerate([0.9, 0.5, 0.9])
            for event in judge.on_message(window(second, arousal), 0)
        ]

    raised, cleared, other = ids()
    assert raised == cleared != other
    assert ids() == [raised, cleared, other]


@given(
    arousals=st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=80),
    dwell=st.integers(0, 6),
    release=st.integers(0, 6),
    cooldown=st.integers(0, 6),
)
def test_alarms_are_justified_whatever_the_input(
    arousals: list[float | None], dwell: int, release: int, cooldown: int
) -> None:
    judge = engine(EXCITED, dwell_seconds=dwell, release_seconds=release, cooldown_seconds=cooldown)
    events = play(judge, arousals)
    assert [change for change, _ in events] == ([AlarmChange.RAISED, AlarmChange.CLEARED] * 40)[
        : len(events)
    ]
    is_high: Callable[[int], bool] = lambda second: (arousals[second] or 0) > 0.8  # noqa: E731
    for change, time in events:
        second = int(time)
        assert arousals[second] is not None, "never by a window that says nothing"
        assert is_high(second) is (change is AlarmChange.RAISED)
        needed = dwell if change is AlarmChange.RAISED else release
        known = [now for now in range(second + 1) if arousals[now] is not None][-needed - 1 :]
        assert len(known) == needed + 1
        assert all(is_high(now) is (change is AlarmChange.RAISED) for now in known)
    for (_, over), (_, raised) in zip(events[1::2], events[2::2], strict=False):
        assert raised - over >= cooldown


# Restarts and changes of the rules


def rules(*values: dict[str, object]) -> Rules:
    return Rules.model_validate(
        {"rule": [{"text": "t", "severity": "info", "when": [EXCITED], **one} for one in values]}
    )


def test_an_alarm_raised_before_a_restart_is_cleared_under_its_own_id() -> None:
    judge = RuleEngine(rules({"name": "r"}), {("a", "r"): StillRaised("since-before")})
    assert not judge.on_message(window(1, 0.9), 0)
    (event,) = judge.on_message(window(2, 0.1), 0)
    assert (event.alarm, event.change) == ("since-before", AlarmChange.CLEARED)
    (event,) = judge.on_message(window(3, 0.9), 0)
    assert event.alarm != "since-before"


def test_an_alarm_stays_raised_while_its_headset_is_forgotten() -> None:
    judge = RuleEngine(rules({"name": "r"}))
    (raised,) = judge.on_message(window(1, 0.9), 0)
    judge.forget("a")
    (cleared,) = judge.on_message(window(700, 0.1), 0)
    assert (cleared.alarm, cleared.change) == (raised.alarm, AlarmChange.CLEARED)


def test_a_changed_or_removed_rule_leaves_its_alarms_to_be_cleared() -> None:
    judge = RuleEngine(rules({"name": "gone"}, {"name": "changed"}, {"name": "same"}))
    raised = {event.rule.name: event.alarm for event in judge.on_message(window(1, 0.9), 0)}
    orphans = judge.use(rules({"name": "changed", "text": "other"}, {"name": "same"}))
    assert sorted(orphans) == [
        ("a", "changed", raised["changed"]), ("a", "gone", raised["gone"]),
    ]  # fmt: skip
    assert not judge.use(rules({"name": "changed", "text": "other"}, {"name": "same"}))
    # The unchanged rule continues; the changed one starts over.
    again = judge.on_message(window(2, 0.9), 0)
    assert [(event.rule.name, event.change) for event in again] == [("changed", AlarmChange.RAISED)]
    cleared = judge.on_message(window(3, 0.1), 0)
    assert raised["same"] in {event.alarm for event in cleared}


def test_a_rule_that_no_longer_applies_leaves_its_alarm_to_be_cleared() -> None:
    judge = RuleEngine(rules({"name": "r"}))
    (raised,) = judge.on_message(window(1, 0.9), 0)
    assert judge.use(rules({"name": "r", "headsets": ["b"]})) == [("a", "r", raised.alarm)]


def test_a_rule_added_later_applies_to_known_headsets() -> None:
    judge = RuleEngine(rules())
    assert not judge.on_message(window(1, 0.9), 0)
    assert not judge.use(rules({"name": "r"}))
    (event,) = judge.on_message(window(2, 0.9), 0)
    assert event.rule.name == "r"


def test_alarms_whose_rule_was_removed_over_a_restart_are_left_to_be_cleared() -> None:
    judge = RuleEngine(Rules(), {("a", "r"): StillRaised("since-before")})
    assert judge.use(rules({"name": "other"})) == [("a", "r", "since-before")]


@pytest.mark.parametrize(
    "edit",
    [
        {"text": "other"},
        {"severity": "critical"},
        {"dwell_seconds": 1},
        {"headsets": ["a"]},
        {"when": [{**EXCITED, "above": 0.79}]},
        {"when": [{**EXCITED, "until": 0.79}]},
    ],
    ids=str,
)
def test_alarms_whose_rule_was_edited_over_a_restart_are_left_to_be_cleared(
    edit: dict[str, object],
) -> None:
    (rule,) = rules({"name": "r"}).rule
    judge = RuleEngine(Rules(), {("a", "r"): StillRaised("since-before", rule.digest)})
    assert judge.use(rules({"name": "r", **edit})) == [("a", "r", "since-before")]
    (event,) = judge.on_message(window(1, 0.9), 0) + judge.on_message(window(2, 0.9), 0)
    assert (event.change, event.alarm != "since-before") == (AlarmChange.RAISED, True)


def test_alarms_whose_rule_is_the_same_after_a_restart_stay_raised() -> None:
    (rule,) = rules({"name": "r"}).rule
    judge = RuleEngine(Rules(), {("a", "r"): StillRaised("since-before", rule.digest)})
    # Written in another way, it is the same rule.
    assert judge.use(rules({"cooldown_seconds": 0, "headsets": ["*"], "name": "r"})) == []
    (event,) = judge.on_message(window(1, 0.1), 0)
    assert (event.alarm, event.change) == ("since-before", AlarmChange.CLEARED)


def test_an_alarm_without_a_digest_is_taken_for_one_of_the_rule_in_force_at_the_start() -> None:
    judge = RuleEngine(Rules(), {("a", "r"): StillRaised("since-before")})
    assert judge.use(rules({"name": "r"})) == []
    assert judge.use(rules({"name": "r", "text": "other"})) == [("a", "r", "since-before")]
