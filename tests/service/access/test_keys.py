"""Keys: random, hashed on disk, for the owner's eyes only, and gone as soon as they are revoked."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eeg_emotion.access.credentials import CredentialsError
from eeg_emotion.access.grants import Action, Scope
from eeg_emotion.access.keys import KeyFileError, KeyNameError, KeyStore

READ = (Scope.parse("read:ward-*"),)


@pytest.fixture
def store(tmp_path: Path, clock: Any) -> KeyStore:
    return KeyStore(tmp_path / "config" / "keys.json", utc=clock)


def secret_of(key: str) -> str:
    return key.split("_", 2)[2]


def test_a_key_is_known_with_its_scopes_and_no_other(store: KeyStore) -> None:
    key = store.add("wallboard", (*READ, Scope.parse("metrics")))
    grant = store.authenticate(key)
    assert (grant.subject, grant.expires) == ("wallboard", None)
    assert grant.allows(Action.READ, "ward-7")
    assert grant.allows(Action.METRICS)
    assert not grant.allows(Action.READ, "lab-1")
    assert not grant.allows(Action.CONTROL, "ward-7")


def test_the_secret_has_256_bits_of_what_is_passed_in(tmp_path: Path) -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    key = KeyStore(tmp_path / "keys.json", random=random).add("a", READ)
    assert asked == [32]
    assert len(secret_of(key)) == 43


def test_keys_differ(store: KeyStore) -> None:
    assert len({secret_of(store.add(f"k{number}", READ)) for number in range(20)}) == 20


def test_the_file_has_the_hash_alone(store: KeyStore) -> None:
    secret = secret_of(store.add("wallboard", READ))
    text = store.path.read_text(encoding="utf-8")
    assert secret not in text
    assert json.loads(text)["keys"][0]["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert json.loads(text)["schema_version"] == 1


def test_only_its_owner_may_read_the_file_and_its_folder(store: KeyStore) -> None:
    before = os.umask(0)
    try:
        store.add("wallboard", READ)
        store.add("lab", READ)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666])
def test_a_file_that_others_may_read_or_write_is_refused_with_the_remedy(
    store: KeyStore, mode: int
) -> None:
    key = store.add("wallboard", READ)
    store.path.chmod(mode)
    with pytest.raises(KeyFileError, match="chmod 600"):
        store.list()
    with pytest.raises(CredentialsError):
        store.authenticate(key)


def test_a_mode_says_nothing_on_windows_and_is_not_asked(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.add("wallboard", READ)
    store.path.chmod(0o666)  # of every file there that may be written
    monkeypatch.delattr(os, "getuid")
    assert store.authenticate(key).subject == "wallboard"


def test_a_file_that_its_group_may_read_is_taken_since_containers_mount_it_so(
    store: KeyStore,
) -> None:
    key = store.add("wallboard", READ)
    store.path.chmod(0o440)
    assert store.authenticate(key).subject == "wallboard"


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key[:-1] + ("A" if key[-1] != "A" else "B"),
        lambda key: key.replace("wallboard", "lab"),
        lambda key: key + "A",
        lambda key: key[:-1],
        lambda key: f" {key}",
        lambda key: f"{key}\n",
        lambda key: key.removeprefix("eeg_"),
        lambda key: "",
        lambda key: "eeg_wallboard_",
        lambda key: key.upper(),
        lambda key: key.replace("wallboard", "nobody"),
        lambda key: "eeg_wallboard_" + "é" * 43,
    ],
)
def test_what_is_not_the_key_is_refused_and_not_repeated(
    store: KeyStore, change: Callable[[str], str]
) -> None:
    key = store.add("wallboard", READ)
    store.add("lab", READ)
    wrong = change(key)
    with pytest.raises(CredentialsError) as caught:
        store.authenticate(wrong)
    assert secret_of(key)[:20] not in str(caught.value)
    assert wrong == "" or wrong not in str(caught.value)


def test_the_hash_itself_is_no_key(store: KeyStore) -> None:
    store.add("wallboard", READ)
    digest = store.list()[0].sha256
    with pytest.raises(CredentialsError):
        store.authenticate(f"eeg_wallboard_{digest[:43]}")


def test_a_key_ends_when_it_was_said_to(store: KeyStore, clock: Any) -> None:
    key = store.add("guest", READ, expires=clock.now + 60)
    assert store.authenticate(key).expires == clock.now + 60
    clock.now += 60
    with pytest.raises(CredentialsError, match="'guest', which has expired"):
        store.authenticate(key)


def test_a_revocation_counts_in_a_store_that_runs(store: KeyStore) -> None:
    key = store.add("wallboard", READ)
    other = store.add("lab", READ)
    running = KeyStore(store.path)
    grant, left = running.authenticate(key), running.authenticate(other)
    assert running.holds(grant)
    store.revoke("wallboard")
    assert not running.holds(grant)
    assert running.holds(left)
    with pytest.raises(CredentialsError):
        running.authenticate(key)


def test_a_new_key_of_the_same_name_does_not_bring_the_old_one_back(store: KeyStore) -> None:
    old = store.authenticate(store.add("wallboard", READ))
    store.revoke("wallboard")
    store.add("wallboard", READ)
    assert not store.holds(old)


def test_a_key_whose_scopes_were_edited_loses_its_grant(store: KeyStore) -> None:
    grant = store.authenticate(store.add("wallboard", READ))
    text = store.path.read_text(encoding="utf-8")
    store.path.write_text(text.replace("read:ward-*", "read:ward-9"), encoding="utf-8")
    assert not store.holds(grant)


def test_a_missing_file_has_no_keys(store: KeyStore) -> None:
    grant = store.authenticate(store.add("wallboard", READ))
    store.path.unlink()
    assert not store.holds(grant)
    assert store.list() == ()


def test_a_file_damaged_while_running_admits_no_key_and_revokes_none(
    store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    key = store.add("wallboard", READ)
    grant = store.authenticate(key)
    good = store.path.read_text(encoding="utf-8")
    store.path.write_text(good[:-10], encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        assert store.holds(grant)
        with pytest.raises(CredentialsError, match="see the service's log"):
            store.authenticate(key)
        assert store.holds(grant)
    assert len(caplog.records) == 1
    assert str(store.path) in str(caplog.records[0].msg)
    store.path.write_text(good, encoding="utf-8")
    assert store.authenticate(key) == grant


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
def test_a_file_that_could_not_be_read_for_a_moment_is_read_at_the_next_call(
    store: KeyStore,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = store.add("wallboard", READ)
    grant = store.authenticate(key)
    other = store.add("lab", READ)

    def fail(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(Path, "open", fail)
        for _ in range(3):
            with pytest.raises(CredentialsError, match="see the service's log"):
                store.authenticate(other)
            assert store.holds(grant)
    assert len(caplog.records) == 1
    assert store.authenticate(other).subject == "lab"
    assert store.authenticate(key) == grant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema_version": 2, "keys": []}',
        '{"keys": [{"name": "a"}]}',
        '{"keys": [], "more": 1}',
    ],
)
def test_a_damaged_file_is_refused_with_the_remedy(store: KeyStore, text: str) -> None:
    store.add("wallboard", READ)
    store.path.write_text(text, encoding="utf-8")
    with pytest.raises(KeyFileError, match=r"is damaged or from another release: .*again"):
        store.list()


def test_an_unknown_scope_in_the_file_is_refused(store: KeyStore) -> None:
    store.add("wallboard", READ)
    text = store.path.read_text(encoding="utf-8")
    store.path.write_text(text.replace("read:ward-*", "write:*"), encoding="utf-8")
    with pytest.raises(KeyFileError, match=r"keys\.0\.scopes.*found the scope 'write:\*'"):
        store.list()


def test_two_keys_of_one_name_in_the_file_are_refused(store: KeyStore) -> None:
    store.add("a", READ)
    fields = json.loads(store.path.read_text(encoding="utf-8"))
    store.path.write_text(json.dumps({"keys": fields["keys"] * 2}), encoding="utf-8")
    with pytest.raises(KeyFileError, match="two keys with the same name"):
        store.list()


@pytest.mark.parametrize("name", ["", "Wallboard", "a_b", "a b", "-a", "a" * 65, "ä", "a\n"])
def test_a_name_that_no_key_can_have_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(KeyNameError, match="expected 1 to 64"):
        store.add(name, READ)
    assert not store.path.exists()


def test_a_name_is_given_once(store: KeyStore) -> None:
    key = store.add("wallboard", READ)
    with pytest.raises(KeyNameError, match="already"):
        store.add("wallboard", READ)
    assert store.authenticate(key).subject == "wallboard"


def test_revoking_an_unknown_key_names_the_known(store: KeyStore) -> None:
    store.add("wallboard", READ)
    with pytest.raises(KeyNameError, match="'lab'; known: wallboard"):
        store.revoke("lab")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.add("wallboard", READ)

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(KeyFileError, match="No space left on device"):
            store.add("lab", READ)
        with pytest.raises(KeyFileError):
            store.revoke("wallboard")
    assert store.authenticate(key).subject == "wallboard"
    assert sorted(os.listdir(store.path.parent)) == [".keys.json.lock", "keys.json"]


def _add(path: Path, number: int) -> None:
    KeyStore(path).add(f"k{number}", READ)


def test_commands_at_the_same_time_lose_nothing(store: KeyStore) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.starmap(_add, [(store.path, number) for number in range(12)])
    assert {key.name for key in store.list()} == {f"k{number}" for number in range(12)}


def test_the_hash_is_not_shown_where_a_grant_is_printed(store: KeyStore) -> None:
    grant = store.authenticate(store.add("wallboard", READ))
    assert store.list()[0].sha256 not in repr(grant)
