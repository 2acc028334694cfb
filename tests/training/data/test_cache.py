from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import BandPower, RawSignal, Tangent
from eeg_emotion.inference.contract import LabelPolicy
from eeg_emotion_training.data import cache
from eeg_emotion_training.data.cache import Kept, Wanted, keep_windows
from eeg_emotion_training.data.sources import DataError, PersonSignal, Rest, Trial
from eeg_emotion_training.data.windows import PersonWindows, cut_person

FilesOfAtMost = Callable[[int], AbstractContextManager[None]]

CHANNELS = ("Fz", "Cz", "Pz")
BANDS = Wanted(PathSettings(channels=CHANNELS, window_seconds=1.0, representation=BandPower()))
RAW = Wanted(replace(BANDS.settings, representation=RawSignal()))
TANGENT = Wanted(replace(BANDS.settings, representation=Tangent()))
WITH_BASELINE = Wanted(BANDS.settings, baseline=True)


def person(seed: int, rest: bool = True) -> PersonSignal:
    """Two trials of 4 s after a baseline of 3 s. In one window a channel is dead."""
    rng = np.random.default_rng(seed)
    trials = rng.normal(0.0, 10.0, (2, 3, 896))
    trials[1, 0, 512:640] = 0.0
    return PersonSignal(
        layout=identity_layout(CHANNELS),
        sfreq=128.0,
        trials=[
            Trial(samples, 384, 896, np.array([number == 0, True]), f"video {number}")
            for number, samples in enumerate(trials)
        ],
        rest=[Rest(rng.normal(0.0, 10.0, (3, 3200)), 1.0)] if rest else [],
    )


MakeSource = Callable[..., Any]


@pytest.fixture
def data(make_source: MakeSource) -> Any:
    """Two people; the second one has no rest."""
    return make_source(
        {"p2": "2" * 64, "p1": "1" * 64}, {"p1": person(1), "p2": person(2, rest=False)}
    )


def quiet(_: str) -> None:
    """Announce nothing."""


def keep_one(folder: Path, data: Any, announce: Callable[[str], None] = quiet) -> Kept:
    """Keep only the first person's windows."""
    data.digests = {"p1": data.digests["p1"]}
    ((item,),) = keep_windows(folder, data, [BANDS], announce).values()
    return item


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def assert_same(found: PersonWindows, expected: PersonWindows) -> None:
    assert (found.person, found.stimuli, found.rest) == (
        expected.person,
        expected.stimuli,
        expected.rest,
    )
    for name in ("measures", "trial", "scorable", "high"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_what_is_kept_is_what_was_cut(tmp_path: Path, data: Any) -> None:
    wanted = [BANDS, RAW, TANGENT, WITH_BASELINE]
    kept = keep_windows(tmp_path, data, wanted, quiet)
    assert list(kept) == wanted
    for kind, items in kept.items():
        assert [item.person for item in items] == ["p1", "p2"]
        for item in items:
            loaded = item.load()
            signal = data.signals[item.person]
            assert_same(loaded, cut_person(item.person, signal, kind.settings, kind.baseline))
            assert (loaded.rest is None) == (item.person == "p2")
    first, _ = kept[BANDS]
    assert first.load().scorable.tolist() == [True] * 5 + [False] * 2 + [True]
    assert first.unusable() == 2


def test_measures_stay_on_disk_until_they_are_used(tmp_path: Path, data: Any) -> None:
    measures = keep_one(tmp_path, data).load().measures
    assert isinstance(measures, np.memmap)
    assert not measures.flags.writeable


def test_everyone_is_read_once_for_all_kinds_and_never_again(tmp_path: Path, data: Any) -> None:
    said: list[str] = []
    kept = keep_windows(tmp_path, data, [BANDS, RAW, BANDS], said.append)
    assert data.reads == ["p1", "p2"]
    assert len(said) == 4
    assert all("converting to windows" in text for text in said)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)}
    again = keep_windows(tmp_path, data, [RAW, BANDS], said.append)
    assert again == kept
    assert (len(said), data.reads) == (4, ["p1", "p2"])
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path)} == before


