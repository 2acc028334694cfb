from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.amplitude import NEEDED_SECONDS, UNIT_RANGES, AmplitudeMeter, infer_unit
from eeg_emotion.recordings.simulation import SimulatedPerson


def tones(sfreq: float, *parts: tuple[float, float], seconds: float = 6.0) -> NDArray[np.float64]:
    """Sum tones, each given by its frequency and its RMS."""
    at = np.arange(round(seconds * sfreq)) / sfreq
    return np.array([sum(np.sqrt(2.0) * rms * np.sin(2 * np.pi * hz * at) for hz, rms in parts)])


def measure(samples: NDArray[np.floating], sfreq: float) -> NDArray[np.float64]:
    meter = AmplitudeMeter(len(samples), sfreq)
    meter.feed(samples)
    return meter.amplitudes


@pytest.mark.parametrize("sfreq", [100.0, 128.0, 250.0, 512.0, 2048.0])
def test_what_lies_in_the_band_is_measured_and_the_mains_and_drifts_are_not(sfreq: float) -> None:
    wanted = tones(sfreq, (12.0, 7.0))
    lines = [(50.0, 300.0), (60.0, 300.0)] if sfreq > 125.0 else []
    disturbed = wanted + tones(sfreq, (0.3, 500.0), *lines)
    assert measure(wanted, sfreq)[0] == pytest.approx(7.0, rel=0.03)
    assert measure(disturbed, sfreq)[0] == pytest.approx(7.0, rel=0.15)


def test_an_electrodes_offset_does_not_ring() -> None:
    sfreq = 250.0
    plain = tones(sfreq, (10.0, 10.0))
    np.testing.assert_allclose(measure(plain + 3e5, sfreq), measure(plain, sfreq), rtol=1e-6)


def test_the_result_scales_with_the_numbers() -> None:
    samples = tones(256.0, (10.0, 10.0), (20.0, 3.0))
    expected = measure(samples, 256.0)
    for factor in (1e-6, 1e-3, 1e3):
        np.testing.assert_allclose(measure(samples * factor, 256.0), expected * factor, rtol=1e-9)


def test_chunks_make_no_difference() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(40.0, 12.0, (5, 1400))
    samples[1, rng.random(1400) < 0.1] = np.nan
    samples[2, :700] = np.inf
    samples[3] = np.nan
    samples[4, ::7] = 1e300
    whole = measure(samples, 250.0)
    for sizes in (
        [1] * 1400,
        [0, 3, 0, 397, 1000],
        [333] * 4 + [68],
        rng.multinomial(1400, [0.05] * 20),
    ):
        meter = AmplitudeMeter(5, 250.0)
        start = 0
        for size in sizes:
            meter.feed(samples[:, start : start + size])
            start += size
        assert start == 1400
        np.testing.assert_array_equal(meter.amplitudes, whole)
    assert np.isfinite(whole[[0, 1, 2, 4]]).all()
    assert np.isnan(whole[3])


def test_it_is_ready_after_four_contiguous_seconds() -> None:
    meter = AmplitudeMeter(1, 128.0)
    samples = tones(128.0, (10.0, 10.0), seconds=NEEDED_SECONDS)
    meter.feed(samples[:, :-1])
    assert not meter.ready
    assert np.isnan(meter.amplitudes).all()
    meter.feed(samples[:, -1:])
    assert meter.ready
    assert meter.amplitudes[0] == pytest.approx(10.0, rel=0.03)


def test_a_gap_restarts_the_measurement() -> None:
    meter = AmplitudeMeter(1, 128.0)
    loud = tones(128.0, (10.0, 1000.0))
    meter.feed(loud)
    meter.restart()
    assert not meter.ready
    quiet = tones(128.0, (10.0, 5.0), seconds=NEEDED_SECONDS)
    meter.feed(quiet)
    np.testing.assert_array_equal(meter.amplitudes, measure(quiet, 128.0))


def test_a_blink_and_a_lost_electrode_do_not_carry_the_result() -> None:
    samples = tones(256.0, (10.0, 10.0))
    samples[0, 600:640] += 2e3
    assert measure(samples, 256.0)[0] == pytest.approx(10.0, rel=0.2)


def test_a_headset_put_on_later_is_measured_as_it_is_worn() -> None:
    off = np.zeros((1, 20 * 128))
    worn = tones(128.0, (10.0, 10.0), seconds=5.0)
    assert measure(np.hstack([off, worn]), 128.0)[0] == pytest.approx(10.0, rel=0.03)


def test_whole_numbers_are_taken() -> None:
    samples: Any = tones(250.0, (10.0, 500.0)).astype(np.int16)  # as some outlets send
    assert measure(samples, 250.0)[0] == pytest.approx(500.0, rel=0.03)


@pytest.mark.parametrize(("unit", "volts"), [("V", 1.0), ("mV", 1e-3), ("µV", 1e-6)])
@pytest.mark.parametrize("microvolts", [2.0, 8.0, 30.0, 100.0])
def test_eeg_matches_its_own_unit(unit: str, volts: float, microvolts: float) -> None:
    assert infer_unit(microvolts * 1e-6 / volts) == unit


@pytest.mark.parametrize(
    "amplitude",
    [
        0.0,
        1e-9,
        1.9e-6,
        1.1e-4,
        4.5e-4,
        1.9e-3,
        0.11,
        0.45,
        1.9,
        101.0,
        8000.0,
        1e9,
        np.nan,
        np.inf,
    ],
)
def test_an_amplitude_between_or_beyond_the_ranges_matches_no_unit(amplitude: float) -> None:
    assert infer_unit(amplitude) is None


def test_units_are_far_apart() -> None:
    ranges = sorted(UNIT_RANGES.values())
    assert all(following[0] / before[1] > 10 for before, following in pairwise(ranges))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("unit", "volts"), [("V", 1.0), ("mV", 1e-3), ("µV", 1e-6)])
def test_a_simulated_persons_eeg_is_judged_right(seed: int, unit: str, volts: float) -> None:
    microvolts = SimulatedPerson(seed, 1).run(0, 128.0).next(6 * 128, 0.5, 0.5)
    amplitudes = measure((microvolts * 1e-6 / volts).astype(np.float32), 128.0)
    assert infer_unit(float(np.median(amplitudes))) == unit
