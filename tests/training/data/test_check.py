from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.recordings.deap import DeapPerson
from eeg_emotion_training.data import check
from eeg_emotion_training.data.check import Counts, Verdict, check_folder, count_high, judge_labels

Labels = dict[int, NDArray[np.float64]]
MakeFolder = Callable[..., Path]


def genuine_labels() -> Labels:
    """Made-up ratings with the four facts by which DEAP's are known."""
    rows = np.full((1280, 4), 5.0)
    rows[:439, :2] = 7.0, 6.5
    rows[439:708, :2] = 6.0, 3.0
    rows[708:1006, :2] = 4.0, 8.5
    rows[1006:, :2] = 2.0, 5.0  # a tie is low
    rows[0] = 7.71, 7.60, 6.90, 7.83
    return {number + 1: table for number, table in enumerate(rows.reshape(32, 40, 4))}


def inverted(labels: Labels) -> Labels:
    copies = {}
    for number, table in labels.items():
        both = (table[:, :2] > 5.0).all(axis=1)
        copies[number] = table.copy()
        copies[number][both, :2] = 9.0 - table[both, :2]
    return copies


def part(labels: Labels, *numbers: int) -> Labels:
    return {number: labels[number] for number in numbers}


@pytest.fixture
def make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeFolder:
    """Makes a folder of people of one trial, who are in memory: a file would have 103 MB."""
    noise = np.random.default_rng(2).normal(size=(1, 40, 8064))

    def make(labels: Labels, amplitude: float = 10.0, simulated: tuple[int, ...] = ()) -> Path:
        people = {}
        for number, table in labels.items():
            path = tmp_path / f"s{number:02d}.dat"
            path.touch()
            people[path] = DeapPerson(
                number, amplitude * noise, table, number in simulated, path, "ab" * 32
            )
        monkeypatch.setattr(check, "load_person", people.__getitem__)
        return tmp_path

    return make


def test_genuine_counts_are_genuine() -> None:
    judgement = judge_labels(genuine_labels())
    assert (judgement.verdict, judgement.ok) == (Verdict.GENUINE, True)
    assert count_high(genuine_labels()) == Counts(1280, 708, 737, 439)


def test_inverted_copy_is_named_and_refused() -> None:
    labels = inverted(genuine_labels())
    assert count_high(labels) == Counts(1280, 269, 298, 0)
    judgement = judge_labels(labels)
    assert (judgement.verdict, judgement.ok) == (Verdict.INVERTED, False)
    assert "valence 269, arousal 298" in judgement.reason
    assert "inverted copy" in judgement.reason


def test_part_of_the_inverted_copy_is_known_by_its_first_row() -> None:
    assert judge_labels(part(inverted(genuine_labels()), 1, 2)).verdict is Verdict.INVERTED


def test_part_of_the_inverted_copy_is_known_by_ratings_below_1() -> None:
    labels = part(genuine_labels(), 3)
    labels[3] = labels[3].copy()
    labels[3][0, 0] = 8.2
    assert judge_labels(inverted(labels)).verdict is Verdict.INVERTED


@pytest.mark.parametrize("numbers", [(1,), (2, 3), tuple(range(1, 32))])
def test_part_is_partial_and_proves_nothing(numbers: tuple[int, ...]) -> None:
    judgement = judge_labels(part(genuine_labels(), *numbers))
    assert (judgement.verdict, judgement.ok) == (Verdict.PARTIAL, True)
    assert f"{len(numbers)} of 32 people" in judgement.reason
    assert "prove nothing" in judgement.reason


def test_other_counts_are_refused_with_the_counts() -> None:
    labels = genuine_labels()
    labels[32] = labels[32].copy()
    labels[32][5, 0] = 5.01
    judgement = judge_labels(labels)
    assert (judgement.verdict, judgement.ok) == (Verdict.NOT_DEAP, False)
    assert "found high valence 709, arousal 737, both 439 of 1280" in judgement.reason
    assert "expected valence 708" in judgement.reason


@pytest.mark.parametrize("numbers", [(1, 2), tuple(range(1, 33))])
def test_another_first_row_is_refused(numbers: tuple[int, ...]) -> None:
    labels = part(genuine_labels(), *numbers)
    labels[1] = labels[1].copy()
    labels[1][0] = 7.71, 7.60, 6.90, 7.80
    judgement = judge_labels(labels)
    assert (judgement.verdict, judgement.ok) == (Verdict.NOT_DEAP, False)
    assert "first ratings of s01" in judgement.reason


