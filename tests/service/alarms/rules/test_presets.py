from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.messages import prediction, status

from eeg_emotion.alarms.rules.engine import RuleEngine
from eeg_emotion.alarms.rules.presets import preset_names, read_all_rules, read_rules_named
from eeg_emotion.alarms.rules.rule import RulesError
from eeg_emotion.codes import Reason, State
from eeg_emotion.publish.alarms import AlarmChange, Severity
from eeg_emotion.publish.messages import Score, WindowSpan


def reported(preset: str, seconds: int, **window: Any) -> list[tuple[str, float]]:
    """Return which rules raise an alarm and when, given such a window every second."""
    engine = RuleEngine(read_rules_named(preset))
    engine.on_message(status("a", State.LIVE), 0.0)
    found = []
    for end in range(5, seconds):
        span = WindowSpan(start=end - 5, end=float(end))
        received = engine.on_message(prediction("a", end, window=span, **window), 0.0)
        found += [(event.rule.name, event.time - 5) for event in received]
    return found


def score(probability: float) -> Score:
    return Score(probability=probability, label="high" if probability > 0.5 else "low")


@pytest.mark.parametrize(
    ("preset", "arousal", "valence", "expected"),
    [
        ("driver-takeover", 0.9, 0.1, [("driver-agitated", 10.0)]),
        ("driver-takeover", 0.9, 0.9, []),
        ("driver-takeover", 0.1, 0.5, [("driver-inattentive", 30.0)]),
        ("driver-takeover", 0.5, 0.5, []),
        ("operator-safety", 0.9, 0.1, [("operator-strained", 60.0)]),
        ("operator-safety", 0.1, 0.5, [("operator-underloaded", 120.0)]),
    ],
)
def test_a_preset_raises_its_alarm_after_its_dwell(
    preset: str, arousal: float, valence: float, expected: list[tuple[str, float]]
) -> None:
    window = {"arousal": score(arousal), "valence": score(valence), "quality": 0.9}
    assert reported(preset, 140, **window) == expected
    assert reported(preset, 140, **window | {"quality": 0.5}) == []


@pytest.mark.parametrize("state", [State.STALE, State.LOST, State.QUARANTINED])
def test_a_lost_signal_is_critical_and_cleared_when_the_headset_is_back(state: State) -> None:
    engine = RuleEngine(read_all_rules(["signal-lost", "driver-takeover"]))
    engine.on_message(status("a", State.LIVE), 0.0)
    engine.on_message(status("a", state), 10.0)
    assert engine.tick(12.9) == []
    (raised,) = engine.tick(13.1)
    assert (raised.rule.name, raised.rule.severity) == ("signal-lost", Severity.CRITICAL)
    engine.on_message(status("a", State.LIVE), 20.0)
    window = prediction("a", 1, window=WindowSpan(start=18.0, end=23.0))
    (over,) = engine.on_message(window, 23.0)
    assert (over.rule.name, over.change) == ("signal-lost", AlarmChange.CLEARED)


def test_windows_without_a_score_raise_an_alarm_but_not_while_warming_up() -> None:
    nothing = {"valid": False, "arousal": Score(probability=None, label=None),
               "valence": Score(probability=None, label=None)}  # fmt: skip
    bad = reported("signal-lost", 30, **nothing, reasons=(Reason.POOR_CONTACT,))
    assert bad == [("no-estimate", 10.0)]
    assert reported("signal-lost", 30, **nothing, reasons=(Reason.WARMING_UP,)) == []


def test_every_preset_is_valid_and_all_can_be_combined() -> None:
    assert preset_names() == ("driver-takeover", "operator-safety", "signal-lost")
    rules = read_all_rules(preset_names()).rule
    assert len(rules) == 6
    # An estimate is not a fact, and silence says nothing about a person.
    assert all("estimate" in rule.text or "Nothing is known" in rule.text for rule in rules)


def test_a_file_is_read_and_a_duplicate_rule_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        '[[rule]]\nname = "signal-lost"\ntext = "x"\nseverity = "info"\n'
        'when = [{ of = "quality", below = 0.5 }]\n'
    )
    assert [rule.severity for rule in read_rules_named(str(file)).rule] == ["info"]
    with pytest.raises(RulesError, match=r"'signal-lost' in signal-lost and in .*own\.toml"):
        read_all_rules(["signal-lost", str(file)])


def test_what_is_neither_preset_nor_file_is_refused_with_the_presets() -> None:
    with pytest.raises(RulesError, match=r"expected a TOML file of rules or one of the pre"):
        read_rules_named("no-such")


def test_a_signal_that_the_service_loses_itself_is_lost_too_and_cleared_with_the_load() -> None:
    engine = RuleEngine(read_rules_named("signal-lost"))
    overloaded = status("a", State.LIVE)
    headset = overloaded.headset.model_copy(update={"overloaded": True})
    engine.on_message(status("a", State.LIVE), 0.0)
    engine.on_message(overloaded.model_copy(update={"headset": headset}), 10.0)
    assert engine.tick(12.9) == []
    (raised,) = engine.tick(13.1)
    assert (raised.rule.name, raised.seen.state) == ("signal-lost", State.LIVE)
    assert raised.seen.overloaded
    engine.on_message(status("a", State.LIVE), 20.0)
    (cleared,) = [
        event
        for end in (21.0, 23.0)
        for event in engine.on_message(
            prediction("a", 1, window=WindowSpan(start=end - 5, end=end)), 0.0
        )
    ]
    assert cleared.change is AlarmChange.CLEARED


def test_windows_without_a_score_for_overload_are_no_estimate() -> None:
    no_score = Score(probability=None, label=None)
    window = {"arousal": no_score, "valence": no_score, "valid": False}
    reasons = (Reason.OVERLOADED, Reason.WARMING_UP)
    assert [name for name, _ in reported("signal-lost", 30, reasons=reasons, **window)] == [
        "no-estimate"
    ]
