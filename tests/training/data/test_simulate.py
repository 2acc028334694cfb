from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple, Never

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.recordings.deap import DeapPerson, read_person
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion_training.data import simulate
from eeg_emotion_training.data.simulate import SimulationError, person_arrays, write_people


class Written(NamedTuple):
    folder: Path
    data: NDArray[np.float64]
    labels: NDArray[np.float64]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """One simulated person with seed 5, simulated and written once; 103 MB."""
    folder = tmp_path_factory.mktemp("written")
    made = []

    def keep(person: SimulatedPerson) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        made.append(person_arrays(person))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "person_arrays", keep)
        write_people(folder, subjects=1, seed=5)
    ((data, labels),) = made
    return Written(folder, data, labels)


@pytest.fixture(scope="module")
def person(written: Written) -> DeapPerson:
    return read_person(written.folder / "s01.dat")


@pytest.fixture
def no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals out where only files are looked at."""
    arrays = {"data": np.zeros((1, 1, 1)), "labels": np.full((1, 4), 5.0)}
    monkeypatch.setattr(simulate, "person_arrays", lambda _: tuple(arrays.values()))


def band_db(eeg: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Band power by trial and channel, dB."""
    frequency, power = signal.welch(eeg, 128.0, nperseg=256, axis=2)
    band = (frequency >= low) & (frequency < high)
    return np.asarray(10.0 * np.log10(power[..., band].mean(axis=2)))


def test_file_has_deaps_shape_and_states_that_it_is_simulated(
    written: Written, person: DeapPerson
) -> None:
    assert person.simulated
    assert person.data.shape == (40, 40, 8064)
    assert sorted(path.name for path in written.folder.iterdir()) == ["README.txt", "s01.dat"]
    readme = (written.folder / "README.txt").read_text(encoding="utf-8")
    assert readme.startswith("SIMULATED PEOPLE")
    assert "seed 5" in readme
    assert "asymmetry_db = 9" in readme


def test_same_seed_simulates_the_same_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "TRIALS", 2)
    (data, labels), (same, same_labels), (other, _) = (
        person_arrays(SimulatedPerson(seed, 1)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(same, data)
    np.testing.assert_array_equal(same_labels, labels)
    assert (other[:, :32] != data[:, :32]).all()


def test_what_was_simulated_is_what_is_written(written: Written, person: DeapPerson) -> None:
    np.testing.assert_array_equal(person.data, written.data)
    np.testing.assert_array_equal(person.labels, written.labels)


def test_signal_is_band_passed_and_referenced_as_deaps(person: DeapPerson) -> None:
    eeg = person.eeg(baseline=True)
    assert np.abs(eeg.mean(axis=1)).max() < 1e-9
    frequency, power = signal.welch(eeg[:5], 128.0, nperseg=512, axis=2)
    power = power.mean(axis=(0, 1))
    inside = power[(frequency > 8.0) & (frequency < 12.0)].mean()
    assert power[frequency < 2.0].max() < 0.01 * inside
    assert power[frequency > 55.0].max() < 0.01 * inside
    assert 2.0 < np.median(eeg.std(axis=2)) < 20.0


def test_ratings_have_two_decimals_and_both_classes(person: DeapPerson) -> None:
    np.testing.assert_array_equal(person.labels, person.labels.round(2))
    assert ((person.labels >= 1.0) & (person.labels <= 9.0)).all()
    high = (person.labels[:, :2] > 5.0).sum(axis=0)
    assert ((high > 10) & (high < 30)).all()


def test_planted_effects_are_in_the_files(person: DeapPerson) -> None:
    """Rank correlation over the 40 trials; about 0.3 would be chance's limit."""
    eeg = person.eeg(baseline=False)[:, [DEAP32.index(name) for name in ("F3", "F4", "Cz")]]
    f3, f4, cz = range(3)
    alpha = band_db(eeg, 8.0, 13.0)
    ranks = np.argsort(np.argsort(person.labels, axis=0), axis=0)
    asymmetry = np.argsort(np.argsort(alpha[:, f4] - alpha[:, f3]))
    assert np.corrcoef(asymmetry, ranks[:, 0])[0, 1] > 0.5
    gamma = np.argsort(np.argsort(band_db(eeg, 30.0, 45.0)[:, cz]))
    assert np.corrcoef(gamma, ranks[:, 1])[0, 1] > 0.5


def test_baseline_is_neutral(person: DeapPerson) -> None:
    """The state begins at the video's onset, so the 3 s before it do not know the rating."""
    gamma = band_db(person.data[:, :32, :384], 30.0, 45.0)[:, DEAP32.index("Cz")]
    assert abs(np.corrcoef(gamma, person.labels[:, 1])[0, 1]) < 0.4


def test_peripheral_channels_are_finite_and_alive(person: DeapPerson) -> None:
    peripheral = person.data[:, 32:39]
    assert np.isfinite(peripheral).all()
    assert (peripheral.std(axis=2) > 0.0).all()


@pytest.mark.usefixtures("no_signal")
def test_progress_is_reported_after_each_person(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    paths = write_people(
        tmp_path / "new", 3, 1, lambda done, wanted: reported.append((done, wanted))
    )
    assert reported == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in paths] == ["s01.dat", "s02.dat", "s03.dat"]
    assert {path.name for path in paths[0].parent.iterdir()} == {
        "README.txt",
        "s01.dat",
        "s02.dat",
        "s03.dat",
    }


@pytest.mark.usefixtures("no_signal")
def test_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_people(tmp_path / name, 1, 2)[0] for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["s07.dat", "s01.mat", "README.txt"])
@pytest.mark.usefixtures("no_signal")
def test_files_that_are_there_are_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("kept")
    with pytest.raises(SimulationError, match=rf"found {name}.*name a new folder"):
        write_people(tmp_path, 2, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "kept"


def test_interrupted_run_leaves_no_half_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_file: BinaryIO, _arrays: object) -> Never:
        _file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "write_python2_pickle", interrupted)
    monkeypatch.setattr(simulate, "person_arrays", lambda _: (None, None))
    with pytest.raises(KeyboardInterrupt):
        write_people(tmp_path, 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["README.txt"]


@pytest.mark.parametrize(("subjects", "seed"), [(0, 1), (33, 1), (1, -1)])
def test_impossible_options_are_refused(tmp_path: Path, subjects: int, seed: int) -> None:
    with pytest.raises(SimulationError, match="expected 1 to 32 people"):
        write_people(tmp_path / "new", subjects, seed)
    assert not (tmp_path / "new").exists()
