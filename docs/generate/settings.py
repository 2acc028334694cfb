"""The page of all settings, made from the settings themselves: docs/reference/SETTINGS.md."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from docs.generate.markdown import listed, table
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from eeg_emotion.cli.main import app
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.settings import Settings

COMMANDS = ("serve", "ingest", "gateway")
"""Those that take settings as options."""

TABLES = {"quality": COMMANDS, "webhook": ("serve", "ingest"), "mqtt": ("serve", "ingest")}
"""Settings that are tables of the file, and the commands for which they count."""

_HEAD = """\
# Settings

`make reference` makes this page from `role_settings.py` and `settings.py`; a test compares it with
the code.

The command line goes before the environment, that before the file of `--config FILE` (TOML), and
the file before the default. `--config` and `--quiet`, which logs warnings only, are options alone.

An option of a list may be repeated; in the environment a list or a table is JSON:
`EEG_EMOTION_MATCH='["ward-*"]'`. All commands read the same file and environment, and pass over
what is not for them. A password belongs in the environment or the file, where other users do not
see it, not on the command line.
"""


def page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    schema = Settings.model_json_schema()
    properties: dict[str, dict[str, Any]] = schema["properties"]
    definitions: dict[str, dict[str, Any]] = schema["$defs"]
    parameters = _parameters()
    rows = [
        (
            f"{_options(name, parameters)}, `{name}`<br>`EEG_EMOTION_{name.upper()}`",
            ", ".join(command for command in COMMANDS if name in parameters[command]),
            _value(field, definitions),
            _default(field),
            field["description"],
        )
        for name, field in properties.items()
        if name not in TABLES
    ]
    head = ("option, key, variable", "commands", "value", "default", "meaning")
    parts = [_HEAD, table(head, rows)]
    for name, commands in TABLES.items():
        parts += _nested(name, commands, properties[name], definitions)
    return "\n".join(parts)


def _parameters() -> dict[str, dict[str, TyperOption]]:
    """Return each command's parameters by their settings."""
    group = cast(TyperGroup, get_command(app))
    return {
        command: {
            str(parameter.name): cast(TyperOption, parameter)
            for parameter in group.commands[command].params
        }
        for command in COMMANDS
    }


def _options(name: str, parameters: Mapping[str, Mapping[str, TyperOption]]) -> str:
    """Name the options of a setting, and of which command where they differ."""
    by_option: dict[str, list[str]] = {}
    for command in COMMANDS:
        if (parameter := parameters[command].get(name)) is not None:
            option = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts))
            by_option.setdefault(option, []).append(command)
    if len(by_option) == 1:
        return next(iter(by_option))
    return ", ".join(f"{option} ({', '.join(where)})" for option, where in by_option.items())


def _nested(
    name: str,
    commands: tuple[str, ...],
    field: dict[str, Any],
    definitions: Mapping[str, dict[str, Any]],
) -> Iterator[str]:
    """Write a table of the file, with its keys."""
    (target,) = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(field)))
    nested = definitions[target]
    many = field.get("type") == "array"
    variable = f"EEG_EMOTION_{name.upper()}"
    yield f"## `{f'[[{name}]]' if many else f'[{name}]'}`\n"
    where = f"`{variable}`, a list of tables" if many else f"`{variable}__KEY`"
    yield f"{field['description']} No option; for {listed(commands)}; in the environment {where}.\n"
    described = _quality_descriptions() if target == QualityLimits.__name__ else {}
    rows = [
        (
            f"`{key}`",
            _value(entry, definitions),
            "must be given" if key in nested.get("required", ()) else _default(entry),
            described.get(key) or entry["description"],
        )
        for key, entry in nested["properties"].items()
    ]
    yield table(("key", "value", "default", "meaning"), rows)


def _quality_descriptions() -> dict[str, str]:
    """Read what the docstring says of each threshold: they are not pydantic's."""
    text = inspect.cleandoc(QualityLimits.__doc__ or "").partition("----------\n")[2]
    names = "|".join(field.name for field in dataclasses.fields(QualityLimits))
    parts = re.split(rf"^({names})$", text, flags=re.MULTILINE)[1:]
    return {
        name: " ".join(said.split()) for name, said in zip(parts[::2], parts[1::2], strict=True)
    }


def _value(field: Mapping[str, Any], definitions: Mapping[str, dict[str, Any]]) -> str:
    """Return the values that are allowed, in words."""
    if "anyOf" in field:
        (field,) = (one for one in field["anyOf"] if one.get("type") != "null")
    if "$ref" in field:
        field = definitions[field["$ref"].rpartition("/")[2]]
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    if "prefixItems" in field:
        return f"{len(field['prefixItems'])} rising numbers"
    if field["type"] == "array":
        return "list of texts"
    if field["type"] == "boolean":
        return "`true`, `false`"
    if field["type"] == "string":
        return {"path": "path", "password": "text, secret"}.get(field.get("format", ""), "text")
    return " ".join([field["type"], *_limits(field)])


def _limits(field: Mapping[str, Any]) -> Iterator[str]:
    if "exclusiveMinimum" in field:
        yield f"above {field['exclusiveMinimum']:g}"
    if "minimum" in field:
        yield f"from {field['minimum']:g}"
    if "maximum" in field:
        yield f"to {field['maximum']:g}"
    if "multipleOf" in field:
        yield f"in steps of {field['multipleOf']:g}"


def _default(field: Mapping[str, Any]) -> str:
    """Return what holds where a setting is not given."""
    if "unset" in field:
        return str(field["unset"])
    default = field["default"]
    if default is None or default == []:
        return "none"
    if isinstance(default, list):
        return f"`{json.dumps(default)}`"
    return f"`{json.dumps(default).strip(chr(34))}`"
