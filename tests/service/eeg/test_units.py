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


@pytest.mark.parametrize(
    "written",
    [
        *("\u00b5V".encode(page) for page in ("cp1252", "cp850", "mac_roman", "utf-8", "gb18030")),
        *(
            "\u03bcV".encode(page)
            for page in ("utf-8", "shift_jis", "gbk", "euc_kr", "big5", "johab")
        ),
    ],
)
@pytest.mark.parametrize("read_as", ["latin-1", "utf-8", "cp1252"])
def test_a_micro_sign_is_recognised_in_the_code_pages_of_recorders(
    written: bytes, read_as: str
) -> None:
    try:
        text = written.decode(read_as)
    except UnicodeDecodeError:
        return  # no reader shows such bytes as that
    assert microvolts_per(text) == 1.0


@pytest.mark.parametrize(
    ("unit", "factor"), [("мкВ", 1.0), ("мВ", 1e3), ("\ufeffV", 1e6), ("\u00a0mV", 1e3)]
)
def test_other_scripts_and_invisible_signs_do_not_change_a_unit(unit: str, factor: float) -> None:
    assert microvolts_per(unit) == factor


@pytest.mark.parametrize(
    "unit",
    [
        # A Greek mu in one code page, a Cyrillic milli in another.
        *("\u00b5V".replace("\u00b5", sign) for sign in ("ì", "í")),
        *("?V", "\ufffdV", "\u00a3V", "\ufffd\ufffdV", "мВ".encode("cp1251").decode("latin-1")),
    ],
)
def test_a_prefix_that_cannot_be_read_leaves_the_unit_to_the_amplitude(unit: str) -> None:
    assert microvolts_per(unit) is None
    assert is_unstated(unit)
