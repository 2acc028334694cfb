"""docs/reference/SETTINGS.md is what the settings and the command line say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from docs.generate.settings import COMMANDS, TABLES
from docs.generate.settings import page as reference
from tests.support.commands import commands_of

from eeg_emotion.alarms.delivery.settings import MqttSettings, WebhookSettings
from eeg_emotion.cli.main import app
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.settings import Settings

BESIDE = {"config", "quiet"}


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of each row by its key: the last name before the variable."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[cells[0].partition("<br>")[0].split(", ")[-1].strip("`")] = cells
    return found


def options(command: str) -> dict[str, list[str]]:
    return {
        parameter.name: [*parameter.opts, *parameter.secondary_opts]
        for parameter in commands_of(app)[command].params
    }


def test_every_setting_has_its_row_with_its_name_in_the_environment() -> None:
    found = rows(reference().partition("\n## ")[0])
    assert found.keys() == Settings.model_fields.keys() - TABLES.keys()
    for name, cells in found.items():
        assert cells[0].endswith(f"<br>`EEG_EMOTION_{name.upper()}`")


def test_every_key_of_a_table_has_its_row() -> None:
    sections = dict(
        zip(("quality", "webhook", "mqtt"), reference().split("\n## ")[1:], strict=True)
    )
    assert sections["quality"].startswith("`[quality]`")
    assert rows(sections["quality"]).keys() == {field.name for field in fields(QualityLimits)}
    assert sections["webhook"].startswith("`[[webhook]]`")
    assert rows(sections["webhook"]).keys() == WebhookSettings.model_fields.keys()
    assert sections["mqtt"].startswith("`[mqtt]`")
    assert rows(sections["mqtt"]).keys() == MqttSettings.model_fields.keys()
    assert all(cells[-1] for section in sections.values() for cells in rows(section).values())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_there_and_said_to_be_the_commands(command: str) -> None:
    found = rows(reference())
    for name, spelled in options(command).items():
        if name in BESIDE:
            assert f"`{spelled[0]}" in reference().partition("|")[0]
            continue
        cells = found[name]
        assert command in cells[1].split(", ")
        assert all(f"`{option}`" in cells[0] for option in spelled)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_is_said_to_take_what_it_does_not(command: str) -> None:
    said = {
        name
        for name, cells in rows(reference().partition("\n## ")[0]).items()
        if command in cells[1].split(", ")
    }
    assert said == options(command).keys() - BESIDE


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [
        ("port", "integer from 0 to 65535", "`8000`"),
        ("hop_seconds", "number above 0 in steps of 0.25", "the model's; the demo's has 1"),
        ("lsl_scope", "`machine`, `link`, `site`", "`machine`"),
        ("lsl_out", "`true`, `false`", "`false`"),
        ("match", "list of texts", "every headset"),
        ("cap", "text", "none"),
        ("rules", "list of texts", "none"),
        ("bus_ca", "path", "the system's"),
        (
            "event_store",
            "text, secret",
            "`events.db` in the [folder for data](platforms.md#files-and-folders) "
            "(`~/.local/share/eeg-emotion` on Linux)",
        ),
        ("rms_uv", "2 rising numbers", "`[60.0, 150.0]`"),
        ("secret", "text, secret", "must be given"),
        ("topic", "text", "`eeg-emotion`"),
    ],
)
def test_what_a_value_may_be_and_what_holds_without_it(name: str, value: str, default: str) -> None:
    assert rows(reference())[name][-3:-1] == [value, default]


def test_it_is_the_same_for_every_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = reference()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("EEG_EMOTION_PORT", "1111")
    assert reference() == before
