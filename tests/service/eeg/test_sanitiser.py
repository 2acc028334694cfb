from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eeg_emotion.eeg.sanitiser import Sanitiser

LARGEST = 1000.0


def process(
    samples: NDArray[np.float64], cuts: list[int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    sanitiser = Sanitiser(len(samples), LARGEST)
    parts = [sanitiser.process(part) for part in np.split(samples, cuts or [], axis=1)]
    return np.concatenate([a for a, _ in parts], axis=1), np.concatenate(
        [b for _, b in parts], axis=1
    )


def test_good_samples_are_kept_except_each_channels_first() -> None:
    samples = np.array([[5.0, 6.0, 4.0], [-700.0, -700.0, -698.5]])
    clean, bad = process(samples)
    np.testing.assert_array_equal(clean, [[0.0, 1.0, -1.0], [0.0, 0.0, 1.5]])
    assert not bad.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1000.1, -1000.1, 1e308])
def test_a_bad_sample_is_replaced_by_the_last_good_one_and_reported(value: float) -> None:
    clean, bad = process(np.array([[5.0, 7.0, value, value, 9.0, value]]))
    np.testing.assert_array_equal(clean, [[0.0, 2.0, 2.0, 2.0, 4.0, 4.0]])
    np.testing.assert_array_equal(bad, [[False, False, True, True, False, True]])


@pytest.mark.parametrize("value", [1000.0, -1000.0])
def test_the_largest_value_itself_is_good(value: float) -> None:
    clean, bad = process(np.array([[0.0, value]]))
    assert clean[0, 1] == value
    assert not bad.any()


def test_before_its_first_good_sample_a_channel_is_silent() -> None:
    clean, bad = process(np.array([[np.nan, np.inf, 400.0, 402.0], [1.0, 2.0, 3.0, np.nan]]))
    np.testing.assert_array_equal(clean, [[0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 2.0]])
    np.testing.assert_array_equal(bad[0], [True, True, False, False])


def test_a_channel_that_is_never_good_is_silent() -> None:
    clean, bad = process(np.full((2, 50), np.nan), [7, 30])
    np.testing.assert_array_equal(clean, 0.0)
    assert bad.all()


def test_what_was_given_is_left_alone() -> None:
    samples = np.array([[3.0, np.nan, 4.0]])
    process(samples)
    np.testing.assert_array_equal(samples, [[3.0, np.nan, 4.0]])


VALUES = st.one_of(
    st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0]),
    st.floats(-2000.0, 2000.0),
)


@given(
    values=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=8),  # equal ones give empty chunks
)
def test_chunk_borders_never_matter_and_what_leaves_is_possible(
    values: list[tuple[float, float]], cuts: list[int]
) -> None:
    samples = np.array(values).T
    clean, bad = process(samples, sorted(cuts))
    whole, whole_bad = process(samples)
    np.testing.assert_array_equal(clean, whole)
    np.testing.assert_array_equal(bad, whole_bad)
    assert (np.abs(clean) <= 2 * LARGEST).all()
    for channel, (kept, reported) in zip(samples, zip(clean, bad, strict=True), strict=True):
        possible = np.abs(channel) <= LARGEST
        np.testing.assert_array_equal(reported, ~possible)
        if possible.any():
            expected = channel[possible] - channel[possible][0]
            np.testing.assert_array_equal(kept[possible], expected)
