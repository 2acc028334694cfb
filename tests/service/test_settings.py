from __future__ import annotations

import base64
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from eeg_emotion.alarms.delivery.settings import MqttSettings, WebhookSettings
from eeg_emotion.codes import Purpose
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.log_format import LogFormat
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.settings import Settings, SettingsError, load_settings
from eeg_emotion.stream.selection import HeadsetFilter

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EEG_EMOTION_{name.upper()}", raising=False)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "eeg-emotion.toml"


def test_by_default_the_service_listens_on_this_machine_only() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.lsl_scope is Scope.MACHINE
    assert not settings.lsl_out
    assert settings.model is None


def test_each_source_takes_precedence_over_the_next(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = load_settings().port
    toml.write_text("port = 1111\n", encoding="utf-8")
    assert load_settings(toml).port == 1111 != default
    monkeypatch.setenv("EEG_EMOTION_PORT", "2222")
    assert load_settings(toml).port == 2222
    assert load_settings(toml, port=3333).port == 3333


def test_sources_are_merged_setting_by_setting(toml: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml.write_text('host = "::1"\nport = 1111\nsession_id = "file"\n', encoding="utf-8")
    monkeypatch.setenv("EEG_EMOTION_PORT", "2222")
    monkeypatch.setenv("EEG_EMOTION_SESSION_ID", "environment")
    settings = load_settings(toml, session_id="line")
    assert (settings.host, settings.port, settings.session_id) == ("::1", 2222, "line")


def test_an_omitted_option_overrides_nothing(toml: Path) -> None:
    toml.write_text("port = 1111\n", encoding="utf-8")
    assert load_settings(toml, port=None, host=None).port == 1111


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host", "192.0.2.1", "192.0.2.1"),
        ("port", "0", 0),
        ("max_connections", "10", 10),
        ("model", "models/own.onnx", Path("models/own.onnx")),
        ("hop_seconds", "0.75", 0.75),
        ("session_id", "lab 2", "lab 2"),
        ("lsl_scope", "link", Scope.LINK),
        ("lsl_peer", '["10.0.0.5", "amp.lab"]', ("10.0.0.5", "amp.lab")),
        ("lsl_base_port", "16600", 16600),
        ("lsl_port_range", "64", 64),
        ("stream_type", '["signal", "EXG"]', ("signal", "EXG")),
        ("lsl_out", "true", True),
        ("match", '["ward-*", "Muse?"]', ("ward-*", "Muse?")),
        ("cap", "biosemi32", "biosemi32"),
        ("quality", '{"flat_uv": 2.0}', QualityLimits(flat_uv=2.0)),
        ("profiles", "/srv/profiles", Path("/srv/profiles")),
        ("rules", '["signal-lost", "own.toml"]', ("signal-lost", "own.toml")),
        ("event_store", "postgresql://u:p@h/n", SecretStr("postgresql://u:p@h/n")),
        ("retention_days", "7.5", 7.5),
        (
            "webhook",
            json.dumps([{"name": "a", "url": "http://h/x", "secret": SECRET}]),
            (WebhookSettings(name="a", url=SecretStr("http://h/x"), secret=SecretStr(SECRET)),),
        ),
        ("mqtt", '{"url": "mqtt://h"}', MqttSettings(url=SecretStr("mqtt://h"))),
        ("bus", "nats://u:p@h:4222", SecretStr("nats://u:p@h:4222")),
        ("bus_credentials", "/srv/ward.creds", Path("/srv/ward.creds")),
        ("bus_ca", "/srv/ca.pem", Path("/srv/ca.pem")),
        ("site", '["clinic", "depot"]', ("clinic", "depot")),
        ("ingest", "ward-7", "ward-7"),
        ("purpose", "research", Purpose.RESEARCH),
        ("justification", "pilots' fatigue", "pilots' fatigue"),
        ("keys", "/srv/keys.json", Path("/srv/keys.json")),
        ("jwt_keys", "/srv/issuer.pem", Path("/srv/issuer.pem")),
        ("jwt_audience", "ward-7", "ward-7"),
        ("allow_open", "true", True),
        ("origin", '["https://board.example.org"]', ("https://board.example.org",)),
        ("trusted_proxy", '["10.0.0.0/8"]', ("10.0.0.0/8",)),
        ("root_path", "/emotion", "/emotion"),
        ("audit", "/srv/audit.jsonl", Path("/srv/audit.jsonl")),
        ("metrics_port", "9100", 9100),
        ("metrics_host", "10.0.0.5", "10.0.0.5"),
        ("docs", "false", False),
        ("log_format", "json", LogFormat.JSON),
    ],
)
def test_every_setting_can_come_from_every_source(
    name: str, text: str, value: Any, toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert getattr(load_by_name(name, value), name) == value
    literal = (
        f'"{text}"' if isinstance(value, str | Path | SecretStr) else text.replace('":', '" =')
    )
    toml.write_text(f"{name} = {literal}\n", encoding="utf-8")
    assert getattr(load_settings(toml), name) == value
    monkeypatch.setenv(f"EEG_EMOTION_{name.upper()}", text)
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("EEG_EMOTION_KEY", "did you mean EEG_EMOTION_KEYS"),
        ("eeg_emotion_alow_open", "did you mean EEG_EMOTION_ALLOW_OPEN"),
        ("EEG_EMOTION_QUALTY__FLAT_UV", "found the environment variable EEG_EMOTION_QUALTY__"),
        ("EEG_EMOTION_", "SETTINGS.md lists them"),
    ],
)
def test_a_variable_that_no_setting_has_is_refused(
    variable: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match=words):
        load_settings()


