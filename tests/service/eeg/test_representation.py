from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eeg_emotion.eeg.representation import BandPower, RawSignal

SFREQ = 128.0
CHANNELS = ("Fz", "Cz", "Pz")


def sine(at_hz: float, amplitude_uv: float, seconds: float = 8.0) -> NDArray[np.float64]:
    return amplitude_uv * np.sin(2 * np.pi * at_hz * np.arange(round(seconds * SFREQ)) / SFREQ)


def powers(samples: NDArray[np.float64], spec: BandPower | None = None) -> dict[str, float]:
    """Feature name to its mean over the second half, dB."""
    spec = spec or BandPower()
    rows = spec.extractor(len(CHANNELS), SFREQ).extract(samples)
    mean = rows[len(rows) // 2 :].mean(axis=0)
    return dict(zip(spec.features(CHANNELS), mean.tolist(), strict=True))


@pytest.mark.parametrize("amplitude_uv", [1.0, 10.0, 40.0])
@pytest.mark.parametrize(("band", "at_hz"), [("theta", 5.7), ("alpha", 10.2), ("beta", 19.7)])
def test_a_sines_power_appears_in_its_band_and_channel(
    band: str, at_hz: float, amplitude_uv: float
):
    samples = np.zeros((3, round(8 * SFREQ)))
    samples[1] = sine(at_hz, amplitude_uv)
    found = powers(samples)
    assert found[f"Cz {band}"] == pytest.approx(10 * np.log10(amplitude_uv**2 / 2), abs=0.2)
    for name, value in found.items():
        if name != f"Cz {band}":
            assert value < found[f"Cz {band}"] - 6.0, name


def test_gamma_is_seen_up_to_its_edge():
    samples = np.tile(sine(37.0, 10.0), (3, 1))
    assert powers(samples)["Pz gamma"] == pytest.approx(10 * np.log10(50.0), abs=0.2)


def test_ten_times_the_amplitude_is_twenty_decibels_more():
    weak, strong = (powers(np.tile(sine(10.0, a), (3, 1)))["Fz alpha"] for a in (2.0, 20.0))
    assert strong - weak == pytest.approx(20.0, abs=0.01)


def test_silence_is_finite():
    assert np.isfinite(list(powers(np.zeros((3, 256))).values())).all()


def test_a_row_stands_for_one_step():
    rows = BandPower().extractor(3, SFREQ).extract(np.zeros((3, 320)))
    assert rows.shape == (10, 12)
    assert BandPower().step_samples(SFREQ) == 32
    assert BandPower(step_seconds=0.125).step_samples(SFREQ) == 16
    assert BandPower(step_seconds=0.125).extractor(3, SFREQ).extract(np.zeros((3, 320))).shape == (
        20,
        12,
    )


def test_a_row_tells_of_its_own_step_only_and_of_the_past():
    samples = np.random.default_rng(0).normal(0.0, 10.0, (3, 320))
    later = samples.copy()
    later[:, 160:] *= 5.0
    before, after = (BandPower().extractor(3, SFREQ).extract(part) for part in (samples, later))
    np.testing.assert_array_equal(after[:5], before[:5])
    assert (after[7:] > before[7:] + 6.0).mean() > 0.9


def test_features_are_named_band_by_band():
    names = BandPower().features(CHANNELS)
    assert names[:4] == ("Fz theta", "Cz theta", "Pz theta", "Fz alpha")
    assert len(names) == len(set(names)) == 12


@given(cuts=st.sets(st.integers(1, 19), max_size=6), step=st.sampled_from([0.25, 0.125]))
@settings(max_examples=30, deadline=None)
def test_chunk_borders_never_matter(cuts: set[int], step: float):
    samples = np.random.default_rng(1).normal(0.0, 10.0, (3, 640))
    spec = BandPower(step_seconds=step)
    whole = spec.extractor(3, SFREQ).extract(samples)
    chunked = spec.extractor(3, SFREQ)
    parts = np.split(samples, [32 * cut for cut in sorted(cuts)], axis=1)
    np.testing.assert_array_equal(
        np.concatenate([chunked.extract(np.ascontiguousarray(part)) for part in parts]), whole
    )


def test_the_raw_representation_is_the_samples_themselves():
    samples = np.random.default_rng(2).normal(0.0, 10.0, (3, 64))
    spec = RawSignal()
    rows = spec.extractor(3, SFREQ).extract(samples)
    np.testing.assert_array_equal(rows, samples.T)
    assert spec.step_samples(SFREQ) == 1
    assert spec.features(CHANNELS) == CHANNELS
