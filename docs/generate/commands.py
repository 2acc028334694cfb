"""The page of the command line, made from the commands themselves; none is run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from docs.generate.markdown import MADE, code, plain, table
from typer.core import TyperArgument, TyperGroup, TyperOption
from typer.main import get_command

from eeg_emotion.cli.main import app
from eeg_emotion.cli.options import FIELDS
from eeg_emotion_training.cli import app as training_app

_HEAD = """\
# Command line

{made}
Every command prints this too, with `--help`. Exit status of every command: 0 done, 1 failed with a
message (also for invalid values of settings), 2 wrong usage.
"""


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes
    ----------
    name
        As it is typed, such as `eeg-emotion keys create`.
    text
        What it does.
    arguments
        Its arguments, in their order.
    options
        Its options by parameter, without `--help`.
    subcommands
        The words that may follow.
    """

    name: str
    text: str
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    subcommands: tuple[str, ...]

    @property
    def spellings(self) -> frozenset[str]:
        """Every way in which an option is written."""
        written = [(*one.opts, *one.secondary_opts) for one in self.options.values()]
        return frozenset(option for options in written for option in options) | {"--help"}


def commands() -> Mapping[str, Command]:
    """Return every command of both programs by its name, in the order of their help."""
    found: dict[str, Command] = {}
    for program in (app, training_app):
        _add(found, get_command(program), str(program.info.name))
    return found


def _add(found: dict[str, Command], made: Any, name: str) -> None:
    below = made.commands if isinstance(made, TyperGroup) else {}
    # `--install-completion` and `--show-completion` are typer's own, not ours.
    options = {
        str(one.name): one
        for one in made.params
        if isinstance(one, TyperOption) and "completion" not in str(one.name)
    }
    arguments = tuple(one for one in made.params if isinstance(one, TyperArgument))
    text = inspect.cleandoc(made.help or "")
    found[name] = Command(name, text, arguments, options, tuple(below))
    for word, command in below.items():
        _add(found, command, f"{name} {word}")


def page() -> str:
    """Write the page.

    Returns
    -------
    str
        Markdown.
    """
    parts = [_HEAD.format(made=MADE.format(source="the commands"))]
    for command in commands().values():
        parts += _section(command)
    return "\n".join(parts)


def _section(command: Command) -> Iterator[str]:
    level = "##" if " " not in command.name else "###"
    yield f"{level} `{command.name}`\n"
    yield f"{command.text}\n"
    yield f"```text\n{_usage(command)}\n```\n"
    if command.subcommands:
        yield f"Commands: {', '.join(map(code, command.subcommands))}.\n"
    own = [
        *((_argument(one), plain(one.help or ""), _default(one)) for one in command.arguments),
        *(
            (_option(one), plain(one.help or ""), _default(one))
            for name, one in command.options.items()
            if name not in FIELDS
        ),
    ]
    if own:
        yield table(("argument, option", "meaning", "default"), own)
    settings = [one for name, one in command.options.items() if name in FIELDS]
    if settings:
        spelled = ", ".join(code(one.opts[0]) for one in settings)
        yield f"[Settings](SETTINGS.md) as options: {spelled}.\n"


def _usage(command: Command) -> str:
    words = [command.name]
    if command.options:
        words.append("[OPTIONS]")
    if command.subcommands:
        words.append("COMMAND ...")
    words += [_metavar(one) if one.required else _bracketed(one) for one in command.arguments]
    return " ".join(words)


def _metavar(argument: Any) -> str:
    return str(argument.metavar or str(argument.name).upper())


def _bracketed(argument: Any) -> str:
    return f"[{_metavar(argument).strip('[]')}]"


def _argument(argument: Any) -> str:
    return code(_metavar(argument).strip("[]"))


def _option(option: Any) -> str:
    spelled = ", ".join(code(one) for one in (*option.opts, *option.secondary_opts))
    return spelled if option.is_flag else f"{spelled} {_value(option)}"


_NAMES = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


def _value(option: Any) -> str:
    described = option.type_descriptor
    annotation, stated = described.annotation, described.parameter_info
    (one_value,) = get_args(annotation) or (annotation,)
    if issubclass(one_value, Enum):
        return ", ".join(code(one.value) for one in one_value)
    limits = [
        f"{word} {limit}"
        for word, limit in (("from", stated.min), ("to", stated.max))
        if limit is not None
    ]
    name = option.metavar or _NAMES[one_value]
    return " ".join([name, *limits]) + (", may be repeated" if option.multiple else "")


def _default(parameter: Any) -> str:
    default = parameter.default
    if parameter.required:
        return "must be given"
    if default is None or default is False or callable(default) or default == ():
        return ""
    if default is True:
        return code(parameter.opts[0])
    return code(default.value if isinstance(default, Enum) else default)
