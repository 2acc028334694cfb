"""Rules that ship with the project, and loading rules by preset name or file path."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from eeg_emotion.alarms.rules.rule import Rule, Rules, RulesError, parse_rules, read_rules

_FOLDER = files("eeg_emotion.alarms.rules") / "presets"


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets, sorted."""
    return tuple(sorted(file.name.removesuffix(".toml") for file in _FOLDER.iterdir()))


def read_rules_named(name: str) -> Rules:
    """Return the rules of a preset, by its name, or of a TOML file, by its path.

    Raises
    ------
    RulesError
        If there is neither, or it is not valid.
    """
    if name in preset_names():
        text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        return parse_rules(text, f"the preset {name}")
    if not Path(name).is_file():
        raise RulesError(
            f"found neither a preset nor a file named {name!r}, expected a TOML file of rules or "
            f"one of the presets {', '.join(preset_names())}"
        )
    return read_rules(Path(name))


def read_all_rules(names: Sequence[str]) -> Rules:
    """Return the rules of several presets and files together.

    Raises
    ------
    RulesError
        If one of them cannot be read, or two rules have the same name.
    """
    sources: dict[str, str] = {}
    joined: list[Rule] = []
    for name in names:
        for rule in read_rules_named(name).rule:
            if rule.name in sources:
                raise RulesError(
                    f"found the rule {rule.name!r} in {sources[rule.name]} and in {name}, expected "
                    "different names; rename one"
                )
            sources[rule.name] = name
            joined.append(rule)
    return Rules(rule=tuple(joined))
