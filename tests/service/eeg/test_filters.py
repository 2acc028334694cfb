from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal
from tests.support.examples import examples

from eeg_emotion.eeg.filters import (
    BlockFilter,
    CausalFilter,
    bandpass,
    group_delay_seconds,
    highpass,
    notches,
)

SFREQ = 128.0
BAND = bandpass(4.0, 45.0, order=4, sfreq=SFREQ)


def gain_db(sos: NDArray[np.float64], *at_hz: float) -> NDArray[np.float64]:
    _, response = signal.sosfreqz(sos, worN=np.array(at_hz), fs=SFREQ)
    return np.asarray(20.0 * np.log10(np.maximum(np.abs(response), 1e-12)))


@given(cuts=st.sets(st.integers(1, 399), max_size=8), seed=st.integers(0, 99))
@examples(40)
def test_chunk_borders_never_matter(cuts: set[int], seed: int) -> None:
    samples = np.random.default_rng(seed).normal(0.0, 30.0, (3, 400))
    whole = CausalFilter(BAND, 3).process(samples)
    chunked = CausalFilter(BAND, 3)
    parts = [chunked.process(part) for part in np.split(samples, sorted(cuts), axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_the_output_before_a_change_does_not_depend_on_it() -> None:
    samples = np.random.default_rng(0).normal(0.0, 30.0, (2, 300))
    changed = samples.copy()
    changed[:, 200:] += 500.0
    before = CausalFilter(BAND, 2).process(samples)
    after = CausalFilter(BAND, 2).process(changed)
    np.testing.assert_array_equal(after[:, :200], before[:, :200])
    assert not np.allclose(after[:, 200:], before[:, 200:])


def test_channels_do_not_mix() -> None:
    samples = np.zeros((3, 200))
    samples[1] = np.random.default_rng(0).normal(0.0, 30.0, 200)
    filtered = CausalFilter(BAND, 3).process(samples)
    assert filtered[1].std() > 1.0
    np.testing.assert_array_equal(filtered[[0, 2]], 0.0)


def test_the_band_passes_and_its_surroundings_do_not() -> None:
    assert (np.abs(gain_db(BAND, 6.0, 10.0, 20.0, 40.0)) < 0.5).all()
    np.testing.assert_allclose(gain_db(BAND, 4.0, 45.0), -3.01, atol=0.05)
    assert (gain_db(BAND, 0.0, 1.0, 60.0) < -40.0).all()


def test_a_higher_order_has_steeper_slopes() -> None:
    second = bandpass(4.0, 45.0, order=2, sfreq=SFREQ)
    assert gain_db(BAND, 2.0)[0] < gain_db(second, 2.0)[0] - 10.0


@pytest.mark.parametrize("band", [(0.0, 45.0), (45.0, 4.0), (4.0, 4.0), (4.0, 64.0), (-1.0, 5.0)])
def test_an_impossible_band_is_refused(band: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"found a band of .* expected rising edges"):
        bandpass(*band, order=4, sfreq=SFREQ)


def test_notches_take_the_mains_and_little_else() -> None:
    sos = notches((50.0, 60.0), q=30.0, sfreq=SFREQ)
    assert sos.shape == (2, 6)
    assert (gain_db(sos, 50.0, 60.0) < -60.0).all()
    assert (np.abs(gain_db(sos, 10.0, 30.0, 45.0)) < 0.3).all()


def test_without_mains_there_is_no_notch() -> None:
    none = notches((), q=30.0, sfreq=SFREQ)
    assert none.shape == (0, 6)
    np.testing.assert_array_equal(np.concatenate([none, BAND]), BAND)


def test_a_highpass_lets_pass_what_is_above_its_edge_only() -> None:
    sos = highpass(30.0, order=4, sfreq=SFREQ)
    np.testing.assert_allclose(gain_db(sos, 30.0), -3.01, atol=0.05)
    assert (np.abs(gain_db(sos, 45.0, 60.0)) < 0.5).all()
    # 24 dB an octave, and more, as the bilinear transform has it.
    assert (gain_db(sos, 15.0, 7.5) < [-24.0, -48.0]).all()
    assert gain_db(sos, 0.0)[0] < -200.0


# Blocks

LINES = np.concatenate([notches((50.0, 60.0), q=30.0, sfreq=SFREQ), BAND])
BANK = (LINES, np.concatenate([LINES, highpass(30.0, order=4, sfreq=SFREQ)]), BAND[:1])


@pytest.mark.parametrize("block", [1, 8, 32, 64])
def test_filters_run_by_blocks_give_what_their_sections_give(block: int) -> None:
    rng = np.random.default_rng(1)
    # Two minutes, with steps of an electrode's size: errors would add up in the states.
    samples = rng.normal(0.0, 30.0, (5, block * (15360 // block)))
    samples += np.repeat(rng.uniform(-1e4, 1e4, (5, 8)), samples.shape[1] // 8, axis=1)
    blocks = BlockFilter(BANK, channels=5, block=block)
    found = np.concatenate(
        [blocks.process(part) for part in np.split(samples, samples.shape[1] // block, axis=1)],
        axis=2,
    )
    assert found.shape == (5, len(BANK), samples.shape[1])
    for number, sos in enumerate(BANK):
        expected = CausalFilter(sos, 5).process(samples)
        np.testing.assert_allclose(found[:, number], expected, rtol=0.0, atol=1e-9)


def test_the_same_blocks_give_bitwise_the_same() -> None:
    samples = np.random.default_rng(2).normal(0.0, 30.0, (32, 3200))
    one, other = (BlockFilter(BANK, channels=32, block=32) for _ in range(2))
    for start in range(0, 3200, 32):
        # A view into a longer array here, memory of its own there.
        given = one.process(samples[:, start : start + 32])
        again = other.process(np.asfortranarray(samples[:, start : start + 32]))
        np.testing.assert_array_equal(given, again)


def test_what_a_block_gave_stays_as_it_is() -> None:
    samples = np.random.default_rng(3).normal(0.0, 30.0, (4, 64))
    filters = BlockFilter(BANK, channels=4, block=32)
    given = filters.process(samples[:, :32])
    kept = given.copy()
    filters.process(samples[:, 32:])
    np.testing.assert_array_equal(given, kept)


def test_two_of_one_bank_do_not_share_their_state() -> None:
    samples = np.random.default_rng(4).normal(0.0, 30.0, (3, 32))
    first = BlockFilter(BANK, channels=3, block=32)
    expected = first.process(samples)
    first.process(samples)
    fresh = BlockFilter(BANK, channels=3, block=32)
    np.testing.assert_array_equal(fresh.process(samples), expected)


@pytest.mark.parametrize("at_hz", [8.0, 13.0, 25.0])
def test_the_stated_delay_is_that_of_a_burst(at_hz: float) -> None:
    seconds = np.arange(round(8 * SFREQ)) / SFREQ
    envelope = np.exp(-0.5 * ((seconds - 4.0) / 0.5) ** 2)
    burst = envelope * np.sin(2 * np.pi * at_hz * seconds)
    filtered = CausalFilter(BAND, 1).process(burst[None])[0]
    energy, before = filtered**2, burst**2
    moved = (seconds @ energy) / energy.sum() - (seconds @ before) / before.sum()
    assert group_delay_seconds(BAND, at_hz, SFREQ) == pytest.approx(moved, abs=0.5 / SFREQ)
