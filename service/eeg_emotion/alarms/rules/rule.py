"""A rule, and the file of rules."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eeg_emotion.alarms.rules.condition import AnyCondition
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.alarms import Severity

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"

# Strict: `true` is no number.
_Seconds = Annotated[float, Field(strict=True, ge=0, le=3600)]


class RulesError(EegEmotionError):
    """A file of rules is not as it must be."""


class Rule(BaseModel):
    """When an alarm is raised, and when it is over."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    text: Annotated[str, Field(min_length=1, max_length=300)]
    """What the alarm says to a person."""
    severity: Severity
    headsets: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Ids or patterns with `*`."""
    when: Annotated[tuple[AnyCondition, ...], Field(min_length=1)]
    """Conditions, all of which must hold."""
    quality_at_least: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.0
    """Windows of a lower quality say nothing about this rule's scores."""
    dwell_seconds: _Seconds = 0.0
    """How long it must have held before the alarm is raised."""
    release_seconds: _Seconds = 0.0
    """How long it must not have held before the alarm is over."""
    cooldown_seconds: _Seconds = 0.0
    """How long after its end no new one is raised."""

    @model_validator(mode="after")
    def _quality_has_scores(self) -> Rule:
        if self.quality_at_least and not self.on_scores:
            raise ValueError(
                "'quality_at_least' is for conditions on arousal or valence; for the quality "
                "itself add a condition of 'quality'"
            )
        return self

    @property
    def on_scores(self) -> bool:
        """Return whether it looks at scores."""
        return any(condition.on_score for condition in self.when)

    def concerns(self, headset: str) -> bool:
        """Return whether it is for this headset."""
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
            raise ValueError(f"found two rules named {', '.join(twice)}, expected different names")
        return self


def parse_rules(text: str, source: str) -> Rules:
    """Read rules from TOML.

    Parameters
    ----------
    text
        The TOML: a table `[[rule]]` for each.
    source
        What it is, for the error's message.

    Raises
    ------
    RulesError
        If it is no TOML or a rule is not valid; it names each place and what is wrong there.
    """
    try:
        return Rules.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{source} is no TOML: {error}") from error
    except ValidationError as error:
        raise RulesError(f"{source}: {'; '.join(_problems(error))}") from error


def read_rules(file: Path) -> Rules:
    """Read a file of rules.

    Raises
    ------
    RulesError
        If it cannot be read or is not valid.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"cannot read the rules {file}: {error}") from error
    return parse_rules(text, str(file))


def _problems(error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors(include_url=False):
        place = [str(part + 1) if isinstance(part, int) else part for part in item["loc"]]
        message = item["msg"].removeprefix("Value error, ")
        found = "" if item["type"] in {"missing", "value_error"} else f", found {item['input']!r}"
        problems.append(f"{' '.join(place) or 'the rules'}: {message}{found}")
    return problems
