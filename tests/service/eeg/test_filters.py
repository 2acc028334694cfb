from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from eeg_emotion.eeg.filters import CausalFilter, bandpass, group_delay_seconds, notches

SFREQ = 128.0
BAND = bandpass(4.0, 45.0, order=4, sfreq=SFREQ)


def gain_db(sos: NDArray[np.float64], *at_hz: float) -> NDArray[np.float64]:
    _, response = signal.sosfreqz(sos, worN=np.array(at_hz), fs=SFREQ)
    return 20.0 * np.log10(np.maximum(np.abs(response), 1e-12))


@given(cuts=st.sets(st.integers(1, 399), max_size=8), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_chunk_borders_never_matter(cuts: set[int], seed: int):
    samples = np.random.default_rng(seed).normal(0.0, 30.0, (3, 400))
    whole = CausalFilter(BAND, 3).process(samples)
    chunked = CausalFilter(BAND, 3)
    parts = [chunked.process(part) for part in np.split(samples, sorted(cuts), axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_the_output_before_a_change_does_not_depend_on_it():
    samples = np.random.default_rng(0).normal(0.0, 30.0, (2, 300))
    changed = samples.copy()
    changed[:, 200:] += 500.0
    before = CausalFilter(BAND, 2).process(samples)
    after = CausalFilter(BAND, 2).process(changed)
    np.testing.assert_array_equal(after[:, :200], before[:, :200])
    assert not np.allclose(after[:, 200:], before[:, 200:])


def test_channels_do_not_mix():
    samples = np.zeros((3, 200))
    samples[1] = np.random.default_rng(0).normal(0.0, 30.0, 200)
    filtered = CausalFilter(BAND, 3).process(samples)
    assert filtered[1].std() > 1.0
    np.testing.assert_array_equal(filtered[[0, 2]], 0.0)


def test_the_band_passes_and_its_surroundings_do_not():
    assert (np.abs(gain_db(BAND, 6.0, 10.0, 20.0, 40.0)) < 0.5).all()
    np.testing.assert_allclose(gain_db(BAND, 4.0, 45.0), -3.01, atol=0.05)
    assert (gain_db(BAND, 0.0, 1.0, 60.0) < -40.0).all()


def test_a_higher_order_has_steeper_slopes():
    second = bandpass(4.0, 45.0, order=2, sfreq=SFREQ)
    assert gain_db(BAND, 2.0)[0] < gain_db(second, 2.0)[0] - 10.0


@pytest.mark.parametrize("band", [(0.0, 45.0), (45.0, 4.0), (4.0, 4.0), (4.0, 64.0), (-1.0, 5.0)])
def test_an_impossible_band_is_refused(band: tuple[float, float]):
    with pytest.raises(ValueError, match=r"found a band of .* expected it to rise"):
        bandpass(*band, order=4, sfreq=SFREQ)


def test_notches_take_the_mains_and_little_else():
    sos = notches((50.0, 60.0), q=30.0, sfreq=SFREQ)
    assert sos.shape == (2, 6)
    assert (gain_db(sos, 50.0, 60.0) < -60.0).all()
    assert (np.abs(gain_db(sos, 10.0, 30.0, 45.0)) < 0.3).all()


def test_without_mains_there_is_no_notch():
    none = notches((), q=30.0, sfreq=SFREQ)
    assert none.shape == (0, 6)
    np.testing.assert_array_equal(np.concatenate([none, BAND]), BAND)


@pytest.mark.parametrize("at_hz", [8.0, 13.0, 25.0])
def test_the_stated_delay_is_that_of_a_burst(at_hz: float):
    seconds = np.arange(round(8 * SFREQ)) / SFREQ
    envelope = np.exp(-0.5 * ((seconds - 4.0) / 0.5) ** 2)
    burst = envelope * np.sin(2 * np.pi * at_hz * seconds)
    filtered = CausalFilter(BAND, 1).process(burst[None])[0]
    energy, before = filtered**2, burst**2
    moved = (seconds @ energy) / energy.sum() - (seconds @ before) / before.sum()
    assert group_delay_seconds(BAND, at_hz, SFREQ) == pytest.approx(moved, abs=0.5 / SFREQ)
