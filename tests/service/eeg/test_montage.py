from __future__ import annotations

import mne
import numpy as np
import pytest

from eeg_emotion.eeg.montage import DEAP32, has_place, normalise_label, positions


@pytest.mark.parametrize(
    "label", ["Fp1", "FP1", "fp1", "EEG Fp1", "EEG FP1-REF", "Fp1-LE", "Fp1-Avg", "Fp1.", " Fp1 "]
)
def test_spellings_of_one_electrode_become_one(label: str):
    assert normalise_label(label) == normalise_label("Fp1")


@pytest.mark.parametrize(("old", "new"), [("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8")])
def test_an_older_name_is_the_newer_ones_electrode(old: str, new: str):
    assert normalise_label(old) == normalise_label(new)
    assert normalise_label(f"EEG {old}-REF") == normalise_label(new)


def test_different_electrodes_stay_different():
    assert len({normalise_label(name) for name in DEAP32}) == len(DEAP32) == 32
    # Neighbours whose names nearly agree, and reference-like endings that are part of a name.
    assert normalise_label("FCz") != normalise_label("Cz")
    assert normalise_label("P3") != normalise_label("T5")
    assert normalise_label("EXG1") != normalise_label("1")


def test_places_are_those_of_the_biosemi_cap():
    caps = mne.channels.make_standard_montage("biosemi32").get_positions()["ch_pos"]
    expected = np.array([caps[name] for name in DEAP32])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(positions(DEAP32), expected, rtol=0.0, atol=1e-6)


def test_places_lie_on_the_unit_sphere_with_right_front_and_up_positive():
    places = dict(zip(DEAP32, positions(DEAP32), strict=True))
    np.testing.assert_allclose(np.linalg.norm(list(places.values()), axis=1), 1.0, atol=1e-12)
    assert places["T8"][0] > 0.9 > -0.9 > places["T7"][0]
    assert places["Fz"][1] > 0.5 > -0.5 > places["Pz"][1]
    np.testing.assert_allclose(places["Cz"], [0.0, 0.0, 1.0], atol=1e-12)


def test_positions_follow_the_order_asked_for():
    order = ("O2", "Fp1", "Cz")
    expected = [positions((name,))[0] for name in order]
    np.testing.assert_array_equal(positions(order), expected)


def test_an_electrode_without_a_known_place_is_told_apart():
    assert all(has_place(name) for name in DEAP32)
    assert not has_place("Nose")
    with pytest.raises(KeyError, match="Nose"):
        positions(("Cz", "Nose"))
