from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eeg_emotion.eeg import montage
from eeg_emotion.eeg.montage import DEAP32, EMOTIV14, MUSE4, TEN_TWENTY19
from eeg_emotion.eeg.splines import interpolation_matrix
from eeg_emotion.recordings.deap import DeapPerson, read_person
from eeg_emotion.recordings.simulation import Effect, SimulatedPerson
from eeg_emotion_training.data.check import CheckReport, Counts, FileCheck, Verdict, check_folder
from eeg_emotion_training.data.deap_source import (
    DeapSource,
    SimulatedSource,
    deap_layout,
    open_deap,
    person_signal,
)
from eeg_emotion_training.data.sources import DataError, PersonSignal, digest_of


@pytest.fixture(scope="module")
def person() -> DeapPerson:
    """Forty trials in which every sample differs, and ratings on both sides of 5."""
    rng = np.random.default_rng(3)
    ratings = rng.uniform(1.0, 9.0, (40, 4))
    ratings[0] = (5.0, 5.01, 4.99, 9.0)
    data = rng.standard_normal((40, 40, 8064), dtype=np.float32).astype(np.float64)
    return DeapPerson(7, data, ratings, False, Path("s07.dat"), "ab" * 32)


def test_a_trial_is_the_video_after_its_baseline(person: DeapPerson) -> None:
    signal = person_signal(person, deap_layout(DEAP32))
    assert (signal.sfreq, len(signal.trials)) == (128.0, 40)
    for number, trial in enumerate(signal.trials):
        np.testing.assert_array_equal(trial.samples, person.data[number, :32])
        assert (trial.onset, trial.end) == (384, 8064)
        assert trial.stimulus == f"video {number + 1}"


def test_a_rating_above_five_is_high_and_a_tie_is_low(person: DeapPerson) -> None:
    signal = person_signal(person, deap_layout(DEAP32))
    assert signal.trials[0].high.tolist() == [False, True, False, True]
    found = np.stack([trial.high for trial in signal.trials])
    np.testing.assert_array_equal(found, person.labels > 5.0)
    assert SimulatedSource.label_policy == DeapSource.label_policy
    assert DeapSource.label_policy.id == "high-above-5/1"


def test_rest_is_what_precedes_the_videos(person: DeapPerson) -> None:
    signal = person_signal(person, deap_layout(DEAP32))
    assert len(signal.rest) == 40
    for number, rest in enumerate(signal.rest):
        np.testing.assert_array_equal(rest.samples, person.data[number, :32, :384])
        assert rest.skip_seconds == 1.0


def test_the_baseline_is_of_three_seconds() -> None:
    assert DeapSource.baseline_seconds == SimulatedSource.baseline_seconds == 3.0


@pytest.mark.parametrize("channels", [DEAP32, TEN_TWENTY19, EMOTIV14], ids=len)
def test_electrodes_that_deap_has_are_used_as_they_are(channels: tuple[str, ...]) -> None:
    layout = deap_layout(channels)
    assert layout.rows.tolist() == [DEAP32.index(name) for name in channels]
    assert layout.matrix is None
    assert layout.interpolated == ()
    assert set(layout.microvolts) == {1.0}


def test_electrodes_that_deap_lacks_are_filled_in_from_all_that_it_has() -> None:
    layout = deap_layout(MUSE4)
    assert layout.channels == layout.interpolated == MUSE4
    assert layout.rows.tolist() == list(range(32))
    expected = interpolation_matrix(montage.positions(DEAP32), montage.positions(MUSE4))
    np.testing.assert_array_equal(layout.matrix, expected)
    mixed = deap_layout(("AF7", "Cz"))
    assert mixed.interpolated == ("AF7",)
    assert mixed.matrix is not None
    np.testing.assert_array_equal(mixed.matrix[1], np.arange(32) == DEAP32.index("Cz"))


