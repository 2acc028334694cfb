from __future__ import annotations

import pytest

from eeg_emotion.eeg.units import microvolts_per


@pytest.mark.parametrize(
    ("spellings", "volts"),
    [
        (("V", "volt", "Volts", "0"), 1.0),
        (("mV", "millivolt", "MilliVolts", "-3"), 1e-3),
        (("uV", "microvolts", "Microvolt", "\u00b5V", "\u03bcV", "-6", "UV", " uV "), 1e-6),
        (("nV", "nanovolts", "-9"), 1e-9),
    ],
)
def test_every_spelling_of_a_unit_gives_its_factor(spellings: tuple[str, ...], volts: float):
    for spelling in spellings:
        assert microvolts_per(spelling) == pytest.approx(volts / 1e-6, rel=1e-12), spelling


@pytest.mark.parametrize("unit", ["", " ", "a.u.", "T", "uV/m", "counts", "none", "-12", "u V"])
def test_an_unknown_unit_has_no_factor(unit: str):
    assert microvolts_per(unit) is None