def test_one_kind_more_converts_that_kind_only(tmp_path: Path, data: Any) -> None:
    keep_windows(tmp_path, data, [BANDS], quiet)
    said: list[str] = []
    keep_windows(tmp_path, data, [BANDS, WITH_BASELINE], said.append)
    assert len(said) == 2
    assert data.reads == ["p1", "p2"] * 2


def test_the_order_of_the_people_does_not_matter(
    tmp_path: Path, data: Any, make_source: MakeSource
) -> None:
    turned = make_source(dict(sorted(data.digests.items())), data.signals)
    assert list(turned.digests) != list(data.digests)
    (one,) = keep_windows(tmp_path / "one", data, [BANDS], quiet).values()
    (other,) = keep_windows(tmp_path / "other", turned, [BANDS], quiet).values()
    assert [item.digest() for item in one] == [item.digest() for item in other]


def test_kinds_lie_in_folders_of_their_own(tmp_path: Path, data: Any) -> None:
    shorter = Wanted(replace(BANDS.settings, notch_hz=(50.0,)))
    kept = keep_windows(tmp_path, data, [BANDS, RAW, WITH_BASELINE, shorter], quiet)
    folders = [items[0].array.parent.name for items in kept.values()]
    assert len(set(folders)) == 4
    assert [name.rpartition("-")[0] for name in folders] == ["bands-1s", "raw-1s"] + 2 * [
        "bands-1s"
    ]


CHANGES: dict[str, Callable[[Any, pytest.MonkeyPatch], None]] = {
    "source_sha256": lambda data, _: setattr(data, "digests", {"p1": "3" * 64}),
    "label_rule": lambda data, _: setattr(
        data, "label_policy", LabelPolicy(id="high-above-6/1", text="")
    ),
    "signal_path_version": lambda _, patch: patch.setattr(
        cache, "signal_path_version", lambda: "0+other"
    ),
}


@pytest.mark.parametrize("field", CHANGES)
def test_windows_of_another_recipe_are_made_again(
    tmp_path: Path, data: Any, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    before = keep_one(tmp_path, data).digest()
    CHANGES[field](data, monkeypatch)
    data.signals = {"p1": person(5)}
    said: list[str] = []
    after = keep_one(tmp_path, data, said.append)
    assert len(said) == 1
    assert f"found windows with another {field}, converting again" in said[0]
    assert_same(after.load(), cut_person("p1", person(5), BANDS.settings))
    assert after.digest() != before
    keep_one(tmp_path, data, said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("field", "found", "instead"),
    [
        ("path", '"bandpass_hz":[4.0,45.0]', '"bandpass_hz":[4.0,44.0]'),
        ("baseline", '"baseline":false', '"baseline":true'),
        ("person", '"person":"p1"', '"person":"p2"'),
    ],
)
def test_a_manifest_of_another_recipe_in_the_same_place_is_not_trusted(
    tmp_path: Path, data: Any, field: str, found: str, instead: str
) -> None:
    item = keep_one(tmp_path, data)
    text = item.manifest.read_text(encoding="utf-8")
    assert text.count(found) == 1
    item.manifest.write_text(text.replace(found, instead), encoding="utf-8")
    said: list[str] = []
    keep_one(tmp_path, data, said.append)
    assert f"found windows with another {field}, converting again" in said[0]
    assert item.manifest.read_text(encoding="utf-8") == text


def test_every_field_of_the_recipe_is_tried() -> None:
    assert {*CHANGES, "source", "path", "baseline", "person"} == set(cache.Recipe.model_fields)


def damage(item: Kept) -> None:
    data = bytearray(item.array.read_bytes())
    data[-3] ^= 1
    item.array.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (damage, "found damaged windows"),
        (lambda item: item.array.write_bytes(item.array.read_bytes()[:-1]), "found damaged"),
        (lambda item: item.array.unlink(), "found a manifest without its windows"),
        (lambda item: item.manifest.unlink(), "converting to windows"),
        (lambda item: item.manifest.write_text("{"), "found a manifest that cannot be read"),
        (lambda item: item.manifest.write_text("{}"), "found a manifest that cannot be read"),
        (lambda item: item.manifest.write_bytes(b"\xff\x00"), "found a manifest that cannot be"),
    ],
)
def test_what_is_not_whole_is_made_again(
    tmp_path: Path, data: Any, spoil: Callable[[Kept], Any], why: str
) -> None:
    item = keep_one(tmp_path, data)
    digest = item.digest()
    spoil(item)
    said: list[str] = []
    assert keep_one(tmp_path, data, said.append).digest() == digest
    assert why in said[0]
    assert_same(item.load(), cut_person("p1", data.signals["p1"], BANDS.settings))