def assert_same(found: PersonSignal, expected: PersonSignal) -> None:
    assert len(found.trials) == len(expected.trials)
    for one, other in zip(found.trials, expected.trials, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        np.testing.assert_array_equal(one.high, other.high)


def test_simulated_people_are_those_that_simulate_writes(
    simulated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (written,) = open_deap(simulated_folder, {"deap32": DEAP32}).values()
    assert written.name == SimulatedSource.name == "simulated people in DEAP's format"
    assert written.simulated
    assert SimulatedSource.simulated
    assert written.notes == ()
    assert written.labels == ("valence", "arousal", "dominance", "liking")
    made = SimulatedSource(2, 5, DEAP32)
    assert list(made.digests) == ["s01", "s02"]
    assert written.digests == {"s01": read_person(simulated_folder / "s01.dat").sha256}
    on_disk = read_person(simulated_folder / "s01.dat")
    asked: list[SimulatedPerson] = []

    def simulate(one: SimulatedPerson) -> tuple[np.ndarray, np.ndarray]:
        asked.append(one)
        return on_disk.data, on_disk.labels

    # What `simulate` writes comes of the same function, by the same numbers.
    monkeypatch.setattr("eeg_emotion_training.data.deap_source.person_arrays", simulate)
    assert_same(made.read("s01"), written.read("s01"))
    assert [(one.seed, one.number, one.effect) for one in asked] == [(5, 1, Effect())]


def test_simulated_people_are_named_by_all_that_makes_them() -> None:
    sources = [
        SimulatedSource(2, 5, DEAP32),
        SimulatedSource(2, 6, DEAP32),
        SimulatedSource(2, 5, DEAP32, Effect(beta_db=4.0)),
    ]
    digests = [digest for source in sources for digest in source.digests.values()]
    assert len(set(digests)) == 6
    # How many others there are, and what is seen of them, does not change a person.
    assert SimulatedSource(3, 5, MUSE4).digests["s02"] == sources[0].digests["s02"]


def test_a_folder_is_checked_once_for_all_montages(
    simulated_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []

    def check(folder: Path) -> CheckReport:
        checked.append(folder)
        return check_folder(folder)

    monkeypatch.setattr("eeg_emotion_training.data.deap_source.check_folder", check)
    sources = open_deap(simulated_folder, {"muse4": MUSE4, "deap32": DEAP32})
    assert list(sources) == ["muse4", "deap32"]
    assert checked == [simulated_folder]
    assert sources["muse4"].digests == sources["deap32"].digests


def test_a_partial_copy_is_read_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "s07.dat").write_bytes(b"")
    file = FileCheck(7, "s07.dat", "ab" * 32, 9.0, False, None)
    report = CheckReport(
        folder=tmp_path,
        verdict=Verdict.PARTIAL,
        ok=True,
        reasons=("found 1 of 32 people",),
        files=(file,),
        counts=Counts(40, 20, 20, 10),
    )
    source = DeapSource(report, DEAP32)
    assert (source.name, source.simulated) == ("DEAP", False)
    assert source.notes == ("found 1 of 32 people",)
    assert source.digests == {"s07": "ab" * 32}
    assert DeapSource(replace(report, verdict=Verdict.GENUINE), DEAP32).notes == ()


def test_simulated_people_beside_others_are_refused(simulated_folder: Path, tmp_path: Path) -> None:
    shutil.copy(simulated_folder / "s01.dat", tmp_path)
    (tmp_path / "s02.dat").write_bytes(b"not a person")
    with pytest.raises(DataError, match=r"found not DEAP, expected DEAP or simulated people: "):
        open_deap(tmp_path, {"deap32": DEAP32})


def test_a_folder_without_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no s01\.dat or s01\.mat"):
        open_deap(tmp_path, {"deap32": DEAP32})


def test_a_missing_folder_is_refused_as_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found nothing at .*none, expected a folder of DEAP's"):
        open_deap(tmp_path / "none", {"deap32": DEAP32})
    (tmp_path / "s01.dat").write_bytes(b"")
    with pytest.raises(DataError, match=r"found a file at .*, expected a folder"):
        open_deap(tmp_path / "s01.dat", {"deap32": DEAP32})


def test_the_digest_is_of_the_people_and_not_of_their_order() -> None:
    digests = {"s01": "aa", "s02": "bb"}
    turned = dict(reversed(digests.items()))
    others = ({"s01": "aa"}, {"s01": "aa", "s02": "bc"}, {"s01": "aa", "s03": "bb"})
    assert digest_of(turned) == digest_of(digests)
    assert len({digest_of(digests), *map(digest_of, others)}) == 4
