"""`eeg-emotion keys` as users see it, and the key that the other commands send."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eeg_emotion.access.credentials import CredentialsError
from eeg_emotion.access.grants import Action, ScopeError
from eeg_emotion.access.keys import KeyNameError, KeyStore
from eeg_emotion.cli.main import app
from eeg_emotion.settings import default_keys


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("EEG_EMOTION_KEYS", raising=False)
    return tmp_path / "config"


def run(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_a_key_is_created_in_the_users_own_folder_and_printed_alone(config_home: Path) -> None:
    out, remarks = run("create", "wallboard", "--scope", "read:ward-*", "--scope", "metrics")
    file = config_home / "eeg-emotion" / "keys.json"
    assert default_keys() == file
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    grant = KeyStore(file).authenticate(out.removesuffix("\n"))
    assert grant.expires is None
    assert grant.allows(Action.READ, "ward-7")
    assert grant.allows(Action.METRICS)
    assert "Save the key now" in remarks
    assert out.strip() not in remarks


def test_a_key_expires_after_the_given_days() -> None:
    key = json.loads(
        run("create", "guest", "--scope", "read:*", "--expires-days", "0.5", "--json")[0]
    )
    assert KeyStore(Path(key["file"])).authenticate(key["key"]).expires is not None
    run("create", "gone", "--scope", "predict", "--expires-days", "0")
    lines = run("list")[0].splitlines()
    assert ", expires " in lines[0]
    assert ", expired " in lines[1]


def test_keys_are_listed_without_their_secrets() -> None:
    assert "holds no keys; 'eeg-emotion keys create' makes one" in run("list")[0]
    key = run("create", "wallboard", "--scope", "read:*", "--scope", "control:lab-1")[0]
    digest = KeyStore(default_keys()).list()[0].sha256
    words, fields = run("list")[0], run("list", "--json")[0]
    assert words.startswith("wallboard: read:* control:lab-1; created ")
    assert "never expires" in words
    assert json.loads(fields)[0]["scopes"] == ["read:*", "control:lab-1"]
    for secret in (key.strip().split("_", 2)[2], digest):
        assert secret not in words + fields


def test_a_revoked_key_is_no_longer_accepted() -> None:
    key = run("create", "wallboard", "--scope", "read:*")[0].strip()
    assert run("revoke", "wallboard")[0] == "key wallboard is revoked\n"
    with pytest.raises(CredentialsError):
        KeyStore(default_keys()).authenticate(key)


@pytest.mark.parametrize("source", ["option", "environment", "file"])
def test_the_services_settings_name_the_key_file(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "elsewhere.json"
    options = []
    if source == "option":
        options = ["--keys", str(keys)]
    elif source == "environment":
        monkeypatch.setenv("EEG_EMOTION_KEYS", str(keys))
    else:
        (tmp_path / "service.toml").write_text(f'keys = "{keys}"\n', encoding="utf-8")
        options = ["--config", str(tmp_path / "service.toml")]
    run("create", "wallboard", "--scope", "read:*", *options)
    assert keys.is_file()
    assert "wallboard" in run("list", *options)[0]
    run("revoke", "wallboard", *options)
    assert not default_keys().exists()


@pytest.mark.parametrize("days", ["inf", "nan", "1e9", "1e300", "3650.1", "-1"])
def test_impossible_numbers_of_days_are_refused(days: str) -> None:
    result = CliRunner().invoke(
        app, ["keys", "create", "a", "--scope", "read:*", "--expires-days", days]
    )
    assert result.exit_code == 2
    assert "expected 0 to 3650" in " ".join(result.output.split())
    assert not default_keys().exists()


@pytest.mark.parametrize(
    "scope", ["read:a,read:b", "read:a read:b", "read:a,b", "control:lab:1", "read: a"]
)
def test_several_scopes_in_one_are_refused_with_the_remedy(scope: str) -> None:
    result = CliRunner().invoke(app, ["keys", "create", "a", "--scope", scope])
    assert isinstance(result.exception, ScopeError)
    assert "repeat --scope" in str(result.exception)
    assert not default_keys().exists()


def test_revoking_the_last_key_explains_the_consequences() -> None:
    for name in ("a", "b"):
        run("create", name, "--scope", "read:*")
    assert run("revoke", "a")[1] == ""
    assert "no key gives access" in run("revoke", "b")[1]


def test_invalid_requests_are_refused_with_the_remedy() -> None:
    runner = CliRunner()
    assert isinstance(
        runner.invoke(app, ["keys", "create", "a", "--scope", "write:*"]).exception, ScopeError
    )
    assert isinstance(
        runner.invoke(app, ["keys", "create", "A B", "--scope", "read:*"]).exception, KeyNameError
    )
    assert isinstance(runner.invoke(app, ["keys", "revoke", "nobody"]).exception, KeyNameError)
    assert runner.invoke(app, ["keys", "create", "a"]).exit_code == 2
