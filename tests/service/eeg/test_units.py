from __future__ import annotations

import pytest

from eeg_emotion.eeg.units import is_unstated, microvolts_per, unit_name


@pytest.mark.parametrize(
    ("spellings", "volts"),
    [
        (("V", "volt", "Volts", "0", "1e0"), 1.0),
        (("mV", "millivolt", "MilliVolts", "mVolts", "-3", "1e-3", "10^-3 V"), 1e-3),
        (("uV", "microvolts", "Microvolt", "\u00b5V", "\u03bcV", "UV", " uV ", "uVolts"), 1e-6),
        (("-6", "1e-06", "1e-6 V", "1E-6", "1.0e-06", "10^-6", "10^-6 V", "10**-6"), 1e-6),
        (("microV", "micro-volts", "micro volts", "\u33b6", "\u2212" + "6"), 1e-6),
        (("nV", "nanovolts", "nVolts", "-9", "1e-9 V"), 1e-9),
    ],
)
def test_every_spelling_of_a_unit_gives_its_factor(
    spellings: tuple[str, ...], volts: float
) -> None:
    for spelling in spellings:
        assert microvolts_per(spelling) == pytest.approx(volts / 1e-6, rel=1e-12), spelling
        assert not is_unstated(spelling)


def test_a_micro_sign_whose_encoding_was_mistaken_is_one() -> None:
    assert microvolts_per("\u00b5V".encode().decode("latin-1")) == 1.0


@pytest.mark.parametrize(
    "unit",
    ["", " ", "n/a", "N/A", "unknown", "Unknown ", "none", "None", "-", "?", "nan"],
)
def test_a_source_that_does_not_state_the_unit_is_reported(unit: str) -> None:
    assert is_unstated(unit)
    assert microvolts_per(unit) is None


@pytest.mark.parametrize(
    "unit",
    ["a.u.", "T", "uV/m", "uV/LSB", "counts", "ADC counts", "\u00b5S", "g", "\u00b0C", "-12", "u V",
     "1e-5", "10e-6 V", "-6V", "1", "107", "ohms", "uV^2", "kV"],
)  # fmt: skip
def test_any_other_unit_states_that_it_is_no_voltage(unit: str) -> None:
    assert microvolts_per(unit) is None
    assert not is_unstated(unit)


@pytest.mark.parametrize("name", ["V", "mV", "\u00b5V", "nV"])
def test_a_factor_has_the_units_name(name: str) -> None:
    factor = microvolts_per(name)
    assert factor is not None
    assert unit_name(factor) == name
