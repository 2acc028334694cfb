"""Options of commands, made from the settings that they set, and those that several have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from eeg_emotion.role_settings import (
    HeadsetSettings,
    ProcessSettings,
    SubscriberSettings,
    is_list,
    value_type,
)

Config = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Log warnings only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]

FIELDS: Mapping[str, FieldInfo] = (
    ProcessSettings.model_fields | HeadsetSettings.model_fields | SubscriberSettings.model_fields
)
"""The settings that can be options."""

_PANELS = {
    "Access": ("keys", "audit", "jwt_keys", "jwt_audience", "origin", "trusted_proxy"),
    "Alarms": ("rules", "event_store"),
    "Broker": ("bus", "bus_credentials", "bus_ca", "site", "ingest"),
    "Headsets": ("match", "cap", "profiles"),
    "Lab Streaming Layer": (
        *("session_id", "lsl_scope", "lsl_peer", "lsl_base_port", "lsl_port_range"),
        "stream_type",
    ),
    "Model": ("model", "hop_seconds"),
    "Purpose": ("purpose", "justification"),
    "Yes or no": ("allow_open", "docs", "lsl_out"),
}
"""The settings under their headings in the help; further ones stand under "Options".

The columns of each are as wide as its widest option: those of two spellings, or of a range, would
leave too little of 80 columns for a long word of another one's help, which is then cut.
"""

_PANEL_OF = {name: panel for panel, names in _PANELS.items() for name in names}
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_Command = TypeVar("_Command", bound=Callable[..., None])


def takes_settings(
    *names: str, once: tuple[str, ...] = (), spelled: Mapping[str, str] | None = None
) -> Callable[[_Command], _Command]:
    """Return a decorator that adds an option for each setting to a command with `**settings`.

    The command is called with all of them; one that was not given is None. In the help they stand
    after the command's own parameters, and before its keyword-only ones.

    Parameters
    ----------
    names
        The settings.
    once
        Those that are lists, but have one value here.
    spelled
        The options that are not spelled as their setting.
    """

    def give(command: _Command) -> _Command:
        own = inspect.signature(command, eval_str=True).parameters.values()
        made = [_parameter(name, name in once, (spelled or {}).get(name)) for name in names]
        both = [*made, *(one for one in own if one.kind is not one.VAR_KEYWORD)]
        parameters = sorted(both, key=lambda one: one.kind)
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return give


def _parameter(name: str, once: bool, spelled: str | None) -> inspect.Parameter:
    field = FIELDS[name]
    repeated = is_list(field) and not once
    option = typer.Option(
        spelled or ...,
        help=" ".join(_sentences(name, field, repeated=repeated)),
        min=_limit(field, "ge"),
        max=_limit(field, "le"),
        callback=_as_list if once else None,
        rich_help_panel=_PANEL_OF.get(name),
    )
    kind: Any = str if issubclass(value_type(field), SecretStr) else value_type(field)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[(list[kind] if repeated else kind) | None, option],
    )


def in_terminal(markdown: str) -> str:
    """Return a description as a terminal shows it: without links, quoted in place of code."""
    return _LINK.sub(r"\1", markdown).replace("`", "'")


def _sentences(name: str, field: FieldInfo, *, repeated: bool) -> Iterator[str]:
    """Yield what the help says, the default too: typer sees None, which is an option not given."""
    yield in_terminal(field.description or "")
    if repeated:
        yield "May be repeated."
    if default := _default(field):
        yield f"Default: {default}."
    if issubclass(value_type(field), SecretStr):
        variable = f"EEG_EMOTION_{name.upper()}"
        yield f"A password belongs in {variable}: other users can see the command line."


def _default(field: FieldInfo) -> str:
    """Return what holds where a setting is not given; empty for nothing."""
    if isinstance(field.json_schema_extra, dict) and "unset" in field.json_schema_extra:
        return in_terminal(str(field.json_schema_extra["unset"]))
    if isinstance(field.default, bool):
        return "yes" if field.default else "no"
    if isinstance(field.default, Enum):
        return str(field.default.value)
    return "" if field.default in (None, ()) else str(field.default)


def _limit(field: FieldInfo, name: str) -> float | None:
    return next((getattr(one, name) for one in field.metadata if hasattr(one, name)), None)


def _as_list(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else (value,)
