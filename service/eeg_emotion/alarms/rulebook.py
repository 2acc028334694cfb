"""The rules in force: those read from files, and those added over REST."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from pydantic import ValidationError

from eeg_emotion.alarms.rules.rule import Rule, Rules
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

MOST_RULES = 100
"""The most rules added over REST: each is evaluated for every window of every headset."""


class RuleRefused(EegEmotionError):
    """A rule cannot be added, replaced or deleted."""


class Source(StrEnum):
    """Where a rule comes from."""

    FILE = "file"
    """A rules file that the service was started with; only editing the file changes it."""
    SERVICE = "service"
    """REST."""


class RuleStore(Protocol):
    """Storage for the rules added over REST."""

    def rules(self) -> dict[str, str]:
        """Return each rule's JSON by its name."""
        ...

    def put_rule(self, name: str, text: str) -> None:
        """Store a rule, replacing any rule of the same name."""
        ...

    def delete_rule(self, name: str) -> bool:
        """Delete a rule; return whether it existed."""
        ...


class Rulebook:
    """All rules in force.

    Parameters
    ----------
    written
        The rules read from files.
    store
        Holds the rules added over REST.

    Raises
    ------
    RuleRefused
        If a stored rule has the same name as a file's rule, or cannot be read by this release.
    """

    def __init__(self, written: Rules, store: RuleStore) -> None:
        self._written = {rule.name: rule for rule in written.rule}
        self._store = store
        self._added: dict[str, Rule] = {}
        for name, text in store.rules().items():
            self._refuse_written(name)
            try:
                self._added[name] = Rule.model_validate_json(text)
            except ValidationError as error:
                raise RuleRefused(
                    f"found the rule {name!r} in the event store, which this release cannot read "
                    f"({error.error_count()} errors), expected one that it can; delete the rule "
                    "with the release that added it"
                ) from error

    @property
    def rules(self) -> Rules:
        """All rules, those read from files first."""
        return Rules(rule=(*self._written.values(), *self._added.values()))

    def source(self, name: str) -> Source | None:
        """Return where a rule comes from; None if there is no such rule."""
        if name in self._written:
            return Source.FILE
        return Source.SERVICE if name in self._added else None

    def put(self, rule: Rule) -> None:
        """Add a rule, replacing any rule of the same name.

        Raises
        ------
        RuleRefused
            If a file defines a rule of this name, or there are too many rules.
        StoreError
            If the rule cannot be stored.
        """
        self._refuse_written(rule.name)
        if rule.name not in self._added and len(self._added) >= MOST_RULES:
            raise RuleRefused(
                f"found {MOST_RULES} rules added over REST, expected fewer; delete one first"
            )
        self._store.put_rule(rule.name, rule.model_dump_json(by_alias=True))
        self._added = {**self._added, rule.name: rule}

    def delete(self, name: str) -> bool:
        """Delete a rule; return whether it existed.

        Raises
        ------
        RuleRefused
            If a file defines the rule.
        StoreError
            If the store cannot be written.
        """
        self._refuse_written(name)
        existed = self._store.delete_rule(name)
        self._added = {other: rule for other, rule in self._added.items() if other != name}
        return existed

    def _refuse_written(self, name: str) -> None:
        if name in self._written:
            raise RuleRefused(
                f"found the rule {name!r} in a rules file that the service was started with, "
                "expected one added over REST; edit the file and restart the service, or choose "
                "another name"
            )
