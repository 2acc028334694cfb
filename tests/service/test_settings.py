from __future__ import annotations

from pathlib import Path

import pytest
import typer

from eeg_emotion.cli import app
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.headset.lsl import Scope
from eeg_emotion.settings import Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EEG_EMOTION_{name.upper()}", raising=False)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "eeg-emotion.toml"


def test_without_any_source_the_service_listens_on_this_machine_alone():
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.lsl_scope is Scope.MACHINE
    assert settings.model is None


def test_each_source_goes_before_the_next(toml: Path, monkeypatch: pytest.MonkeyPatch):
    default = load_settings().port
    toml.write_text("port = 1111\n", encoding="utf-8")
    assert load_settings(toml).port == 1111 != default
    monkeypatch.setenv("EEG_EMOTION_PORT", "2222")
    assert load_settings(toml).port == 2222
    assert load_settings(toml, port=3333).port == 3333


def test_sources_are_joined_setting_by_setting(toml: Path, monkeypatch: pytest.MonkeyPatch):
    toml.write_text('host = "::1"\nport = 1111\nsession_id = "file"\n', encoding="utf-8")
    monkeypatch.setenv("EEG_EMOTION_PORT", "2222")
    monkeypatch.setenv("EEG_EMOTION_SESSION_ID", "environment")
    settings = load_settings(toml, session_id="line")
    assert (settings.host, settings.port, settings.session_id) == ("::1", 2222, "line")


def test_an_option_that_was_not_given_hides_nothing(toml: Path):
    toml.write_text("port = 1111\n", encoding="utf-8")
    assert load_settings(toml, port=None, host=None).port == 1111


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "192.0.2.1", "192.0.2.1"),
        ("port", "0", 0),
        ("model", "models/own.onnx", Path("models/own.onnx")),
        ("hop_seconds", "0.75", 0.75),
        ("session_id", "lab 2", "lab 2"),
        ("lsl_scope", "link", Scope.LINK),
    ],
)
def test_every_setting_can_come_from_every_source(
    name: str, text: str, value: object, toml: Path, monkeypatch: pytest.MonkeyPatch
):
    assert getattr(load_settings(**{name: value}), name) == value
    literal = text if isinstance(value, int | float) else f'"{text}"'
    toml.write_text(f"{name} = {literal}\n", encoding="utf-8")
    assert getattr(load_settings(toml), name) == value
    monkeypatch.setenv(f"EEG_EMOTION_{name.upper()}", text)
    assert getattr(load_settings(), name) == value


def test_the_test_above_knows_every_setting():
    (mark,) = test_every_setting_can_come_from_every_source.pytestmark
    assert {name for name, *_ in mark.args[1]} == set(Settings.model_fields)


def test_an_unknown_key_in_the_file_is_refused_by_name(toml: Path):
    toml.write_text("prot = 8000\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"prot: .*found 8000.*serve --help"):
        load_settings(toml)


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(SettingsError, match="prot"):
        load_settings(prot=8000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65536),
        ("port", -1),
        ("port", "http"),
        ("hop_seconds", 0.3),
        ("hop_seconds", 0),
        ("hop_seconds", -1.0),
        ("lsl_scope", "world"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_was_found(name: str, value: object):
    with pytest.raises(SettingsError) as caught:
        load_settings(**{name: value})
    assert f"{name}: " in str(caught.value)
    assert f"found {value!r}" in str(caught.value)


def test_a_wrong_value_is_refused_from_the_environment_and_the_file_too(
    toml: Path, monkeypatch: pytest.MonkeyPatch
):
    toml.write_text('lsl_scope = "world"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"lsl_scope: .*'machine'.*found 'world'"):
        load_settings(toml)
    monkeypatch.setenv("EEG_EMOTION_PORT", "many")
    with pytest.raises(SettingsError, match=r"port: .*found 'many'"):
        load_settings()


def test_all_wrong_values_are_told_at_once():
    with pytest.raises(SettingsError, match=r"port: .*hop_seconds: "):
        load_settings(port=-1, hop_seconds=0.3)


@pytest.mark.parametrize("name", ["gone.toml", "."])
def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path, name: str):
    with pytest.raises(SettingsError, match="found no settings file") as caught:
        load_settings(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"port = \n", b"port 8000", b"[a", b"\xff\xfe\x00", b"a=1\na=2"]
)
def test_a_broken_file_is_refused_by_name(toml: Path, content: bytes):
    toml.write_bytes(content)
    with pytest.raises(SettingsError, match="is no TOML") as caught:
        load_settings(toml)
    assert str(toml) in str(caught.value)


def test_settings_do_not_change_while_the_service_runs():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_a_file_that_another_call_named_is_forgotten(toml: Path):
    default = load_settings().port
    toml.write_text("port = 1111\n", encoding="utf-8")
    load_settings(toml)
    assert load_settings().port == default


def test_a_refusal_is_an_error_of_this_project():
    assert issubclass(SettingsError, EegEmotionError)


def test_every_setting_is_an_option_and_stands_in_the_reference_table() -> None:
    table = (Path(__file__).parents[2] / "service" / "README.md").read_text(encoding="utf-8")
    options = {parameter.name for parameter in typer.main.get_command(app).commands["serve"].params}
    for name in Settings.model_fields:
        assert name in options
        dashed = name.replace("_", "-")
        assert f"| `--{dashed}`, `{name}` | `EEG_EMOTION_{name.upper()}` |" in table
    assert table.count("EEG_EMOTION_") == len(Settings.model_fields)