def test_ratings_outside_the_scale_and_a_33rd_person_are_refused() -> None:
    labels = part(genuine_labels(), 2)
    outside = {2: labels[2] + 3.0}
    assert "expected 1 to 9" in judge_labels(outside).reason
    too_many = {33: labels[2]}
    assert "found person 33" in judge_labels(too_many).reason
    assert not judge_labels(outside).ok
    assert not judge_labels(too_many).ok


def test_whole_set_is_judged_from_its_files(make_folder: MakeFolder) -> None:
    labels = genuine_labels()
    folder = make_folder(labels)
    report = check_folder(folder)
    assert (report.verdict, report.ok) == (Verdict.GENUINE, True)
    assert report.counts == Counts(1280, 708, 737, 439)
    assert len(report.files) == 32

    report = check_folder(make_folder(inverted(labels)))
    assert (report.verdict, report.ok) == (Verdict.INVERTED, False)
    assert "refused" in report.text()


def test_simulated_people_are_called_simulated(simulated_folder: Path) -> None:
    reported = []
    report = check_folder(simulated_folder, lambda done, found: reported.append((done, found)))
    assert (report.verdict, report.ok) == (Verdict.SIMULATED, True)
    assert reported == [(1, 1)]
    (file,) = report.files
    assert file.simulated
    assert file.problem is None
    digest = hashlib.sha256((simulated_folder / "s01.dat").read_bytes()).hexdigest()
    assert file.sha256 == digest
    text = report.text()
    assert text.splitlines()[0] == f"{simulated_folder}: simulated"
    assert f"{file.rms_uv:.2f} µV  simulated  {digest}" in text
    assert "high-above-5/1" in text


def test_simulated_and_other_people_do_not_mix(make_folder: MakeFolder) -> None:
    report = check_folder(make_folder(part(genuine_labels(), 1, 2), simulated=(1,)))
    assert (report.verdict, report.ok) == (Verdict.NOT_DEAP, False)
    assert "1 simulated people among 2" in report.text()


def test_partial_folder_with_its_table_of_ratings(make_folder: MakeFolder) -> None:
    labels = genuine_labels()[2]
    folder = make_folder({2: labels})
    report = check_folder(folder)
    assert (report.verdict, report.ok) == (Verdict.PARTIAL, True)
    assert "participant_ratings: not checked: found no such file" in report.text()

    (folder / "participant_ratings.xls").touch()
    assert "not checked: only .csv is read" in check_folder(folder).text()

    header = "Participant_id,Experiment_id,Valence,Arousal,Dominance,Liking\n"
    rows = [f"2,{video},{','.join(map(str, row))}\n" for video, row in enumerate(labels, 1)]
    table = folder / "participant_ratings.csv"
    table.write_text(header + "".join(rows))
    report = check_folder(folder)
    assert (report.verdict, report.ok) == (Verdict.PARTIAL, True)
    assert report.ratings == "agrees with every label"

    table.write_text(header + "".join(rows).replace("7.0,6.5", "2.0,2.5"))
    report = check_folder(folder)
    assert (report.verdict, report.ok) == (Verdict.NOT_DEAP, False)
    assert "the labels were altered" in report.text()

    table.write_text("nothing of the kind\n")
    assert not check_folder(folder).ok


def test_volts_are_refused(make_folder: MakeFolder) -> None:
    report = check_folder(make_folder(part(genuine_labels(), 2), amplitude=1e-5))
    assert (report.verdict, report.ok) == (Verdict.NOT_DEAP, False)
    assert "expected 0.3 to 300 µV" in report.text()


@pytest.mark.parametrize("rating", [9.5, np.nan])
def test_impossible_ratings_are_refused(make_folder: MakeFolder, rating: float) -> None:
    labels = genuine_labels()[2].copy()
    labels[0, 3] = rating
    report = check_folder(make_folder({2: labels}))
    assert (report.verdict, report.ok) == (Verdict.NOT_DEAP, False)
    assert "s02.dat: found ratings from" in report.text()


def test_hostile_and_broken_files_are_named_and_not_executed(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    (tmp_path / "s01.dat").write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % str(trace).encode())
    (tmp_path / "s02.dat").write_bytes(b"cut")
    report = check_folder(tmp_path)
    assert (report.verdict, report.ok) == (Verdict.NOT_DEAP, False)
    assert "s01.dat: found a pickle that names os.system" in report.text()
    assert "s02.dat: found something that is not a complete pickle" in report.text()
    assert not trace.exists()


def test_folder_without_people_is_not_deap(tmp_path: Path) -> None:
    report = check_folder(tmp_path)
    assert (report.verdict, report.ok) == (Verdict.NOT_DEAP, False)
    assert "found no s01.dat" in report.text()
