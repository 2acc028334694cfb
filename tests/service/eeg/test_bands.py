from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.bands import region_power
from eeg_emotion.eeg.montage import DEAP32, REGIONS, places, region_of
from eeg_emotion.eeg.representation import FOUR_BANDS

SFREQ = 128.0
BANDS = [band.name for band in FOUR_BANDS]
OCCIPITAL = ("O1", "Oz", "O2", "PO3", "PO4")


def sines(hertz: float, amplitude: float, where: tuple[str, ...]) -> NDArray[np.float64]:
    signal = np.zeros((32, 640))
    times = np.arange(640) / SFREQ
    for name in where:
        signal[DEAP32.index(name)] = amplitude * np.sin(2 * np.pi * hertz * times)
    return signal


@pytest.mark.parametrize(
    ("hertz", "band"), [(6.0, "theta"), (10.0, "alpha"), (20.0, "beta"), (40.0, "gamma")]
)
def test_a_sine_shows_its_power_in_its_own_band_and_region(hertz: float, band: str) -> None:
    found = region_power(sines(hertz, 10.0, OCCIPITAL), DEAP32, (), SFREQ)
    # A sine of amplitude 10 µV has 50 µV².
    assert found["occipital"][band] == pytest.approx(10 * math.log10(50), abs=0.3)
    for other in set(BANDS) - {band}:
        power = found["occipital"][other]
        assert power is None or power < 0
    assert found["frontal"] == dict.fromkeys(BANDS)


def test_channels_that_are_left_out_do_not_count_and_a_region_without_any_has_no_power() -> None:
    signal = sines(10.0, 10.0, OCCIPITAL)
    signal[DEAP32.index("O1")] *= 100
    found = region_power(signal, DEAP32, ("O1",), SFREQ)
    assert found["occipital"]["alpha"] == pytest.approx(10 * math.log10(50), abs=0.3)
    assert region_power(signal, DEAP32, OCCIPITAL, SFREQ)["occipital"]["alpha"] is None


def test_every_electrode_that_is_known_lies_over_a_region() -> None:
    assert {region_of(name) for name in places()} == set(REGIONS)
    assert {name: region_of(name) for name in ("Fp1", "FC5", "T7", "TP9", "Pz", "PO3")} == {
        "Fp1": "frontal", "FC5": "central", "T7": "temporal", "TP9": "temporal",
        "Pz": "parietal", "PO3": "occipital",
    }  # fmt: skip
    assert region_of("Ch1") is None
    assert region_of("Status") is None
