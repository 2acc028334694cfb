from __future__ import annotations

import pytest

from eeg_emotion.alarms.rulebook import MOST_RULES, Rulebook, RuleRefused, Source
from eeg_emotion.alarms.rules.rule import Rule, Rules


class Kept:
    """Stores rules as the event store does."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def rules(self) -> dict[str, str]:
        return dict(self.texts)

    def put_rule(self, name: str, text: str) -> None:
        self.texts[name] = text

    def delete_rule(self, name: str) -> bool:
        return self.texts.pop(name, None) is not None


def rule(name: str, above: float = 0.8) -> Rule:
    return Rule.model_validate(
        {
            "name": name,
            "text": "t",
            "severity": "info",
            "when": [{"of": "arousal", "above": above}, {"of": "state", "is": ["live"]}],
        }
    )


def test_rules_from_files_and_over_rest_are_in_force_together() -> None:
    kept = Kept()
    book = Rulebook(Rules(rule=(rule("written"),)), kept)
    book.put(rule("put"))
    assert [one.name for one in book.rules.rule] == ["written", "put"]
    sources = [book.source(name) for name in ("written", "put", "other")]
    assert sources == [Source.FILE, Source.SERVICE, None]


def test_an_added_rule_survives_a_restart_unchanged() -> None:
    kept = Kept()
    Rulebook(Rules(), kept).put(rule("put", 0.6))
    Rulebook(Rules(), kept).put(rule("put", 0.7))
    assert Rulebook(Rules(), kept).rules.rule == (rule("put", 0.7),)


def test_a_deleted_rule_stays_deleted() -> None:
    kept = Kept()
    book = Rulebook(Rules(), kept)
    book.put(rule("put"))
    assert book.delete("put")
    assert not book.delete("put")
    assert book.rules == Rulebook(Rules(), kept).rules == Rules()


def test_a_rule_from_a_file_can_only_be_changed_in_the_file() -> None:
    kept = Kept()
    book = Rulebook(Rules(rule=(rule("written"),)), kept)
    with pytest.raises(RuleRefused, match="edit the file"):
        book.put(rule("written", 0.1))
    with pytest.raises(RuleRefused, match="edit the file"):
        book.delete("written")
    assert book.rules.rule == (rule("written"),)
    assert not kept.texts


def test_a_file_with_the_name_of_a_stored_rule_is_refused() -> None:
    kept = Kept()
    Rulebook(Rules(), kept).put(rule("both"))
    with pytest.raises(RuleRefused, match="'both' in a rules file"):
        Rulebook(Rules(rule=(rule("both"),)), kept)


def test_a_rule_that_this_release_cannot_read_is_named() -> None:
    kept = Kept()
    kept.texts["odd"] = '{"name": "odd"}'
    with pytest.raises(RuleRefused, match="'odd' in the event store"):
        Rulebook(Rules(), kept)


def test_the_number_of_rules_is_limited() -> None:
    book = Rulebook(Rules(), Kept())
    for number in range(MOST_RULES):
        book.put(rule(f"r{number}"))
    book.put(rule("r0", 0.5))
    with pytest.raises(RuleRefused, match="delete one"):
        book.put(rule("more"))
