"""Access to a real service, the settings that it refuses, and its audit log."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from tests.support.command import assert_refused, command
from tests.support.processes import line_of
from typer.testing import CliRunner

from eeg_emotion.access.grants import Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.cli.main import app
from eeg_emotion.codes import Purpose
from eeg_emotion.daemon import preparation
from eeg_emotion.daemon.preparation import access_for
from eeg_emotion.demo import _apart_from_the_user
from eeg_emotion.settings import SettingsError, default_keys, load_settings

pytestmark = pytest.mark.slow

Start = Callable[..., Awaitable[tuple[Process, str]]]
READ = (Scope.parse("read:*"),)


@pytest.fixture(autouse=True)
def config_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start `eeg-emotion serve` and return the process and its first line."""
    processes = []

    async def run(*arguments: str) -> tuple[Process, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "eeg_emotion", "serve", "--port", "0", "--log-format", "json",
            "--session-id", secrets.token_hex(8), *arguments, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        processes.append(process)
        return process, await line_of(process)

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--host", "0.0.0.0"),  # noqa: S104 - which is refused
            ("found host = '0.0.0.0'", "'eeg-emotion keys create NAME --scope read:*'",
             "--allow-open"),
        ),
        (("--purpose", "workplace"), ("Article 5(1)(f)",)),
    ],
    ids=["open beyond this machine", "work without a justification"],
)  # fmt: skip
def test_forbidden_settings_are_refused_before_the_port_is_opened(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    monkeypatch.delattr(preparation, "listen")
    assert_refused(command("serve", "--port", "0", *options), 1, *words)


@pytest.mark.parametrize(
    ("options", "is_open"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"host": "0.0.0.0", "allow_open": True}, True),  # noqa: S104 - not listened on
        ({"host": "0.0.0.0", "keys": "keys"}, False),  # noqa: S104 - not listened on
        ({"keys": "keys"}, False),
        ({"keys": "keys", "allow_open": True}, False),
    ],
)
def test_it_is_open_if_allowed_and_without_keys(
    tmp_path: Path, options: dict[str, Any], is_open: bool
) -> None:
    if "keys" in options:
        options = options | {"keys": tmp_path / "keys.json"}
        KeyStore(options["keys"]).add("wallboard", READ)
    assert access_for(load_settings(**options), Purpose.DEMO).open is is_open


def test_keys_in_the_users_own_folder_are_required_by_default() -> None:
    assert access_for(load_settings(), Purpose.DEMO).open
    store = KeyStore(default_keys())
    store.add("wallboard", READ)
    assert not access_for(load_settings(), Purpose.DEMO).open
    # Revoking the last key must not open the service to everyone.
    store.revoke("wallboard")
    assert not access_for(load_settings(), Purpose.DEMO).open
    store.path.unlink()
    assert access_for(load_settings(), Purpose.DEMO).open


def test_an_empty_key_file_still_requires_credentials(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys.json")
    store.add("wallboard", READ)
    store.revoke("wallboard")
    assert not access_for(load_settings(keys=store.path), Purpose.DEMO).open


def test_a_missing_key_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="keys create NAME --scope"):
        access_for(load_settings(keys=tmp_path / "keys.json"), Purpose.DEMO)


def test_a_real_model_without_a_purpose_is_refused(model_file: Callable[..., Path]) -> None:
    model = model_file(lambda fields: fields["trained_on"].update(simulated=False))
    done = command("serve", "--port", "0", "--model", model)
    assert_refused(done, 1, "expected --purpose with one of research, medical")


def test_the_demo_ignores_the_settings_of_the_users_own_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    KeyStore(default_keys()).add("wallboard", READ)
    monkeypatch.setenv("EEG_EMOTION_PURPOSE", "workplace")
    for name, value in (environment := _apart_from_the_user(tmp_path / "demo")).items():
        monkeypatch.setenv(name, value)
    for name in set(os.environ) - set(environment):
        monkeypatch.delenv(name)
    settings = load_settings()
    assert settings.purpose is None
    assert access_for(settings, Purpose.DEMO).open


