from __future__ import annotations

from pathlib import Path

import pytest

from eeg_emotion.alarms.rules.condition import Level, StateIs
from eeg_emotion.alarms.rules.rule import RulesError, parse_rules, read_rules
from eeg_emotion.publish.alarms import Severity

TAKE_OVER = """
[[rule]]
name = "take-over"
text = "The driver seems upset"
severity = "critical"
headsets = ["car-*"]
quality_at_least = 0.5
dwell_seconds = 5
release_seconds = 10
cooldown_seconds = 60

[[rule.when]]
of = "arousal"
above = 0.8
until = 0.7

[[rule.when]]
of = "valence_label"
is = ["low"]

[[rule]]
name = "signal-lost"
text = "No signal"
severity = "warning"

[[rule.when]]
of = "state"
is = ["stale", "lost"]
"""


def test_rules_are_read_in_file_order(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(TAKE_OVER)
    first, second = read_rules(file).rule
    assert (first.name, first.severity, first.dwell_seconds) == ("take-over", Severity.CRITICAL, 5)
    assert first.when[0] == Level(of="arousal", above=0.8, until=0.7)
    assert isinstance(second.when[0], StateIs)
    assert (first.on_scores, second.on_scores) == (True, False)


def test_a_rule_applies_to_the_headsets_that_it_names() -> None:
    first, second = parse_rules(TAKE_OVER, "rules").rule
    assert [first.concerns(name) for name in ("car-1", "Car-1", "bed-1")] == [True, False, False]
    assert second.concerns("bed-1")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('severity = "critical"', "", ["rule 1 severity", "required"]),
        ('severity = "critical"', 'severity = "loud"', ["rule 1 severity", "'loud'"]),
        ("above = 0.8", "above = 8", ["rule 1 when 1", "above", "less than or equal to 1", "8"]),
        ("above = 0.8", "above = 0.8\nbelow = 0.2", ["found both of 'above' and 'below'"]),
        ("above = 0.8\n", "", ["found neither of 'above' and 'below'"]),
        ("until = 0.7", "until = 0.9", ["'until' = 0.9, expected at most 'above', 0.8"]),
        ("dwell_seconds = 5", "dwell_seconds = -1", ["rule 1 dwell_seconds", "-1"]),
        (
            "dwell_seconds = 5",
            "dwel_seconds = 5",
            ["rule 1: found the key 'dwel_seconds'", "release_seconds"],
        ),
        ('of = "arousal"', 'of = "anger"', ["rule 1 when 1", "anger"]),
        ('is = ["low"]', "is = []", ["rule 1 when 2", "at least 1"]),
        ('is = ["stale", "lost"]', 'is = ["asleep"]', ["rule 2 when 1", "'asleep'"]),
        ('name = "signal-lost"', 'name = "take-over"', ["two rules named take-over"]),
        ('name = "signal-lost"', 'name = "Signal lost"', ["rule 2 name", "'Signal lost'"]),
        (
            'text = "No signal"',
            'text = "No signal"\nquality_at_least = 0.5',
            ["without a condition"],
        ),
        ("[[rule]]", "[[rule", ["found no valid TOML"]),
    ],
)
def test_errors_are_reported_with_their_place(old: str, new: str, words: list[str]) -> None:
    assert old in TAKE_OVER
    with pytest.raises(RulesError) as caught:
        parse_rules(TAKE_OVER.replace(old, new, 1), "rules.toml")
    said = str(caught.value)
    assert said.startswith("rules.toml")
    for word in words:
        assert word in said
    assert "Value error" not in said


ONE = """
[[rule]]
name = "r"
text = "t"
severity = "info"
when = [{ of = "arousal", above = 0.9 }]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("above", "abov", "rule 1 when 1 arousal: found the key 'abov', expected one of of, above, "
         "below, until"),
        ('"arousal", above = 0.9', '"state", are = ["lost"]', "rule 1 when 1 state: found the key "
         "'are', expected one of of, is"),
        ("severity", "severty", "rule 1: found the key 'severty', expected one of name, text, "
         "severity, headsets, when, quality_at_least, dwell_seconds, release_seconds, "
         "cooldown_seconds"),
        ("[[rule]]", "[[rules]]", "the rules: found the key 'rules', expected one of rule"),
        ("0.9", "9", "rule 1 when 1 arousal above: Input should be less than or equal to 1, "
         "found 9"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem(old: str, new: str, said: str) -> None:
    assert old in ONE
    with pytest.raises(RulesError) as caught:
        parse_rules(ONE.replace(old, new), "own.toml")
    assert str(caught.value) == f"own.toml: {said}"


def test_two_mistakes_are_two_problems() -> None:
    with pytest.raises(RulesError, match=r"rule 1 text: .*; rule 2: found the key 'abov'"):
        parse_rules(ONE.replace('text = "t"', "") + ONE.replace("when", "abov = 1\nwhen"), "r")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"cannot read the rules file .*none\.toml"):
        read_rules(tmp_path / "none.toml")
