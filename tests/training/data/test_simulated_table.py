from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import DEAP32, normalise_label
from eeg_emotion.readers.mne_files import read_recording
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER
from eeg_emotion_training.data import simulated_table
from eeg_emotion_training.data.simulate import SimulationError
from eeg_emotion_training.data.simulated_table import write_table
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.table import read_table
from eeg_emotion_training.data.table_check import check_table
from eeg_emotion_training.data.table_source import TableSource

pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated people of seed 5."""
    return write_table(tmp_path_factory.mktemp("people"), 2, 5)


@pytest.fixture
def no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals out where only files are looked at."""
    monkeypatch.setattr(simulated_table, "_session", lambda *_: (np.zeros((32, 128)), []))


def whole(path: Path) -> NDArray[np.floating]:
    return np.concatenate([part.samples for part in read_recording(path).stretches()], axis=1)


def test_recordings_state_that_they_are_simulated(table: Path) -> None:
    recording = read_recording(table.parent / "p01.edf")
    assert recording.simulated
    assert recording.manufacturer == SIMULATED_MANUFACTURER
    source = TableSource(table, DEAP32)
    assert source.simulated
    assert source.name == "simulated people in table labels.csv"


def test_recordings_hold_the_channels_the_rate_and_all_rows(table: Path) -> None:
    recording = read_recording(table.parent / "p02.edf")
    assert tuple(map(normalise_label, recording.channels)) == tuple(map(normalise_label, DEAP32))
    assert set(recording.units) == {"uV"}
    assert recording.sfreq == 128.0
    last = max(row.stop for row in read_table(table).rows)
    assert whole(table.parent / "p02.edf").shape == (32, last * 128)


def test_nothing_of_the_signal_is_cut_off(table: Path) -> None:
    # Blinks and drift stay within what the file can hold.
    assert np.abs(whole(table.parent / "p01.edf")).max() < 1000.0


def test_every_person_rates_each_film_once_after_rest(table: Path) -> None:
    people = read_table(table).people()
    assert list(people) == ["p01", "p02"]
    for rest, *films in people.values():
        assert (rest.trial, rest.start, rest.stop, rest.high) == ("rest", 0.0, 30.0, None)
        assert sorted(row.stimulus for row in films) == sorted(f"film {n}" for n in range(1, 17))
    first, second = ([row.stimulus for row in rows] for rows in people.values())
    assert first != second  # in an order of their own


def test_both_classes_of_both_labels_occur_in_every_person(table: Path) -> None:
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["trial"] != "rest"]
    for person in ("p01", "p02"):
        for label in ("arousal", "valence"):
            rated = [float(row[label]) for row in rows if row["person"] == person]
            assert 4 <= sum(value > 5.0 for value in rated) <= 12


def test_arousal_raises_beta_power(table: Path) -> None:
    beta: dict[bool, list[float]] = {True: [], False: []}
    signal = TableSource(table, DEAP32).read("p01")
    frontal = DEAP32.index("Fz")
    for trial in signal.trials:
        cut = trial.samples[frontal, trial.onset : trial.end]
        power = np.abs(np.fft.rfft(cut)) ** 2
        hertz = np.fft.rfftfreq(len(cut), 1 / signal.sfreq)
        beta[bool(trial.high[0])].append(float(power[(hertz >= 14) & (hertz < 28)].mean()))
    assert np.mean(beta[True]) > 1.3 * np.mean(beta[False])


def test_the_same_seed_writes_the_same_bytes(table: Path, tmp_path: Path) -> None:
    again = write_table(tmp_path, 1, 5)
    assert (tmp_path / "p01.edf").read_bytes() == (table.parent / "p01.edf").read_bytes()
    assert table.read_text().startswith(again.read_text())
    assert (table.parent / "p01.edf").read_bytes() != (table.parent / "p02.edf").read_bytes()


@pytest.mark.parametrize("name", ["p07.edf", "labels.csv"])
def test_a_folder_with_people_or_a_table_is_refused(
    tmp_path: Path, no_signal: None, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(SimulationError, match=rf"found {name} in .* never overwritten"):
        write_table(tmp_path, 1, 5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("subjects", "seed"), [(0, 1), (100, 1), (1, -1)])
def test_impossible_numbers_are_refused(tmp_path: Path, subjects: int, seed: int) -> None:
    with pytest.raises(SimulationError, match=f"found {subjects} people and seed {seed}, expected"):
        write_table(tmp_path / "new", subjects, seed)
    assert not (tmp_path / "new").exists()


def test_progress_counts_the_people(tmp_path: Path, no_signal: None) -> None:
    seen: list[tuple[int, int]] = []
    write_table(tmp_path, 2, 5, lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]


def test_a_check_describes_each_person(table: Path) -> None:
    first, rule, one, two = check_table(table, DEAP32)
    assert first == f"{table}: 2 simulated people, labels arousal, valence"
    assert rule == "  high = rating > 5.0, a tie is low (high-above-5/1)"
    assert one.startswith("  p01: 16 trials (320 s), arousal high in ")
    # The first 3 s of it are left to the filters.
    assert one.endswith(" 27 s of settled rest, 128 Hz, 0 of 32 channels filled in")
    assert two.startswith("  p02: ")


def test_a_check_finds_a_row_beyond_its_recording(table: Path) -> None:
    beyond = table.with_name("beyond.csv")
    beyond.write_text(
        table.read_text().replace("p02.edf,p02,t16,378,398,", "p02.edf,p02,t16,378,399,")
    )
    lines = check_table(beyond, DEAP32)
    assert [next(lines) for _ in range(3)][-1].startswith("  p01: ")  # what is in order
    said = r"beyond\.csv, row 35, column stop: found 399 s, expected at most 398 s"
    with pytest.raises(DataError, match=said):
        next(lines)