async def assert_commands_send_the_key(address: str, key: str) -> None:
    """Assert that commands send the key that an option or the environment provides."""

    def say(*options: str, token: str | None = None) -> str:
        arguments = ["profiles", "list", "--url", address, *options]
        found = CliRunner().invoke(app, arguments, env={"EEG_EMOTION_TOKEN": token})
        return f"{found.output} {found.exception}"

    assert "found no credentials, expected" in await asyncio.to_thread(say)
    assert "no profiles are stored" in await asyncio.to_thread(say, "--token", key)
    assert "no profiles are stored" in await asyncio.to_thread(say, token=key)


async def test_the_audit_covers_its_whole_life_and_no_line_contains_a_key(
    start: Start, tmp_path: Path
) -> None:
    store = KeyStore(tmp_path / "keys.json")
    good, wrong = store.add("wallboard", READ), "eeg_wallboard_" + "w" * 43
    audit = tmp_path / "audit.jsonl"
    desk = store.add("desk", (Scope.parse("profiles"),))
    options = ("--keys", str(store.path), "--audit", str(audit), "--purpose", "workplace")
    folder = ("--profiles", str(tmp_path / "profiles"))
    process, line = await start(*options, *folder, "--justification", "pilots' fatigue")
    address = line.split()[1]
    stream = f"{address.replace('http', 'ws', 1)}v1/stream"
    async with asyncio.timeout(100), httpx.AsyncClient(base_url=address, trust_env=False) as http:
        bearer = {"Authorization": f"Bearer {good}"}
        assert (await http.get("/v1/headsets")).status_code == 401
        assert (await http.get("/v1/headsets", headers=bearer)).status_code == 200
        for place in ("/v1/headsets", f"/v1/headsets?token={good}"):
            await http.get(place, headers={"Authorization": f"Bearer {wrong}"})
        for key in (good, wrong):
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(f"{stream}?token={key}", proxy=None)
        async with websockets.connect(stream, proxy=None) as socket:
            await socket.send(json.dumps({"type": "hello", "token": wrong}))
            await socket.wait_closed()
            assert (socket.close_code, wrong in (socket.close_reason or "")) == (4500, False)
        async with websockets.connect(stream, proxy=None) as socket:
            await socket.send(json.dumps({"type": "hello", "token": good, "subscribe": ["*"]}))
            welcome = json.loads(await socket.recv())
            assert (welcome["purpose"], welcome["justification"]) == (
                "workplace",
                "pilots' fatigue",
            )
            store.revoke("wallboard")
            assert (await http.get("/v1/headsets", headers=bearer)).status_code == 401
            await socket.wait_closed()
            assert socket.close_code == 4500
        await assert_commands_send_the_key(address, desk)
        process.send_signal(signal.SIGTERM)
        out, errors = await process.communicate()
    assert process.returncode == 0
    assert stat.S_IMODE(audit.stat().st_mode) == 0o600
    lines = [json.loads(text) for text in audit.read_text(encoding="utf-8").splitlines()]
    assert lines[0]["event"] == "started"
    assert (lines[0]["open"], lines[0]["justification"]) == (False, "pilots' fatigue")
    assert {item["purpose"] for item in lines} == {"workplace"}
    events = [item["event"] for item in lines]
    assert events.count("refused") == 8
    assert events.count("connected") == events.count("subscribed") == 1
    logged = [json.loads(text) for text in errors.decode().splitlines()]
    said = [item["event"] for item in logged if item["logger"] == "eeg_emotion.audit"]
    assert said == events
    everything = audit.read_text(encoding="utf-8") + out.decode() + errors.decode()
    for key in (good, wrong, desk):
        assert key.split("_", 2)[2] not in everything
