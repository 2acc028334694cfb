"""The rules that are in force: those of files, and those that were put by REST."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from pydantic import ValidationError

from eeg_emotion.alarms.rules.rule import Rule, Rules
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger

logger = get_logger(__name__)

MOST_RULES = 100
"""Put by REST. Each is judged for each window of each headset."""


class RuleRefused(EegEmotionError):
    """A rule cannot be put or deleted."""


class Source(StrEnum):
    """Where a rule is from."""

    FILE = "file"
    """The service was started with it; it changes with the file alone."""
    SERVICE = "service"
    """It was put by REST."""


class RuleStore(Protocol):
    """Keeps the rules that were put by REST."""

    def rules(self) -> dict[str, str]:
        """Return each one's JSON by its name."""
        ...

    def put_rule(self, name: str, text: str) -> None:
        """Keep one, in place of an older one of its name."""
        ...

    def delete_rule(self, name: str) -> bool:
        """Delete one; return whether there was one."""
        ...


class Rulebook:
    """All rules that are in force.

    Parameters
    ----------
    written
        Those of files.
    shelf
        Keeps the others.

    Raises
    ------
    RuleRefused
        If a rule that is kept has the name of one of a file's, or cannot be read any more.
    """

    def __init__(self, written: Rules, shelf: RuleStore) -> None:
        self._written = {rule.name: rule for rule in written.rule}
        self._shelf = shelf
        self._put: dict[str, Rule] = {}
        for name, text in shelf.rules().items():
            self._refuse_written(name)
            try:
                self._put[name] = Rule.model_validate_json(text)
            except ValidationError as error:
                raise RuleRefused(
                    f"found a rule {name!r} in the event store that this release cannot read "
                    f"({error.error_count()} errors), expected one that was put by REST; delete it "
                    "with the release that put it"
                ) from error

    @property
    def rules(self) -> Rules:
        """All of them, those of files first."""
        return Rules(rule=(*self._written.values(), *self._put.values()))

    def source(self, name: str) -> Source | None:
        """Return where a rule is from; None for an unknown one."""
        if name in self._written:
            return Source.FILE
        return Source.SERVICE if name in self._put else None

    def put(self, rule: Rule) -> None:
        """Keep a rule, in place of one of its name.

        Raises
        ------
        RuleRefused
            If it is a file's, or if there are too many.
        """
        self._refuse_written(rule.name)
        if rule.name not in self._put and len(self._put) >= MOST_RULES:
            raise RuleRefused(
                f"found {MOST_RULES} rules that were put by REST, expected fewer; delete one"
            )
        self._shelf.put_rule(rule.name, rule.model_dump_json(by_alias=True))
        self._put = {**self._put, rule.name: rule}

    def delete(self, name: str) -> bool:
        """Delete a rule; return whether there was one.

        Raises
        ------
        RuleRefused
            If it is a file's.
        """
        self._refuse_written(name)
        there = self._shelf.delete_rule(name)
        self._put = {kept: rule for kept, rule in self._put.items() if kept != name}
        return there

    def _refuse_written(self, name: str) -> None:
        if name in self._written:
            raise RuleRefused(
                f"found the rule {name!r} in a file that the service was started with, expected "
                "one that was put by REST; change the file and start the service anew, or choose "
                "another name"
            )
