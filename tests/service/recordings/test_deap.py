from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat
from tests.support.deap import Arrays

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.deap import (
    HIGH_ABOVE_5,
    DeapPerson,
    deap_recording,
    find_people,
    mark_simulated,
    read_person,
)
from eeg_emotion.recordings.deap_pickle import UnsafePickleError, write_python2_pickle
from eeg_emotion.recordings.recording import RecordingError
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def person(deap_file: Path) -> DeapPerson:
    return read_person(deap_file)


@pytest.fixture
def write(tmp_path: Path, deap_arrays: Arrays) -> Iterator[Write]:
    """Write one altered file, and take its 103 MB away again."""
    written = []

    def write_dat(name: str, **arrays: NDArray[np.float64]) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            write_python2_pickle(file, {**deap_arrays, **arrays})
        written.append(path)
        return path

    yield write_dat
    for path in written:
        path.unlink()


def test_dat_file_is_read_as_it_was_written(
    person: DeapPerson, deap_file: Path, deap_arrays: Arrays
) -> None:
    np.testing.assert_array_equal(person.data, deap_arrays["data"])
    np.testing.assert_array_equal(person.labels, deap_arrays["labels"])
    assert (person.number, person.simulated, person.name) == (1, False, "DEAP s01")
    assert person.sha256 == hashlib.sha256(deap_file.read_bytes()).hexdigest()


def test_arrays_cannot_be_changed_by_a_reader(person: DeapPerson) -> None:
    with pytest.raises(ValueError, match="read-only"):
        person.eeg(baseline=False)[0, 0, 0] = 1.0


def test_mat_file_equals_dat_file(tmp_path: Path, person: DeapPerson, deap_arrays: Arrays) -> None:
    path = tmp_path / "s01.mat"
    savemat(path, deap_arrays, do_compression=True)
    mat = read_person(path)
    np.testing.assert_array_equal(mat.data, person.data)
    np.testing.assert_array_equal(mat.labels, person.labels)
    assert mat.sha256 != person.sha256
    path.unlink()


def test_baseline_is_the_first_three_seconds(person: DeapPerson) -> None:
    assert person.eeg(baseline=True).shape == (40, 32, 8064)
    assert person.eeg(baseline=False).shape == (40, 32, 7680)
    np.testing.assert_array_equal(person.eeg(True)[:, :, 384:], person.eeg(False))


def test_sample_that_is_not_a_number_is_refused(write: Write, deap_arrays: Arrays) -> None:
    data = deap_arrays["data"].copy()
    data[6, 3, 100] = np.nan
    with pytest.raises(RecordingError, match=r"s02\.dat.*trial 7.*not a number"):
        read_person(write("s02.dat", data=data))


@pytest.mark.parametrize("rating", [0.99, 9.01, np.nan, np.inf])
def test_rating_outside_the_scale_is_refused(person: DeapPerson, rating: float) -> None:
    labels = person.labels.copy()
    labels[3, 2] = rating
    assert "expected 1 to 9" in (replace(person, labels=labels).problem() or "")
    assert person.problem() is None


def test_refusal_of_ratings_reaches_the_reader(write: Write, deap_arrays: Arrays) -> None:
    with pytest.raises(RecordingError, match=r"s03\.dat: found ratings from 0\.\d+ to"):
        read_person(write("s03.dat", labels=deap_arrays["labels"] - 1.0))


def test_watermark_makes_a_file_simulated_in_the_same_shape(
    write: Write, deap_arrays: Arrays
) -> None:
    data = deap_arrays["data"].copy()
    mark_simulated(data)
    assert bytes(data[5, 39, :20].astype(np.uint8)) == b"SIMULATED SIMULATED "
    np.testing.assert_array_equal(data[:, :39], deap_arrays["data"][:, :39])

    path = write("s04.dat", data=data)
    assert read_person(path).simulated
    recording = deap_recording(path)
    assert recording.simulated
    assert recording.name == "Simulated DEAP-format s04"
    assert recording.manufacturer == SIMULATED_MANUFACTURER
    assert json.loads(next(recording.stretches()).markers[0].text)["simulated"] is True


def test_hostile_file_is_refused_by_the_name_it_calls(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    path = tmp_path / "s01.dat"
    path.write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % str(trace).encode())
    with pytest.raises(UnsafePickleError, match=r"s01\.dat.*os\.system"):
        read_person(path)
    assert not trace.exists()


def test_truncated_file_is_refused(tmp_path: Path, deap_file: Path) -> None:
    path = tmp_path / "s01.dat"
    with deap_file.open("rb") as file:
        path.write_bytes(file.read(1_000_000))
    with pytest.raises(RecordingError, match="truncated"):
        read_person(path)


