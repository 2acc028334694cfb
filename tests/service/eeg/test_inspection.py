from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.examples import examples

from eeg_emotion.eeg.inspection import Inspector, Measure

Array = NDArray[np.float64]

RATES = [100.0, 125.0, 128.0, 250.0, 256.0, 500.0, 1000.0, 2048.0]


def inspect(
    samples: Array, sfreq: float, bad: NDArray[np.bool_] | None = None, cuts: tuple[int, ...] = ()
) -> Array:
    """Measures of each block, `(blocks, measures, channels)`."""
    inspector = Inspector(len(samples), sfreq, 0.25 * sfreq)
    bad = np.zeros(samples.shape, dtype=bool) if bad is None else bad
    parts = zip(np.split(samples, cuts, axis=1), np.split(bad, cuts, axis=1), strict=True)
    return np.array([block for part, marks in parts for block in inspector.feed(part, marks)])


def hum(sfreq: float, hz: float, amplitude: float, seconds: float = 2.0) -> Array:
    time = np.arange(round(seconds * sfreq)) / sfreq
    return amplitude * np.sin(2 * np.pi * hz * time + 1.1)[np.newaxis]


def test_a_block_is_described_by_its_own_samples() -> None:
    samples = np.arange(64.0).reshape(1, 64) % 40
    samples[0, 3:9] = -5.0
    first, second = inspect(samples, 128.0)[:, :, 0]
    assert first[Measure.HIGHEST] == 31.0
    assert first[Measure.LOWEST] == -5.0
    assert first[Measure.AT_HIGHEST] == 1 / 32
    assert first[Measure.AT_LOWEST] == 6 / 32
    assert first[Measure.MEAN] == samples[0, :32].mean()
    assert second[Measure.HIGHEST] == 39.0
    assert second[Measure.LOWEST] == 0.0
    assert second[Measure.MEAN] == samples[0, 32:].mean()


def test_channels_do_not_mix() -> None:
    samples = np.random.default_rng(0).normal(0.0, 20.0, (3, 128))
    together = inspect(samples, 128.0)
    for channel in range(3):
        alone = inspect(samples[channel : channel + 1], 128.0)
        np.testing.assert_allclose(together[:, :, channel], alone[:, :, 0], rtol=1e-12)


def test_one_bad_sample_marks_its_block_and_channel() -> None:
    samples = np.random.default_rng(0).normal(0.0, 20.0, (2, 128))
    bad = np.zeros(samples.shape, dtype=bool)
    bad[1, 64] = True
    marks = inspect(samples, 128.0, bad)[:, Measure.BAD]
    np.testing.assert_array_equal(marks, [[0, 0], [0, 0], [0, 1], [0, 0]])


@pytest.mark.parametrize("sfreq", RATES)
def test_blocks_follow_a_quarter_of_a_second_at_any_rate(sfreq: float) -> None:
    samples = np.arange(round(10 * sfreq), dtype=float)[np.newaxis]
    blocks = inspect(samples, sfreq)
    assert len(blocks) == 40
    # Each sample is in one block, the one in whose time it lies.
    firsts, lasts = blocks[:, Measure.LOWEST, 0], blocks[:, Measure.HIGHEST, 0]
    np.testing.assert_array_equal(firsts[1:], lasts[:-1] + 1)
    np.testing.assert_array_equal(firsts, np.ceil(np.arange(40) * 0.25 * sfreq))
    inspector = Inspector(1, sfreq, 0.25 * sfreq)
    assert [inspector.end_of(block) for block in range(40)] == (lasts + 1).tolist()


@pytest.mark.parametrize("sfreq", [128.0, 250.0, 256.0, 500.0, 512.0, 1000.0])
@pytest.mark.parametrize("hz", [50.0, 60.0])
@pytest.mark.parametrize("amplitude", [1.0, 40.0, 1000.0])
def test_hum_is_measured_by_its_amplitude(sfreq: float, hz: float, amplitude: float) -> None:
    found = np.sqrt(inspect(hum(sfreq, hz, amplitude), sfreq)[:, Measure.MAINS, 0])
    # At 128 Hz the image of 60 Hz is 8 Hz away, on the window's slope.
    np.testing.assert_allclose(found, amplitude, rtol=0.05 if sfreq > 128.0 else 0.12)


@pytest.mark.parametrize("hz", [0.0, 1.0, 10.0, 30.0, 40.0, 75.0, 100.0])
def test_what_is_no_hum_is_not_taken_for_it(hz: float) -> None:
    found = np.sqrt(inspect(500.0 + hum(1000.0, hz, 100.0), 1000.0)[:, Measure.MAINS])
    assert found.max() < 4.0


def test_of_two_hums_the_stronger_one_counts() -> None:
    both = hum(500.0, 50.0, 30.0) + hum(500.0, 60.0, 90.0)
    found = np.sqrt(inspect(both, 500.0)[:, Measure.MAINS, 0])
    np.testing.assert_allclose(found, 90.0, rtol=0.1)


@pytest.mark.parametrize(
    ("sfreq", "hz", "seen"),
    [
        (100.0, 50.0, False),
        (100.0, 60.0, False),
        (119.0, 50.0, True),
        (119.0, 60.0, False),
        (125.0, 50.0, True),
        (125.0, 60.0, False),
        (128.0, 60.0, True),
    ],
)
def test_hum_near_half_the_rate_and_beyond_is_left_unmeasured(
    sfreq: float, hz: float, seen: bool
) -> None:
    found = np.sqrt(inspect(hum(sfreq, hz, 100.0), sfreq)[:, Measure.MAINS, 0])
    assert (found > 50.0).all() if seen else (found < 10.0).all()


@given(
    sfreq=st.sampled_from([125.0, 128.0, 250.0, 500.0]),
    cuts=st.lists(st.integers(0, 700), max_size=12),
)
@examples(40)
def test_chunk_borders_never_matter(sfreq: float, cuts: list[int]) -> None:
    rng = np.random.default_rng(7)
    samples = rng.normal(0.0, 20.0, (3, 700))
    bad = rng.random(samples.shape) < 0.005
    np.testing.assert_array_equal(
        inspect(samples, sfreq, bad, tuple(sorted(cuts))), inspect(samples, sfreq, bad)
    )
