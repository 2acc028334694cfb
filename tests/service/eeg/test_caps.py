from __future__ import annotations

import mne
import pytest

from eeg_emotion.eeg.caps import CAPS, Cap, CapError, are_numbered, cap_named
from eeg_emotion.eeg.montage import DEAP32, EMOTIV14
from eeg_emotion.errors import EegEmotionError


@pytest.mark.parametrize("name", ["biosemi32", "biosemi64"])
def test_biosemis_caps_are_those_of_mne(name: str) -> None:
    assert list(CAPS[name].sites) == mne.channels.make_standard_montage(name).ch_names


def test_the_small_cap_has_deaps_electrodes() -> None:
    assert set(CAPS["biosemi32"].sites) == set(DEAP32)


def test_openbcis_headset_has_sixteen_electrodes_left_and_right() -> None:
    sites = CAPS["openbci16"].sites
    assert len(set(sites)) == 16
    # Odd sockets are on the left, even ones on the right, pair by pair.
    assert [int(site[-1]) for site in sites[::2]] == [int(site[-1]) - 1 for site in sites[1::2]]
    assert [site[:-1] for site in sites[::2]] == [site[:-1] for site in sites[1::2]]
    assert set(sites) <= set(DEAP32)


@pytest.mark.parametrize(
    "label",
    ["A7", "a7", "A07", "7", "07", "007", "Ch7", "CH 07", "ch_7", "ch-7", "Channel 7", "channel-7",
     "Chan7", "Chan-7", "EEG 7", "EEG7", "EEG 007", "EEG Ch7", "EEG_Channel 7", "E7", "Electrode 7",
     " 7 ", "EXG Channel 6", "EXG_Channel_6", "EXGChannel6"],
)  # fmt: skip
def test_a_numbered_label_names_its_electrode(label: str) -> None:
    cap = CAPS["biosemi64"]
    assert cap.site(label) == cap.sites[6]


@pytest.mark.parametrize(("label", "number"), [("A1", 1), ("A32", 32), ("B1", 33), ("B32", 64)])
def test_letters_stand_for_thirty_two_electrodes_each(label: str, number: int) -> None:
    cap = CAPS["biosemi64"]
    assert cap.site(label) == cap.site(str(number)) == cap.sites[number - 1]


@pytest.mark.parametrize(
    "label",
    ["", "0", "Ch0", "33", "A33", "B1", "A0", "Fp1", "EXG1", "EXG Channel 32", "GSR1", "Status",
     "AUX 1", "ACC1", "1.5", "-1", "1-2", "A", "Ch", "Trig1"],
)  # fmt: skip
def test_what_is_no_number_of_the_cap_names_no_electrode(label: str) -> None:
    assert CAPS["biosemi32"].site(label) is None


def test_a_stream_that_counts_from_zero_is_read_so() -> None:
    cap = CAPS["openbci16"]
    assert cap.resolve([f"Ch{n}" for n in range(16)]) == cap.sites
    assert cap.resolve([f"Chan-{n}" for n in range(1, 17)]) == cap.sites
    assert cap.resolve([f"EXG Channel {n}" for n in range(16)]) == cap.sites
    # Without its first channel it still counts from zero.
    assert cap.resolve(["EXG Channel 3", "EXG Channel 1"]) == (cap.sites[3], cap.sites[1])


def test_numbers_are_read_wherever_they_stand() -> None:
    cap = CAPS["biosemi32"]
    assert cap.resolve(["Status", "A2", "EXG1", "A1"]) == (None, "AF3", None, "Fp1")


def test_only_the_stream_s_own_way_of_numbering_counts() -> None:
    cap = CAPS["openbci16"]
    labels = [*(f"Ch{n}" for n in range(1, 17)), "A1", "A2", "1"]
    assert cap.resolve(labels) == (*cap.sites, None, None, None)


def test_labels_without_numbers_name_nothing() -> None:
    assert CAPS["biosemi32"].resolve(["Fp1", "Status"]) == (None, None)
    assert CAPS["biosemi32"].resolve([]) == ()


@pytest.mark.parametrize("text", ["biosemi32", " BioSemi32 "])
def test_a_cap_is_asked_for_by_name(text: str) -> None:
    assert cap_named(text) is CAPS["biosemi32"]


def test_a_cap_is_given_by_its_electrodes() -> None:
    cap = cap_named("Fp1, Fp2,ECG,C4")
    assert cap == Cap("custom", ("Fp1", "Fp2", "ECG", "C4"))
    assert cap.site("Ch4") == "C4"


@pytest.mark.parametrize(
    "text", ["", "biosemi46", "Fp1", "Fp1,", "Fp1,,C3", "Fp1,FP1", "T3,T7", "biosemi32,openbci16"]
)
def test_an_unknown_cap_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(CapError, match=r"found the cap .*expected one of biosemi32, .*Fp1,Fp2"):
        cap_named(text)
    assert issubclass(CapError, EegEmotionError)


@pytest.mark.parametrize(
    ("labels", "numbered"),
    [
        ([f"A{n}" for n in range(1, 33)] + [f"EXG{n}" for n in range(1, 9)], True),
        (["1", "2", "3", "Status"], True),
        (["C3", "C4", "C1", "C2"], False),
        (EMOTIV14, False),
        (["Fp1", "Cz", "Fz", "A1", "A2"], False),
        ([], False),
    ],
)
def test_numbered_labels_are_distinguished_from_names(labels: list[str], numbered: bool) -> None:
    assert are_numbered(labels) is numbered