@pytest.mark.parametrize(
    "content", [b"", b"not MATLAB at all", b"MATLAB 5.0 MAT-file" + bytes(200)]
)
def test_broken_mat_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s01.mat"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"s01\.mat: found"):
        read_person(path)


def test_truncated_mat_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s01.mat"
    noise = np.random.default_rng(1).normal(size=5000)
    savemat(path, {"data": noise, "labels": noise}, do_compression=True)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(RecordingError, match=r"s01\.mat.*not a complete MATLAB 5 file"):
        read_person(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"data": np.zeros((40, 40, 8064), dtype=np.float32)},
        {"data": np.zeros((2, 40, 8064)), "labels": np.ones((2, 4))},
        {"data": np.zeros((2, 2)), "label": np.ones((40, 4))},
    ],
    ids=["no labels", "two trials", "another key"],
)
def test_other_arrays_are_refused_with_what_was_found(
    tmp_path: Path, arrays: dict[str, NDArray[np.float64]]
) -> None:
    path = tmp_path / "s01.mat"
    savemat(path, arrays, do_compression=True)
    with pytest.raises(RecordingError, match=r"found \{.*expected floating-point arrays of"):
        read_person(path)


def test_file_of_another_name_or_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"expected s01\.dat"):
        read_person(tmp_path / "person.dat")
    with pytest.raises(RecordingError, match="no readable file"):
        read_person(tmp_path / "s01.dat")


@pytest.mark.parametrize("inside", [".", "data_preprocessed_python", "data_preprocessed_matlab"])
def test_people_are_found_in_the_folder_or_in_deaps_own(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    for name in ("s02.mat", "s01.dat", "s1.dat", "notes.txt", "s03.bdf", "s04.dat.part"):
        (folder / name).touch()
    found = find_people(tmp_path)
    assert list(found.items()) == [(1, folder / "s01.dat"), (2, folder / "s02.mat")]


def test_two_files_of_one_person_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("data_preprocessed_python/s05.dat", "data_preprocessed_matlab/s05.mat"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(RecordingError, match=r"person 5: found .*s05\.dat and .*s05\.mat"):
        find_people(tmp_path)


def test_folder_without_people_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RecordingError, match=r"found no s01\.dat"):
            find_people(folder)


@pytest.mark.parametrize(("baseline", "samples", "onset"), [(True, 8064, 384), (False, 7680, 0)])
def test_each_trial_is_a_stretch_with_its_ratings_at_the_onset(
    deap_file: Path, person: DeapPerson, baseline: bool, samples: int, onset: int
) -> None:
    recording = deap_recording(deap_file, trials=range(2, 4), baseline=baseline)
    assert (recording.name, recording.source_id) == ("DEAP s01", "deap-s01")
    assert (recording.channels, recording.sfreq) == (DEAP32, 128.0)
    stretches = list(recording.stretches())
    assert [stretch.follows for stretch in stretches] == [False, False]
    for trial, stretch in zip((2, 3), stretches, strict=True):
        assert stretch.samples.shape == (32, samples)
        np.testing.assert_array_equal(stretch.samples, person.eeg(baseline)[trial - 1])
        (marker,) = stretch.markers
        assert marker.sample == onset
        valence, arousal, dominance, liking = person.labels[trial - 1]
        assert json.loads(marker.text) == {
            "text": f"trial {trial}",
            "ratings": {
                "valence": valence,
                "arousal": arousal,
                "dominance": dominance,
                "liking": liking,
            },
        }


def test_all_forty_trials_by_default(deap_file: Path) -> None:
    assert len(list(deap_recording(deap_file).stretches())) == 40


@pytest.mark.parametrize("trials", [range(3), range(40, 42), range(3, 3)])
def test_trials_that_are_not_there_are_refused(deap_file: Path, trials: range) -> None:
    with pytest.raises(RecordingError, match="expected numbers from 1 to 40"):
        deap_recording(deap_file, trials=trials)


def test_a_tie_is_low() -> None:
    high = HIGH_ABOVE_5.high(np.array([4.99, 5.0, 5.01]))
    assert high.tolist() == [False, False, True]


def test_rating_that_is_not_a_number_gets_no_class() -> None:
    with pytest.raises(RecordingError, match="not a number"):
        HIGH_ABOVE_5.high(np.array([1.0, np.nan]))


@pytest.mark.parametrize("name", ["s01.dat", "s01.mat"])
def test_a_pointer_under_the_name_of_deaps_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(RecordingError, match=rf"{name}: found a pointer of Git LFS.*git lfs pull"):
        read_person(path)
