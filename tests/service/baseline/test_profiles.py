"""People's baselines as files: all or nothing, listed, deleted, and never a silent misuse."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from eeg_emotion.baseline.profiles import (
    Profile,
    ProfileError,
    ProfileNameError,
    ProfileStore,
    UnknownProfile,
    check_name,
    fits,
    new_pseudonym,
)
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.inference.model import Model

MakeProfile = Callable[..., Profile]


@pytest.fixture
def model(adapted: Callable[..., Model]) -> Model:
    return adapted(rest=True)


@pytest.fixture
def profile(model: Model) -> MakeProfile:
    """Make a profile for the model."""
    contract = model.contract
    width = contract.path.window_shape[1]

    def make(name: str = "p07", **changes: object) -> Profile:
        stated = {
            "name": name,
            "model": contract.name,
            "model_version": contract.version,
            "model_sha256": model.sha256,
            "representation": contract.path.representation.kind,
            "channels": contract.path.channels,
            "interpolated": ("Cz",),
            "created": datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
            "clean_seconds": 60,
            "normaliser": Normaliser((0.1,) * width, (1.0 / 3.0,) * width, "rest-baseline"),
        }
        return Profile(**{**stated, **changes})

    return make


@pytest.fixture
def store(tmp_path: Path) -> ProfileStore:
    return ProfileStore(tmp_path / "data" / "profiles")


def test_a_profile_is_read_as_it_was_saved_to_the_last_digit(
    store: ProfileStore, profile: MakeProfile
) -> None:
    store.save(profile())
    assert store.load("p07") == profile()
    assert json.loads((store.folder / "p07.json").read_text())["created"] == "2026-03-04T05:06:00Z"


def test_a_reference_of_covariances_is_kept_too(store: ProfileStore, profile: MakeProfile) -> None:
    width = len(profile().normaliser.mean)
    seen = Normaliser((0.0,) * width, (1.0,) * width, "rest-baseline", ((1.0, 0.5), (2.0, 0.1)))
    store.save(profile(normaliser=seen))
    assert store.load("p07").normaliser == seen


def test_only_its_own_user_may_read_it(store: ProfileStore, profile: MakeProfile) -> None:
    previous = os.umask(0)
    try:
        store.save(profile())
    finally:
        os.umask(previous)
    assert stat.S_IMODE((store.folder / "p07.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_a_process_that_dies_before_the_end_leaves_the_old_one(
    store: ProfileStore, profile: MakeProfile
) -> None:
    store.save(profile())
    dying = (
        "import os, sys, pathlib; from eeg_emotion.baseline.profiles import *\n"
        "os.replace = lambda old, new: os._exit(9)\n"
        "store = ProfileStore(pathlib.Path(sys.argv[1])); old = store.load('p07')\n"
        "store.save(old.model_copy(update={'clean_seconds': 99}))"
    )
    died = subprocess.run([sys.executable, "-c", dying, store.folder], timeout=60, check=False)
    assert died.returncode == 9
    assert len(os.listdir(store.folder)) == 2  # it was written, but it did not take the place
    assert store.list().profiles == (profile(),)
    store.delete("p07")
    assert os.listdir(store.folder) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_saving_leaves_the_old_one_and_no_trace(
    store: ProfileStore, profile: MakeProfile, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store.save(profile())

    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, step, crash)
        with pytest.raises(KeyboardInterrupt):
            store.save(profile(clean_seconds=99))
    assert store.load("p07") == profile()
    assert os.listdir(store.folder) == ["p07.json"]
    store.save(profile(clean_seconds=99))
    assert store.load("p07").clean_seconds == 99


def test_it_is_on_the_disk_before_it_takes_the_old_ones_place(
    store: ProfileStore, profile: MakeProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def noting(name: str) -> Callable[..., None]:
        real = getattr(os, name)

        def step(*arguments: object) -> None:
            steps.append(name)
            real(*arguments)

        return step

    monkeypatch.setattr(os, "fsync", noting("fsync"))
    monkeypatch.setattr(os, "replace", noting("replace"))
    store.save(profile())
    assert steps == ["fsync", "replace", "fsync"]  # the last is the folder's


def test_all_are_listed_by_name(store: ProfileStore, profile: MakeProfile) -> None:
    assert store.names() == ()
    assert store.list().profiles == ()
    for name in ("b", "a", "person-7f3a2c"):
        store.save(profile(name))
    assert store.names() == ("a", "b", "person-7f3a2c")
    assert [item.name for item in store.list().profiles] == ["a", "b", "person-7f3a2c"]


def test_what_is_no_profile_is_not_listed(store: ProfileStore, profile: MakeProfile) -> None:
    store.save(profile())
    for foreign in (".p08.x.tmp", "notes.txt", "Anna.json", ".hidden.json"):
        (store.folder / foreign).write_text("{}")
    assert store.names() == ("p07",)
    assert store.list().damaged == {}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda fields: None, "Invalid JSON"),
        (lambda fields: fields | {"schema_version": 2}, "schema_version"),
        (lambda fields: fields | {"surprise": 1}, "surprise"),
        (lambda fields: fields | {"clean_seconds": 0}, "clean_seconds"),
        (lambda fields: {k: v for k, v in fields.items() if k != "normaliser"}, "normaliser"),
        (lambda fields: fields | {"normaliser": fields["normaliser"] | {"sd": [1.0]}}, "length"),
        (
            lambda fields: (
                fields
                | {"normaliser": fields["normaliser"] | {"sd": [0.0] * 224, "mean": [0.0] * 224}}
            ),
            "spread of 0",
        ),
        (
            lambda fields: (
                fields
                | {"normaliser": fields["normaliser"] | {"sd": [1.0], "mean": [float("nan")]}}
            ),
            "finite",
        ),
        (
            lambda fields: fields | {"normaliser": fields["normaliser"] | {"kind": "training"}},
            "of many people",
        ),
        (lambda fields: fields | {"name": "p08"}, "found the profile 'p08'"),
    ],
)
def test_a_damaged_profile_is_reported_with_its_file_and_hides_no_others(
    store: ProfileStore, profile: MakeProfile, damage: Callable[[dict[str, Any]], object], said: str
) -> None:
    for name in ("a", "p07", "z"):
        store.save(profile(name))
    file = store.folder / "p07.json"
    fields = damage(json.loads(file.read_text()))
    file.write_text("{" if fields is None else json.dumps(fields))
    found = store.list()
    assert [item.name for item in found.profiles] == ["a", "z"]
    assert found.damaged.keys() == {"p07"}
    assert said in found.damaged["p07"]
    assert str(file) in found.damaged["p07"]
    with pytest.raises(ProfileError, match=said):
        store.load("p07")
    store.delete("p07")
    assert store.list().damaged == {}


def test_a_deleted_one_is_gone_with_what_a_crash_left_of_it(
    store: ProfileStore, profile: MakeProfile
) -> None:
    for name in ("p07", "p07x"):
        store.save(profile(name))
        (store.folder / f".{name}.abc.tmp").write_text("half a profile")
    store.delete("p07")
    assert sorted(os.listdir(store.folder)) == [".p07x.abc.tmp", "p07x.json"]
    with pytest.raises(UnknownProfile, match="found no profile 'p07'; known: p07x"):
        store.delete("p07")
    with pytest.raises(UnknownProfile, match="known: p07x"):
        store.load("p07")


@pytest.mark.parametrize(
    "name", ["", "Anna", "p 7", "../p07", "-p", "_p", "p.json", "ä", "p07\n", "p" * 65]
)
def test_a_name_that_is_no_pseudonym_is_refused_with_one_that_is(
    store: ProfileStore, profile: MakeProfile, name: str
) -> None:
    for refused in (check_name, store.load, store.delete):
        with pytest.raises(ProfileNameError, match=r"pseudonym .* such as person-7f3a2c; never"):
            refused(name)
    with pytest.raises(ValidationError, match="name"):
        profile(name)


def test_a_name_of_a_device_on_windows_is_refused_everywhere(store: ProfileStore) -> None:
    for refused in (check_name, store.load, store.delete):
        with pytest.raises(ProfileNameError, match="'nul', which Windows reserves for a device"):
            refused("nul")


def test_a_pseudonym_is_made_that_may_be_a_name() -> None:
    random = Random(3)
    made = {new_pseudonym(random) for _ in range(50)}
    assert len(made) == 50
    assert all(check_name(name).startswith("person-") and len(name) == 13 for name in made)


def test_a_folder_that_cannot_be_written_to_is_named_with_the_remedy(
    tmp_path: Path, profile: MakeProfile
) -> None:
    (tmp_path / "file").write_text("")
    store = ProfileStore(tmp_path / "file" / "profiles")
    for refused in (store.check_writable, lambda: store.save(profile())):
        with pytest.raises(ProfileError, match=r"cannot write to .*; .*--profiles") as caught:
            refused()
        assert str(store.folder) in str(caught.value)
    with pytest.raises(ProfileError, match="cannot read"):
        store.names()


def test_a_folder_is_found_to_be_writable_without_a_trace(store: ProfileStore) -> None:
    store.check_writable()
    assert os.listdir(store.folder) == []


def test_a_profile_fits_the_model_that_it_was_made_for(model: Model, profile: MakeProfile) -> None:
    assert fits(profile(), model) is None


def test_a_profile_of_another_model_does_not_fit_and_both_are_named(
    model: Model, profile: MakeProfile
) -> None:
    why = fits(profile(model="mine", model_version="3", model_sha256="a" * 64), model) or ""
    assert "for the model mine 3 (aaaaaaaa)" in why
    assert f"expected demo-simulated {model.contract.version} ({model.sha256[:8]})" in why
    assert "collect the person's rest again" in why


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"representation": "raw"}, "from raw of 32 channels, expected"),
        ({"channels": ("Cz", "Pz")}, "of 2 channels, expected"),
        ({"normaliser": Normaliser((0.0,), (1.0,), "rest-baseline")}, "from 1 features, expected"),
    ],
)
def test_a_profile_that_was_tampered_with_does_not_fit(
    model: Model, profile: MakeProfile, changes: dict[str, Any], said: str
) -> None:
    assert said in (fits(profile(**changes), model) or "")


def test_its_errors_are_errors_of_this_project() -> None:
    assert issubclass(UnknownProfile, ProfileError)
    assert issubclass(ProfileNameError, ProfileError)
    assert issubclass(ProfileError, EegEmotionError)
