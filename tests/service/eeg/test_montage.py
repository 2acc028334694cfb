from __future__ import annotations

import mne
import numpy as np
import pytest

from eeg_emotion.eeg.montage import (
    DEAP32,
    EMOTIV14,
    MONTAGES,
    MUSE4,
    TEN_TWENTY19,
    has_place,
    normalise_label,
    normalise_labels,
    places,
    positions,
)


@pytest.mark.parametrize(
    "label",
    ["Fp1", "FP1", "fp1", "EEG Fp1", "EEG FP1-REF", "Fp1-LE", "Fp1-Avg", "Fp1.", " Fp1 ",
     "EEG Fp1-Ref", "EEG FP1-LE", "EEG FP1-AR", "EEG_Fp1", "EEG-Fp1", "Fp1 ref", "Fp1 (ref)",
     "Fp1_REF", "Fp1..", "Fp1-A1", "Fp1:M1", "Fp1/A2", "EEG Fp1-A1A2", "Fp1:M1+M2", "Fp1-A1+A2",
     "Fp1 - A2", "Fp1-CLE"],
)  # fmt: skip
def test_spellings_of_one_electrode_become_one(label: str) -> None:
    assert normalise_label(label) == normalise_label("Fp1")


@pytest.mark.parametrize(("old", "new"), [("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8")])
def test_an_older_name_is_the_newer_ones_electrode(old: str, new: str) -> None:
    assert normalise_label(old) == normalise_label(new)
    assert normalise_label(f"EEG {old}-REF") == normalise_label(new)


def test_different_electrodes_stay_different() -> None:
    assert len({normalise_label(name) for name in DEAP32}) == len(DEAP32) == 32
    labels = [f"EEG {name.upper()}-A1" for name in DEAP32]
    assert [normalise_label(label) for label in labels] == [normalise_label(n) for n in DEAP32]
    # Neighbours whose names nearly agree, and reference-like endings that are part of a name.
    assert normalise_label("FCz") != normalise_label("Cz")
    assert normalise_label("P3") != normalise_label("T5")
    assert normalise_label("EXG1") != normalise_label("1")


@pytest.mark.parametrize(
    "label",
    ["Fp1-F7", "EEG Fp1-F7", "Fp1-Cz", "Fp1:Fp2", "A1-T3", "A1", "A2", "M1", "M2", "A1A2", "EXG1",
     "Fp1h", "AFp1", "Fp1'", "Fp1-0", "Fp1-A3", "Fp1A2", "REF", "EEG", "", "-REF", "Fp1-E2"],
)  # fmt: skip
def test_what_is_another_electrode_or_a_derivation_is_not_taken_for_one(label: str) -> None:
    everything = {normalise_label(name) for name in (*DEAP32, *MUSE4, "Fpz", "FCz", "AFz")}
    assert normalise_label(label) not in everything


def test_ears_are_electrodes_of_their_own() -> None:
    names = ("A1", "A2", "M1", "M2", "A2-A1", "EEG A1-REF")
    assert [normalise_label(name) for name in names] == ["a1", "a2", "m1", "m2", "a2", "a1"]


def test_places_are_those_of_the_biosemi_cap() -> None:
    caps = mne.channels.make_standard_montage("biosemi32").get_positions()["ch_pos"]
    expected = np.array([caps[name] for name in DEAP32])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(positions(DEAP32), expected, rtol=0.0, atol=1e-6)


def test_the_muses_places_are_those_of_the_ten_ten_system() -> None:
    # MNE's name for what older releases call standard_1005: places on an average head.
    head = mne.channels.make_standard_montage("colin27_1005").get_positions()["ch_pos"]
    known = np.array([head[name] for name in DEAP32])
    # The centre of the sphere that fits the electrodes best.
    system = np.hstack([2.0 * known, np.ones((len(known), 1))])
    centre = np.linalg.lstsq(system, (known**2).sum(axis=1))[0][:3]
    expected = np.array([head[name] for name in MUSE4]) - centre
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    apart = np.degrees(np.arccos((positions(MUSE4) * expected).sum(axis=1)))
    # The electrodes of BioSemi's cap differ by as much.
    assert apart.max() < 8.0