class Interrupted(Exception):
    """Stands for Ctrl-C, or for a power cut."""


@pytest.mark.parametrize("renames", [0, 1])
def test_the_manifest_is_last_so_what_was_interrupted_is_made_again(
    tmp_path: Path, data: Any, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    # Other windows lie there already: neither they nor half of the new ones may be taken.
    item = keep_one(tmp_path, data)
    data.digests, data.signals = {"p1": "3" * 64}, {"p1": person(5)}
    done: list[str] = []

    def rename(source: Path, target: Path) -> None:
        if len(done) == renames:
            raise Interrupted
        done.append(target.name)
        Path(source).rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", rename)
        with pytest.raises(Interrupted):
            keep_one(tmp_path, data)
    assert done == ["p1.npy"][:renames]
    assert [Path(name).name for name in files(tmp_path)] == ["p1.json", "p1.npy"]
    said: list[str] = []
    keep_one(tmp_path, data, said.append)
    assert "found windows with another source_sha256" in said[0]
    assert_same(item.load(), cut_person("p1", person(5), BANDS.settings))


def test_people_of_other_data_sets_lie_apart_whatever_their_names(
    tmp_path: Path, data: Any
) -> None:
    item = keep_one(tmp_path, data)
    data.name = "other people"
    assert keep_one(tmp_path, data).array != item.array
    assert item.array.exists()


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, data: Any, files_of_at_most: FilesOfAtMost
) -> None:
    with (
        files_of_at_most(1000),
        pytest.raises(DataError, match="cannot store the windows of p1 in"),
    ):
        keep_one(tmp_path, data)
    assert files(tmp_path) == []


@pytest.mark.parametrize("place", [(np, "save"), (os, "fsync")])
def test_a_full_disk_is_reported_with_a_remedy(
    tmp_path: Path, data: Any, monkeypatch: pytest.MonkeyPatch, place: tuple[object, str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*place, fail)
        with pytest.raises(
            DataError, match=r"No space left on device; each person needs 0 MB: .* with --cache"
        ):
            keep_one(tmp_path, data)
    assert files(tmp_path) == []
    # With room it goes on.
    keep_one(tmp_path, data)


def test_a_place_that_is_no_folder_is_one_message(tmp_path: Path, data: Any) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"cannot store the windows of p1 in .*with --cache"):
        keep_one(tmp_path / "file" / "cache", data)
    with pytest.raises(DataError, match="cannot store the windows of p1 in"):
        keep_one(tmp_path / "file", data)


def test_two_processes_do_not_write_into_each_others_files(
    tmp_path: Path, data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = keep_one(tmp_path, data)
    digest = item.digest()
    item.manifest.unlink()
    other = item.array.with_name(f".p1.npy.{os.getpid() + 1}")
    other.write_bytes(b"another process is at work here")
    assert keep_one(tmp_path, data).digest() == digest
    assert other.read_bytes() == b"another process is at work here"


def test_the_digest_names_windows_and_labels(tmp_path: Path, data: Any) -> None:
    first = keep_one(tmp_path / "1", data).digest()
    same = keep_one(tmp_path / "2", data).digest()
    assert first == same
    (one, two) = data.signals["p1"].trials
    turned = [replace(one, high=~one.high), two]
    data.signals = {"p1": replace(data.signals["p1"], trials=turned)}
    assert keep_one(tmp_path / "3", data).digest() != first


def test_a_kind_is_found_again_after_json(tmp_path: Path, data: Any) -> None:
    for kind in (BANDS, RAW, TANGENT):
        ((item, _),) = keep_windows(tmp_path, data, [kind], quiet).values()
        stated = cache.Manifest.model_validate_json(item.manifest.read_text(encoding="utf-8"))
        assert stated.recipe.path == kind.settings
        assert stated.recipe.folder == item.array.parent.name
