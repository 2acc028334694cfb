"""A rule, and the TOML file of rules."""

from __future__ import annotations

import hashlib
import json
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eeg_emotion.alarms.rules.condition import AnyCondition, condition_of
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.alarms import Severity

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"

# Strict: `true` is not a number.
_Seconds = Annotated[float, Field(strict=True, ge=0, le=3600)]


class RulesError(EegEmotionError):
    """Rules cannot be read or are not valid."""


class Rule(BaseModel):
    """When an alarm is raised, and when it is cleared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    text: Annotated[str, Field(min_length=1, max_length=300)]
    """The alarm's text for people."""
    severity: Severity
    headsets: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Headset ids, or patterns with `*`."""
    when: Annotated[tuple[AnyCondition, ...], Field(min_length=1)]
    """Conditions, all of which must hold."""
    quality_at_least: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    """Windows of lower quality count as unknown for this rule's conditions on scores."""
    dwell_seconds: _Seconds = 0.0
    """How long the conditions must hold before the alarm is raised."""
    release_seconds: _Seconds = 0.0
    """How long the conditions must not hold before the alarm is cleared."""
    cooldown_seconds: _Seconds = 0.0
    """How long after it is cleared the alarm is not raised again."""

    @model_validator(mode="after")
    def _quality_has_scores(self) -> Rule:
        if self.quality_at_least and not self.on_scores:
            raise ValueError(
                "found 'quality_at_least' without a condition on arousal or valence, expected one; "
                "for the quality itself, add a condition with of = 'quality'"
            )
        return self

    @property
    def on_scores(self) -> bool:
        """Whether any condition depends on a score."""
        return any(condition.on_score for condition in self.when)

    @property
    def digest(self) -> str:
        """Identify the rule's content: equal for equal rules, in every release.

        Keys that have their defaults do not count, so that a key which a later release adds changes
        no digest.
        """
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]

    def concerns(self, headset: str) -> bool:
        """Return whether the rule applies to this headset."""
        return any(fnmatchcase(headset, pattern) for pattern in self.headsets)


class Rules(BaseModel):
    """All rules of a service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Rules:
        names = [rule.name for rule in self.rule]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"found two rules named {', '.join(twice)}, expected different names; rename one"
            )
        return self


def parse_rules(text: str, source: str) -> Rules:
    """Return the rules in a TOML text.

    Parameters
    ----------
    text
        The TOML, with a table `[[rule]]` for each rule.
    source
        Where the text comes from, for error messages.

    Raises
    ------
    RulesError
        If it is not TOML, or a rule is not valid; the message says what is wrong and where.
    """
    try:
        return Rules.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RulesError(
            f"{source}: found no valid TOML ({error}), expected a table [[rule]] for each rule"
        ) from error
    except ValidationError as error:
        raise RulesError(f"{source}: {'; '.join(_problems(error))}") from error


def read_rules(file: Path) -> Rules:
    """Return the rules in a TOML file.

    Raises
    ------
    RulesError
        If it cannot be read or is not valid.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(
            f"cannot read the rules file {file}: {error}; name a TOML file in UTF-8 that you may "
            "read"
        ) from error
    return parse_rules(text, str(file))


_Place = tuple[int | str, ...]


def _problems(error: ValidationError) -> list[str]:
    """Describe each problem once, without those that only follow from another."""
    items = error.errors(include_url=False)
    places = [item["loc"] for item in items]
    misspelt = {item["loc"][:-1] for item in items if item["type"] == "extra_forbidden"}
    problems = []
    for item in items:
        place: _Place = item["loc"]
        contains = any(other != place and other[: len(place)] == place for other in places)
        if contains or (item["type"] == "missing" and place[:-1] in misspelt):
            continue
        if item["type"] == "extra_forbidden":
            *table, key = place
            keys = ", ".join(_keys(tuple(table)))
            problems.append(
                f"{_named(tuple(table))}: found the key {key!r}, expected one of {keys}"
            )
            continue
        message = item["msg"].removeprefix("Value error, ")
        found = "" if item["type"] in {"missing", "value_error"} else f", found {item['input']!r}"
        problems.append(f"{_named(place)}: {message}{found}")
    return problems


def _named(place: _Place) -> str:
    words = [str(part + 1) if isinstance(part, int) else part for part in place]
    return " ".join(words) or "the rules"


def _keys(table: _Place) -> list[str]:
    """Return the keys of a table: the file itself, `rule N`, or `rule N when M OF`."""
    models: dict[int, type[BaseModel]] = {0: Rules, 2: Rule}
    model = models.get(len(table)) or condition_of(str(table[-1]))
    return [field.alias or name for name, field in model.model_fields.items()]