def test_variables_of_the_client_and_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("EEG_EMOTION_TOKEN", "EEG_EMOTION_BENCH_PINNED", "EEG_EMOTIONS"):
        monkeypatch.setenv(variable, "1")
    load_settings()


def load_by_name(name: str, value: Any) -> Settings:
    named: dict[str, Any] = {name: value}
    return load_settings(**named)


@pytest.fixture
def every_limit() -> dict[str, float | list[float]]:
    """Each limit of the quality, a little off its default."""
    limits: dict[str, float | list[float]] = {}
    for name, default in asdict(QualityLimits()).items():
        several = isinstance(default, tuple)
        limits[name] = [edge * 1.5 for edge in default] if several else default * 1.5
    return limits


def test_every_limit_of_the_quality_can_come_from_the_file_and_the_environment(
    toml: Path, monkeypatch: pytest.MonkeyPatch, every_limit: dict[str, float | list[float]]
) -> None:
    lines = [f"{name} = {value}" for name, value in every_limit.items()]
    toml.write_text("\n".join(["[quality]", *lines]), encoding="utf-8")
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in every_limit.items()
    }
    expected = QualityLimits(**values)
    assert load_settings(toml).quality == expected
    for name, value in every_limit.items():
        monkeypatch.setenv(f"EEG_EMOTION_QUALITY__{name.upper()}", str(value))
    assert load_settings().quality == expected


def test_a_limit_from_the_environment_keeps_the_other_limits_of_the_file(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text("[quality]\nflat_uv = 2.0\nleast_quality = 0.7\n", encoding="utf-8")
    monkeypatch.setenv("EEG_EMOTION_QUALITY__FLAT_UV", "3.5")
    quality = load_settings(toml).quality
    assert quality == QualityLimits(flat_uv=3.5, least_quality=0.7)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("flat_uv = -1.0", "found flat_uv = -1.0, expected a number from 0 upwards"),
        ("rms_uv = [150.0, 60.0]", "found rms_uv = (150.0, 60.0), expected two rising numbers"),
        ("flat_uv = nan", "found flat_uv = nan"),
        ("flat_mv = 1.0", "quality.flat_mv: "),
        ("rms_uv = 3.0", "quality.rms_uv: "),
    ],
)
def test_an_impossible_limit_is_refused_by_name(toml: Path, table: str, words: str) -> None:
    toml.write_text(f"[quality]\n{table}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(toml)
    assert words in str(caught.value)


def test_an_unknown_cap_is_refused_with_a_list_of_the_known() -> None:
    with pytest.raises(SettingsError, match=r"cap: .*found the cap 'easycap'.*biosemi32"):
        load_settings(cap="easycap")


def test_an_invalid_bus_is_refused_without_showing_its_password() -> None:
    with pytest.raises(SettingsError, match=r"bus: .*found 'redis', expected memory://") as caught:
        load_settings(bus="redis://me:s3cret@host")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("site", ("Ward 7",)), ("ingest", "a.b")])
def test_a_name_that_is_not_a_subject_token_is_refused(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match="expected small letters, digits and '-'"):
        load_by_name(name, value)


def test_a_proxy_that_is_not_an_address_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"trusted_proxy: .*'proxy\.example'"):
        load_settings(trusted_proxy=("proxy.example",))


@pytest.mark.parametrize("root_path", ["emotion", "/a b", "/a//b", "https://example.org/a"])
def test_a_root_path_that_is_no_path_is_refused_with_an_example(root_path: str) -> None:
    with pytest.raises(SettingsError, match=r"root_path: .*expected a path such as /emotion"):
        load_settings(root_path=root_path)


def test_a_root_path_like_the_service_s_own_is_refused() -> None:
    """A proxy that takes it off and one that does not could not be told apart."""
    with pytest.raises(SettingsError, match=r"root_path: .*begins like the service's own"):
        load_settings(root_path="/v1/emotion")


@pytest.mark.parametrize("root_path", ["/emotion/", "/a/b.c", "/", ""])
def test_a_root_path_s_last_slash_does_not_count(root_path: str) -> None:
    assert load_settings(root_path=root_path).root_path == root_path.rstrip("/")


@pytest.mark.parametrize("origin", ["*", "board.example.org", "https://board.example.org/page"])
def test_an_invalid_origin_is_refused_with_an_example(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"origin: .*https://board\.example\.org or"):
        load_settings(origin=(origin,))


