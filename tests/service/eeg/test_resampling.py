from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.examples import examples

from eeg_emotion.eeg.resampling import Resampler, delay_seconds

MODEL_HZ = 128.0
RATES = [100.0, 110.0, 120.0, 125.0, 250.0, 256.0, 300.0, 500.0, 512.0, 1000.0, 2048.0]


def sine(
    at_hz: float, sfreq: float, seconds: float, amplitude: float = 20.0
) -> NDArray[np.float64]:
    time = np.arange(round(seconds * sfreq)) / sfreq
    return np.asarray(amplitude * np.sin(2 * np.pi * at_hz * time))


@given(
    sfreq=st.sampled_from([100.0, 120.0, 250.0, 500.0, 512.0]),
    chunks=st.lists(st.integers(0, 700), min_size=1, max_size=30),
    seed=st.integers(0, 99),
)
@examples(40)
def test_chunk_borders_never_matter(sfreq: float, chunks: list[int], seed: int) -> None:
    cuts = np.cumsum(chunks)
    samples = np.random.default_rng(seed).normal(0.0, 30.0, (3, cuts[-1] + 500))
    whole = Resampler(3, sfreq, MODEL_HZ).process(samples)
    chunked = Resampler(3, sfreq, MODEL_HZ)
    parts = [chunked.process(part) for part in np.split(samples, cuts, axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_one_sample_at_a_time_gives_the_same() -> None:
    samples = np.random.default_rng(0).normal(0.0, 30.0, (2, 900))
    whole = Resampler(2, 500.0, MODEL_HZ).process(samples)
    single = Resampler(2, 500.0, MODEL_HZ)
    parts = [single.process(samples[:, i : i + 1]) for i in range(samples.shape[1])]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("sfreq", RATES)
def test_no_sample_is_lost_or_added_over_a_long_time(sfreq: float) -> None:
    resampler = Resampler(1, sfreq, MODEL_HZ)
    minutes = 20
    chunk = np.zeros((1, round(60 * sfreq)))
    given_out = sum(resampler.process(chunk).shape[1] for _ in range(minutes))
    lag = delay_seconds(sfreq, MODEL_HZ) * MODEL_HZ
    assert given_out == pytest.approx(minutes * 60 * MODEL_HZ - lag, abs=1.0)


@pytest.mark.parametrize("sfreq", RATES)
@pytest.mark.parametrize("at_hz", [5.0, 10.0, 40.0])
def test_a_sine_keeps_frequency_amplitude_and_time(sfreq: float, at_hz: float) -> None:
    out = Resampler(1, sfreq, MODEL_HZ).process(sine(at_hz, sfreq, 6.0)[None])[0]
    expected = sine(at_hz, MODEL_HZ, 6.0)[: len(out)]
    steady = slice(round(MODEL_HZ), None)  # before, the kernel still reaches over the beginning
    # A thousandth of the amplitude; a shift of one input sample at 2048 Hz would differ by 1.5 %
    # at 5 Hz already.
    np.testing.assert_allclose(out[steady], expected[steady], rtol=0.0, atol=0.02)


@pytest.mark.parametrize("sfreq", RATES)
def test_the_band_passes_up_to_its_upper_edge(sfreq: float) -> None:
    out = Resampler(1, sfreq, MODEL_HZ).process(sine(45.0, sfreq, 6.0)[None])[0][128:]
    # The sinc kernel begins to fall at about 0.75 of the lower rate's half; from 100 Hz the slower
    # one at 0.88, which is at 44 Hz.
    limit = 2.3 if sfreq < 110.0 else 0.6
    assert 20 * np.log10(out.std() / (20.0 / np.sqrt(2))) == pytest.approx(0.0, abs=limit)


def test_sample_zero_falls_onto_sample_zero() -> None:
    impulse = np.zeros((1, 2000))
    impulse[0, 1000] = 1.0  # at 2 s
    out = Resampler(1, 500.0, MODEL_HZ).process(impulse)[0]
    assert out.argmax() == round(2.0 * MODEL_HZ)


def test_what_the_lower_rate_cannot_show_does_not_come_back_as_an_alias() -> None:
    out = Resampler(1, 500.0, MODEL_HZ).process(sine(118.0, 500.0, 6.0)[None])[0]  # aliases to 10
    assert np.abs(out[128:]).max() < 0.1


def test_equal_rates_pass_the_samples_through() -> None:
    samples = np.random.default_rng(0).normal(0.0, 1.0, (2, 50))
    np.testing.assert_array_equal(Resampler(2, 128.0, 128.0).process(samples), samples)
    assert delay_seconds(128.0, 128.0) == 0.0


def test_channels_do_not_mix() -> None:
    samples = np.zeros((3, 1500))
    samples[1] = sine(10.0, 500.0, 3.0)
    out = Resampler(3, 500.0, MODEL_HZ).process(samples)
    assert out[1].std() > 1.0
    np.testing.assert_array_equal(out[[0, 2]], 0.0)


@pytest.mark.parametrize("sfreq", RATES)
def test_the_stated_delay_is_what_the_output_lags_by(sfreq: float) -> None:
    stated = delay_seconds(sfreq, MODEL_HZ)
    assert 0.0 < stated < (0.25 if sfreq >= 120.0 else 0.5)
    resampler = Resampler(1, sfreq, MODEL_HZ)
    step, out = max(1, round(sfreq / MODEL_HZ)), 0
    lags = []
    for fed in range(step, round(6 * sfreq), step):
        out += resampler.process(np.zeros((1, step))).shape[1]
        lags.append(fed / sfreq - out / MODEL_HZ)
    # Output comes in whole samples, so the lag moves within about one of each rate.
    late = np.array(lags[len(lags) // 2 :])
    np.testing.assert_allclose(late, stated, rtol=0.0, atol=1.0 / MODEL_HZ + step / sfreq)


def test_no_input_gives_no_output() -> None:
    assert Resampler(2, 500.0, MODEL_HZ).process(np.empty((2, 0))).shape == (2, 0)
