"""The user's own file of liblsl is reported, with the options for what it says."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.support.commands import commands_of

from eeg_emotion.cli.main import app
from eeg_emotion.lsl.user_file import describe_user_file
from eeg_emotion.settings import load_settings

FILE = """; a comment
[ports]
BasePort = 17000
PortRange = 64
[multicast]
ResolveScope = link
[lab]
KnownPeers = {127.0.0.1, amp.lab}
SessionID = lab-1
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LSLAPICFG", raising=False)
    return tmp_path


def test_the_options_that_are_named_set_what_the_file_says(home: Path) -> None:
    (home / "own.cfg").write_text(FILE, encoding="utf-8")
    text = describe_user_file({"LSLAPICFG": str(home / "own.cfg")})
    assert text is not None
    assert text.startswith(f"{home / 'own.cfg'}, named by LSLAPICFG, is not used")
    words = shlex.split(text.rpartition("give ")[2])
    options = {option: one.name for one in commands_of(app)["serve"].params for option in one.opts}
    given: dict[str, Any] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        name = options[option]
        is_peer = name == "lsl_peer"
        given[str(name)] = (*given.get("lsl_peer", ()), value) if is_peer else value
    settings = load_settings(**given)
    assert (settings.session_id, str(settings.lsl_scope)) == ("lab-1", "link")
    assert settings.lsl_peer == ("127.0.0.1", "amp.lab")
    assert settings.lsl_ports == range(17000, 17064)


def test_a_file_in_the_working_folder_is_found_and_none_is_none(home: Path) -> None:
    assert describe_user_file({}) is None or Path("/etc/lsl_api/lsl_api.cfg").exists()
    (home / "lsl_api.cfg").write_bytes(b"[log]\nlevel = 3\n\xff\x00")
    text = describe_user_file({"LSLAPICFG": str(home / "missing.cfg")})
    assert text is not None
    assert text.startswith("lsl_api.cfg is not used")
    assert text.endswith("it has nothing to set here")


def test_a_large_file_is_read_in_part_and_a_long_value_cut(home: Path) -> None:
    (home / "lsl_api.cfg").write_text(f"SessionID = {'x' * 10**6}", encoding="utf-8")
    text = describe_user_file({})
    assert text is not None
    assert len(text) < 400