def test_a_pattern_that_is_not_a_list_is_refused(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text('match = "ward-*"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"match: .*found 'ward-\*'"):
        load_settings(toml)
    monkeypatch.setenv("EEG_EMOTION_MATCH", "ward-*")
    with pytest.raises(SettingsError, match=r"environment.*match.*MATCH='\[\"ward-\*\"\]'"):
        load_settings()


def test_the_headset_filter_follows_the_settings() -> None:
    assert load_settings().headset_filter() == HeadsetFilter()
    quality = QualityLimits(flat_uv=2.0)
    found = load_settings(match=["a*"], cap="Fp1, Fp2, C3", quality=quality).headset_filter()
    assert found.match == ("a*",)
    assert found.cap is not None
    assert found.cap.sites == ("Fp1", "Fp2", "C3")
    assert found.limits is quality or found.limits == quality


def test_the_test_of_all_sources_covers_every_setting() -> None:
    (mark,) = vars(test_every_setting_can_come_from_every_source)["pytestmark"]
    assert {name for name, *_ in mark.args[1]} == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("data_home", "folder"),
    [
        ("/srv/data", "/srv/data/eeg-emotion/profiles"),
        (None, "/home/p/.local/share/eeg-emotion/profiles"),
        ("", "/home/p/.local/share/eeg-emotion/profiles"),
        ("data", "/home/p/.local/share/eeg-emotion/profiles"),
    ],
)
def test_profiles_are_stored_in_the_users_data_folder(
    data_home: str | None, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/p")
    if data_home is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", data_home)
    assert load_settings().profiles == Path(folder)


def test_an_unknown_key_in_the_file_is_refused_by_name(toml: Path) -> None:
    toml.write_text("prot = 8000\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"prot: .*found 8000.*serve --help"):
        load_settings(toml)


def test_an_unknown_option_is_refused_by_name() -> None:
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
def test_a_wrong_value_is_refused_with_its_name_and_what_was_found(
    name: str, value: object
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_by_name(name, value)
    assert f"{name}: " in str(caught.value)
    assert f"found {value!r}" in str(caught.value)


def test_a_wrong_value_is_refused_from_the_environment_and_the_file_too(
    toml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml.write_text('lsl_scope = "world"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"lsl_scope: .*'machine'.*found 'world'"):
        load_settings(toml)
    monkeypatch.setenv("EEG_EMOTION_PORT", "many")
    with pytest.raises(SettingsError, match=r"port: .*found 'many'"):
        load_settings()


def test_all_wrong_values_are_reported_at_once() -> None:
    with pytest.raises(SettingsError, match=r"port: .*hop_seconds: "):
        load_settings(port=-1, hop_seconds=0.3)


@pytest.mark.parametrize("name", ["gone.toml", "."])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="found no settings file") as caught:
        load_settings(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"port = \n", b"port 8000", b"[a", b"\xff\xfe\x00", b"a=1\na=2"]
)
def test_a_broken_file_is_refused_by_name(toml: Path, content: bytes) -> None:
    toml.write_bytes(content)
    with pytest.raises(SettingsError, match="is no TOML") as caught:
        load_settings(toml)
    assert str(toml) in str(caught.value)


def test_settings_do_not_change_while_the_service_runs() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]  # that it is refused is the test


def test_a_settings_file_of_an_earlier_call_is_not_used_again(toml: Path) -> None:
    default = load_settings().port
    toml.write_text("port = 1111\n", encoding="utf-8")
    load_settings(toml)
    assert load_settings().port == default


def test_a_refusal_is_an_error_of_this_project() -> None:
    assert issubclass(SettingsError, EegEmotionError)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - not listened on here
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.org", False),
    ],
)
def test_documentation_and_metrics_are_shown_on_loopback_by_default(
    host: str, loopback: bool
) -> None:
    settings = load_settings(host=host)
    assert (settings.serves_docs, settings.serves_metrics) == (loopback, loopback)
    asked = load_settings(host=host, docs=not loopback, metrics_port=9100)
    assert (asked.serves_docs, asked.serves_metrics) == (not loopback, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"webhook = [{{ name = 'a', url = 'ftp://h', secret = '{SECRET}' }}]", "expected http"),
        (f"webhook = [{{ name = 'a', url = 'http://u:pw-1@h', secret = '{SECRET}' }}]", "password"),
        ("webhook = [{ name = 'a', url = 'http://h', secret = 'whsec_pw-1' }]", "openssl rand"),
        ("mqtt = { url = 'http://u:pw-1@h' }", "expected mqtt://"),
        ("mqtt = { url = 'mqtt://u:pw-1@h', topic = 'a/#' }", "mqtt.topic"),
        ("mqtt = 'mqtt://u:pw-1@h'", "mqtt: "),
    ],
)
def test_invalid_delivery_settings_are_refused_without_showing_the_secret(
    toml: Path, text: str, words: str
) -> None:
    toml.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(toml)
    assert words in str(caught.value)
    assert "pw-1" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_two_webhooks_with_one_name_are_refused(toml: Path) -> None:
    table = f"[[webhook]]\nname = 'a'\nurl = 'http://h'\nsecret = '{SECRET}'\n"
    toml.write_text(table * 2, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"webhook: .*found the names a, a"):
        load_settings(toml)
