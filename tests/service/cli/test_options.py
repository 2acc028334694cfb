"""Options are what the settings say, and a command gets what was typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import typer
from docs.generate.settings import COMMANDS, TABLES
from tests.support.command import command
from typer.core import TyperGroup, TyperOption
from typer.main import get_command
from typer.testing import CliRunner

from eeg_emotion.cli.main import app
from eeg_emotion.cli.options import FIELDS, in_terminal, takes_settings
from eeg_emotion.codes import Purpose
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.settings import Settings

Called = list[dict[str, Any]]


def parameters(verb: str) -> dict[str, TyperOption]:
    """Return the options of a command by their settings."""
    group = cast(TyperGroup, get_command(app))
    return {str(one.name): cast(TyperOption, one) for one in group.commands[verb].params}


def helps(verb: str) -> dict[str, str]:
    """Return the help of each option of a command by its setting."""
    return {name: option.help or "" for name, option in parameters(verb).items()}


@pytest.fixture
def called() -> Called:
    return []


@pytest.fixture
def some(called: Called) -> typer.Typer:
    """A command with one setting of each kind."""
    made = typer.Typer()

    @made.command()
    @takes_settings(
        "port", "hop_seconds", "bus", "model", "purpose", "lsl_out", "match", "site", "ingest",
        once=("site",), spelled={"ingest": "--name"},
    )  # fmt: skip
    def run(file: Path, *, quiet: bool = False, **settings: object) -> None:
        called.append({"file": file, "quiet": quiet} | settings)

    return made


def test_every_setting_is_an_option_or_a_table() -> None:
    assert FIELDS.keys() | TABLES.keys() == Settings.model_fields.keys()
    assert not FIELDS.keys() & TABLES.keys()
    assert FIELDS.keys() == helps("serve").keys() - {"config", "quiet"}


def test_options_arrive_as_their_settings_have_them(some: typer.Typer, called: Called) -> None:
    arguments = [
        "a.edf",
        "--port",
        "0",
        "--hop-seconds",
        "0.5",
        "--bus",
        "nats://h",
        "--model",
        "m",
    ]
    arguments += ["--purpose", "research", "--no-lsl-out", "--match", "a*", "--match", "b*"]
    arguments += ["--site", "ward", "--name", "pc-7", "--quiet"]
    assert CliRunner().invoke(some, arguments, catch_exceptions=False).exit_code == 0
    assert called == [
        {
            "file": Path("a.edf"),
            "port": 0,
            "hop_seconds": 0.5,
            "bus": "nats://h",
            "model": Path("m"),
            "purpose": Purpose.RESEARCH,
            "lsl_out": False,
            "match": ["a*", "b*"],
            "site": ("ward",),
            "ingest": "pc-7",
            "quiet": True,
        }
    ]


def test_an_option_that_is_not_given_is_none(some: typer.Typer, called: Called) -> None:
    assert CliRunner().invoke(some, ["a.edf"], catch_exceptions=False).exit_code == 0
    (found,) = called
    assert (found.pop("file"), found.pop("quiet")) == (Path("a.edf"), False)
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "65536"), "Invalid value for '--port'"),
        (("--max-connections", "0"), "Invalid value for '--max-connections'"),
        (("--lsl-scope", "world"), "Invalid value for '--lsl-scope'"),
        (("--name", "pc-7"), "No such option: --name"),
        (("--quality", "1"), "No such option: --quality"),
    ],
)
def test_what_a_setting_cannot_be_is_wrong_usage(arguments: tuple[str, ...], words: str) -> None:
    done = command("serve", *arguments)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_a_site_is_one_where_headsets_are_read_and_any_number_at_a_gateway() -> None:
    assert [parameters(verb)["site"].multiple for verb in COMMANDS] == [False, False, True]
    assert parameters("serve")["ingest"].opts == ["--ingest"]
    assert parameters("ingest")["ingest"].opts == ["--name"]
    assert "ingest" not in parameters("gateway")


@pytest.mark.parametrize("verb", COMMANDS)
def test_help_has_the_whole_description_without_markup(verb: str) -> None:
    shown = " ".join(command(verb, "--help").stdout.split())
    for name, text in helps(verb).items():
        assert " ".join(text.split()) in shown
        if name in FIELDS:
            assert text.startswith(in_terminal(FIELDS[name].description or ""))
        assert not set("`[]") & set(text), f"{name}: {text}"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("port", "Port to listen on; 0 takes a free one. Default: 8000."),
        ("lsl_scope", "LSL has no security. Default: machine."),
        ("lsl_out", "See docs/reference/lsl-outlets.md. Default: no."),
        ("match", "such as 'ward-*'. May be repeated. Default: every headset."),
        ("site", "'*' for all. Default: none; for a gateway all."),
        ("audit", "as JSON lines. Default: the log only."),
        ("cap", "such as 'Fp1,Fp2,C3,C4'."),
        (
            "keys",
            "Credentials are required if it is named, or if the default file exists, even with no "
            "key in it. Default: 'keys.json' in the folder for settings ('~/.config/eeg-emotion' "
            "on Linux).",
        ),
        (
            "bus",
            "Default: 'memory://'. A password belongs in EEG_EMOTION_BUS: other users can see the "
            "command line.",
        ),
    ],
)
def test_help_says_what_holds_without_an_option(name: str, end: str) -> None:
    assert helps("serve")[name].endswith(end)


def test_one_scope_is_named_alike_by_every_command() -> None:
    texts = {helps(verb)["lsl_scope"] for verb in ("serve", "ingest", "doctor", "replay")}
    assert len(texts) == 1
    assert FIELDS["lsl_scope"].default is Scope.MACHINE


@pytest.mark.parametrize("verb", sorted(cast(TyperGroup, get_command(app)).commands))
def test_help_cuts_no_word_at_80_columns(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "80"})
    assert shown.exit_code == 0
    # Our own description of the broker's address has one.
    assert "…" not in shown.output.replace("'tls://…'", "")
    assert max(map(len, shown.output.splitlines())) <= 80
