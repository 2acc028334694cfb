"""The base install stands alone: the main job without a package of any extra.

The extras are installed where tests run. In this process, and in those that a test starts, their
modules cannot be imported.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.support.command import assert_refused, command

from eeg_emotion.extras import MODULES, install_command

# The training's Markdown is in the base too: Rich brings it.
LEFT_OUT = frozenset(sum(MODULES.values(), ())) - {"markdown_it"}
ALARMS = f"expected the extra 'alarms'; install it with: {install_command('alarms')}"
CLUSTER = f"expected the extra 'cluster'; install it with: {install_command('cluster')}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a process that can import no module of an extra."""
    folder = tmp_path_factory.mktemp("base")
    Path(folder, "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({sorted(LEFT_OUT)}))\n", encoding="utf-8"
    )
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}


@contextmanager
def started(base: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "eeg_emotion", *arguments],
        stdout=subprocess.PIPE,
        env=base,
        text=True,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_serve_does_the_main_job_and_says_that_alarms_are_not_installed(
    base: dict[str, str],
) -> None:
    session = ("--session-id", secrets.token_hex(8))
    with started(base, "serve", "--port", "0", "--quiet", *session) as process:
        assert process.stdout is not None
        ready, address = process.stdout.readline().split()
        assert ready == "ready"
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            assert client.get("readyz").json() == {"status": "ok"}
            assert client.get("v1/headsets").json() == []
            refusal = client.get("v1/alarms")
        assert refusal.status_code == 404
        assert "alarms are not installed" in refusal.json()["detail"]
        process.terminate()
        rest = process.stdout.read()  # not `communicate`, which passes over what is buffered
    assert f"alarms     not installed; to add: {install_command('alarms')}" in rest.splitlines()


@pytest.fixture
def without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of them to be found in this process."""
    for module in LEFT_OUT:
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.usefixtures("without_extras")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "--rules", "signal-lost"), ("raising alarms (setting: rules)", ALARMS)),
        (("serve", "--event-store", "sqlite:////tmp/a.db"), ("(setting: event_store)", ALARMS)),
        (("serve", "--bus", "nats://h", "--site", "a"), ("a broker (setting: bus)", CLUSTER)),
        (("ingest", "--bus", "nats://h", "--site", "a"), ("'eeg-emotion ingest'", CLUSTER)),
        (("gateway", "--bus", "nats://h"), ("'eeg-emotion gateway'", CLUSTER)),
        (("events", "purge", "--older-than-days", "3"), ("'eeg-emotion events'", ALARMS)),
        (("what-if", "signal-lost", "person.edf"), ("'eeg-emotion what-if'", ALARMS)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_what_needs_an_extra_names_it_and_the_command(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_refused(command(*arguments), 1, *words)


@pytest.mark.usefixtures("without_extras")
def test_deliveries_in_the_settings_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {"name": "a", "url": "http://h", "secret": "whsec_" + "A" * 44}
    monkeypatch.setenv("EEG_EMOTION_WEBHOOK", json.dumps([hook]))
    monkeypatch.setenv("EEG_EMOTION_MQTT", json.dumps({"url": "mqtt://h"}))
    words = ("raising alarms (settings: webhook, mqtt)", ALARMS, "or leave the settings out")
    assert_refused(command("serve"), 1, *words)


@pytest.mark.usefixtures("without_extras")
def test_empty_settings_ask_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list is no rule: what is refused is something else."""
    monkeypatch.setenv("EEG_EMOTION_RULES", "[]")
    assert_refused(command("serve", "--model", "none.onnx"), 1, "none.onnx")
