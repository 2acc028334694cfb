from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.representation import BandPower, RawSignal
from eeg_emotion.recordings.deap import DeapPerson
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion_training import windows
from eeg_emotion_training.simulate import person_arrays
from eeg_emotion_training.windows import DataError, PersonWindows, cut_person, digest, read_windows

VIDEO_ONSET = 384  # DEAP's 3 s of baseline at 128 Hz
LENGTH = 640  # 5 s

BANDS = PathSettings(representation=BandPower())
RAW = PathSettings(representation=RawSignal())
both_representations = pytest.mark.parametrize("settings", [BANDS, RAW], ids=["bands", "raw"])


@pytest.fixture(scope="module")
def person() -> DeapPerson:
    """The first two trials of a simulated person."""
    data, labels = person_arrays(SimulatedPerson(5, 1))
    return DeapPerson(1, data[:2], labels[:2], True, Path("s01.dat"), "ab" * 32)


def live(trial: np.ndarray, settings: PathSettings, chunk: int) -> dict[int, np.ndarray]:
    """What the daemon makes of a trial that arrives in chunks: features by first sample."""
    segment = SignalPath(settings, identity_layout(settings.channels), 128.0).segment()
    return {
        window.first_sample: window.features
        for start in range(0, trial.shape[1], chunk)
        for window in segment.feed(trial[:, start : start + chunk])
    }


@pytest.mark.parametrize(("settings", "shape"), [(BANDS, (20, 128)), (RAW, (640, 32))])
def test_a_trial_gives_twelve_windows(
    person: DeapPerson, settings: PathSettings, shape: tuple[int, int]
) -> None:
    cut = cut_person(1, person, settings)
    assert cut.features.shape == (2, 12, *shape)
    assert cut.features.dtype == np.float32
    np.testing.assert_array_equal(cut.ratings, person.labels)


@both_representations
def test_windows_are_bit_for_bit_the_daemons_from_the_videos_onset_without_overlap(
    person: DeapPerson, settings: PathSettings
) -> None:
    cut = cut_person(1, person, settings)
    for trial in range(2):
        by_first_sample = live(person.eeg(baseline=True)[trial], settings, chunk=37)
        for index, features in enumerate(cut.features[trial]):
            expected = by_first_sample[VIDEO_ONSET + index * LENGTH]
            np.testing.assert_array_equal(features, expected)


def test_each_trial_starts_with_fresh_filters(person: DeapPerson) -> None:
    turned = replace(person, data=person.data[::-1], labels=person.labels[::-1])
    np.testing.assert_array_equal(
        cut_person(1, turned, RAW).features, cut_person(1, person, RAW).features[::-1]
    )


def test_windows_hold_no_baseline_even_where_filters_need_not_settle(person: DeapPerson) -> None:
    cut = cut_person(1, person, replace(RAW, settle_seconds=0.0))
    np.testing.assert_array_equal(cut.features, cut_person(1, person, RAW).features)


def test_shorter_windows_begin_with_the_video_too(person: DeapPerson) -> None:
    second = cut_person(1, person, replace(RAW, window_seconds=1.0))
    assert second.features.shape == (2, 60, 128, 32)
    together = second.features.reshape(2, 12, LENGTH, 32)
    np.testing.assert_array_equal(together, cut_person(1, person, RAW).features)


def test_settling_beyond_the_baseline_is_refused(person: DeapPerson) -> None:
    with pytest.raises(DataError, match=r"found filters that settle in 3\.25 s, expected at most"):
        cut_person(1, person, replace(RAW, settle_seconds=3.25))


def test_another_rate_than_deaps_is_refused(person: DeapPerson) -> None:
    with pytest.raises(DataError, match=r"found a model rate of 256\.0 Hz, expected DEAP's 128"):
        cut_person(1, person, replace(RAW, sfreq=256.0))


@pytest.mark.parametrize("simulated", [True, False])
def test_the_simulated_flag_and_the_digest_go_along(person: DeapPerson, simulated: bool) -> None:
    cut = cut_person(7, replace(person, simulated=simulated), BANDS)
    assert (cut.number, cut.simulated, cut.sha256) == (7, simulated, person.sha256)


@pytest.fixture
def folder(tmp_path: Path, person: DeapPerson, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files; the file's content says whether its person is simulated."""

    def read(path: Path) -> DeapPerson:
        one = person.data[:1], person.labels[:1]
        simulated = path.read_text(encoding="utf-8") == "simulated"
        return DeapPerson(int(path.stem[1:]), *one, simulated, path, "ab" * 32)

    monkeypatch.setattr(windows, "read_person", read)
    for number in (3, 1, 2):
        (tmp_path / f"s{number:02d}.dat").write_text("simulated", encoding="utf-8")
    return tmp_path


def test_a_folder_is_read_in_order_of_its_people(folder: Path) -> None:
    said: list[str] = []
    people = read_windows(folder, BANDS, said.append)
    assert [one.number for one in people] == [1, 2, 3]
    assert said == [f"read s{number:02d}.dat: 1 trials" for number in (1, 2, 3)]


def test_simulated_people_beside_others_are_refused(folder: Path) -> None:
    (folder / "s02.dat").write_text("a person", encoding="utf-8")
    with pytest.raises(DataError, match="found simulated people beside others"):
        read_windows(folder, BANDS, lambda _: None)


def test_the_digest_is_of_the_people_and_not_of_their_order() -> None:
    def one(number: int, sha256: str) -> PersonWindows:
        return PersonWindows(
            number=number,
            features=np.zeros((1, 1, 4, 12), np.float32),
            ratings=np.full((1, 4), 5.0),
            simulated=True,
            sha256=sha256,
        )

    first, second = one(1, "aa"), one(2, "bb")
    assert digest([first, second]) == digest([second, first])
    others = ([first], [first, one(2, "bc")], [first, one(3, "bb")])
    assert len({digest([first, second]), *map(digest, others)}) == 4