def test_the_muses_places_mirror_each_other() -> None:
    left_ear, left_brow, right_brow, right_ear = positions(MUSE4)
    assert left_ear[0] < left_brow[0] < 0.0
    np.testing.assert_allclose(left_ear * [-1, 1, 1], right_ear, atol=1e-12)
    np.testing.assert_allclose(left_brow * [-1, 1, 1], right_brow, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "channels", "count"),
    [
        ("deap32", DEAP32, 32),
        ("ten-twenty19", TEN_TWENTY19, 19),
        ("emotiv14", EMOTIV14, 14),
        ("muse4", MUSE4, 4),
    ],
)
def test_a_named_montage_is_the_devices_and_every_channel_has_a_place(
    name: str, channels: tuple[str, ...], count: int
) -> None:
    assert MONTAGES[name] == channels
    assert len({normalise_label(channel) for channel in channels}) == len(channels) == count
    assert all(has_place(channel) for channel in channels)


def test_the_ten_twenty_system_is_the_guidelines_by_its_newer_names() -> None:
    kept = {name for name in TEN_TWENTY19 if name not in ("T7", "T8", "P7", "P8")}
    assert kept | {"T3", "T4", "T5", "T6"} == {
        *("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8"),
        *("T3", "T4", "T5", "T6", "Fz", "Cz", "Pz"),
    }
    assert set(TEN_TWENTY19) <= set(DEAP32)


def test_the_emotivs_channels_are_symmetric_and_in_deaps() -> None:
    assert set(EMOTIV14) <= set(DEAP32)
    left, right = positions(EMOTIV14[:7]), positions(EMOTIV14[:6:-1])
    np.testing.assert_allclose(left * [-1, 1, 1], right, atol=1e-12)


def test_places_lie_on_the_unit_sphere_with_right_front_and_up_positive() -> None:
    at = dict(zip(DEAP32, positions(DEAP32), strict=True))
    np.testing.assert_allclose(np.linalg.norm(list(at.values()), axis=1), 1.0, atol=1e-12)
    assert at["T8"][0] > 0.9 > -0.9 > at["T7"][0]
    assert at["Fz"][1] > 0.5 > -0.5 > at["Pz"][1]
    np.testing.assert_allclose(at["Cz"], [0.0, 0.0, 1.0], atol=1e-12)


def test_positions_follow_the_order_asked_for() -> None:
    order = ("O2", "Fp1", "Cz")
    expected = [positions((name,))[0] for name in order]
    np.testing.assert_array_equal(positions(order), expected)


def test_every_electrode_with_a_known_position_is_found() -> None:
    assert set(places()) == {*DEAP32, *MUSE4}
    assert len(positions(places())) == 36


def test_an_electrode_without_a_known_position_is_recognised() -> None:
    assert all(has_place(name) for name in DEAP32)
    assert not has_place("Nose")
    with pytest.raises(KeyError, match="Nose"):
        positions(("Cz", "Nose"))


@pytest.mark.parametrize(
    "form",
    ["EEG {}-CPz", "{}-Cz", "{}_A1", "{}-Nz", "{}:G2", "{} FCz", "{}/Linked ears", "{}–CPz",
     "POL {}", "POL {}-Vref", "Scalp_{}", "{}-(A1+A2)/2", "{}-A1"],
)  # fmt: skip
def test_a_part_that_all_electrodes_share_is_no_part_of_their_names(form: str) -> None:
    labels = [form.format(name) for name in TEN_TWENTY19]
    assert normalise_labels(labels) == [normalise_label(name) for name in TEN_TWENTY19]
    others = ["ECG", "EOG-left", "Status", "DC01"]
    assert normalise_labels([*labels, *others])[:19] == normalise_labels(labels)


@pytest.mark.parametrize(
    "labels",
    [
        ["Fp1-F7", "F7-T7", "T7-P7", "P7-O1"],
        ["Fp1-Cz", "F3-Pz", "F4-Pz"],
        ["F3-Cz", "F4-Cz", "P3"],  # of two references
        ["Fp1-Cz"],
        ["C3h", "C4h"],
        ["F3'", "F4'"],
        ["F3-0", "F4-0"],
    ],
)
def test_what_electrodes_do_not_share_stays(labels: list[str]) -> None:
    assert normalise_labels(labels) == [normalise_label(label) for label in labels]


def test_the_reference_itself_may_stand_alone() -> None:
    assert normalise_labels(["F3-Cz", "F4-Cz", "Cz"]) == ["f3", "f4", "cz"]
    assert normalise_labels(["T3-Cz", "T4-Cz", "Cz-Cz"]) == ["t7", "t8", "cz"]
