from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eeg_emotion.eeg.timeline import GAP_PERIODS, Run, Timeline

SFREQ = 128.0
START = 5000.0


def stamps(count: int, first: int = 0) -> NDArray[np.float64]:
    return START + (first + np.arange(count)) / SFREQ


def timeline(keep_seconds: float = 2.0) -> Timeline:
    return Timeline(SFREQ, keep_seconds)


def test_a_contiguous_stream_is_one_segment():
    line = timeline()
    assert list(line.split(stamps(8))) == [Run(0, 8, None)]
    assert list(line.split(stamps(30, 8))) == [Run(0, 30, None)]


def test_the_first_chunk_starts_no_gap_whatever_its_clock_says():
    assert list(timeline().split(stamps(3) - 1e6)) == [Run(0, 3, None)]


def test_an_empty_chunk_changes_nothing():
    line = timeline()
    assert list(line.split(stamps(0))) == []
    list(line.split(stamps(4)))
    assert list(line.split(stamps(0))) == []
    assert list(line.split(stamps(4, 4))) == [Run(0, 4, None)]


@pytest.mark.parametrize("missing", [1, 2, 7, 128, 10_000])
def test_a_gap_between_chunks_is_counted_in_samples(missing: int):
    line = timeline()
    list(line.split(stamps(8)))
    assert list(line.split(stamps(5, 8 + missing))) == [Run(0, 5, missing)]


@pytest.mark.parametrize("missing", [1, 3, 50])
def test_a_gap_within_a_chunk_splits_it_there(missing: int):
    chunk = np.concatenate([stamps(6), stamps(4, 6 + missing)])
    assert list(timeline().split(chunk)) == [Run(0, 6, None), Run(6, 10, missing)]


def test_a_gap_at_a_chunks_start_and_another_within_are_both_found():
    line = timeline()
    list(line.split(stamps(4)))
    chunk = np.concatenate([stamps(3, 6), stamps(2, 19)])
    assert list(line.split(chunk)) == [Run(0, 3, 2), Run(3, 5, 10)]


def test_jitter_short_of_a_missing_sample_is_no_gap():
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, 200) / SFREQ
    assert list(timeline().split(stamps(200) + jitter)) == [Run(0, 200, None)]
    late = stamps(10)
    late[5:] += (GAP_PERIODS - 1.0 + 0.01) / SFREQ
    assert [run.missing for run in timeline().split(late)] == [None, 1]


def test_time_that_runs_backward_starts_a_segment_with_nothing_missing():
    chunk = np.concatenate([stamps(5), stamps(5) - 1.0])
    assert list(timeline().split(chunk)) == [Run(0, 5, None), Run(5, 10, 0)]


def test_a_stamp_given_twice_breaks_the_segment():
    chunk = stamps(6)
    chunk[3] = chunk[2]
    runs = list(timeline().split(chunk))
    assert runs[:2] == [Run(0, 3, None), Run(3, runs[1].stop, 0)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_stamps_that_are_not_finite_break_the_segment_until_they_are(value: float, length: int):
    line = timeline()
    chunk = stamps(20)
    chunk[8 : 8 + length] = value
    runs = list(line.split(chunk))
    assert runs[0] == Run(0, 8, None)
    assert runs[-1].start == 8 + length  # from the first good stamp on
    assert runs[-1].stop == 20
    assert all(run.missing == 0 for run in runs[1:])
    assert list(line.split(stamps(4, 20))) == [Run(0, 4, None)]


def test_a_stream_whose_first_stamp_is_not_finite_starts_at_the_next():
    chunk = stamps(5)
    chunk[0] = np.nan
    assert list(timeline().split(chunk)) == [Run(0, 1, None), Run(1, 5, 0)]


def test_stamps_are_found_by_sample_number():
    line = timeline()
    list(line.split(stamps(100)))
    list(line.split(stamps(60, 100)))
    for sample in (0, 1, 99, 100, 159):
        assert line.stamp(sample) == stamps(160)[sample]


def test_sample_numbers_start_afresh_after_a_gap():
    line = timeline()
    list(line.split(stamps(50)))
    list(line.split(stamps(10, 60)))
    assert line.stamp(0) == stamps(1, 60)[0]
    assert line.stamp(9) == stamps(1, 69)[0]
    with pytest.raises(IndexError, match="found sample 10"):
        line.stamp(10)


def test_old_stamps_are_kept_as_long_as_stated_and_then_refused():
    line = timeline(keep_seconds=1.0)
    for first in range(0, 1000, 10):
        list(line.split(stamps(10, first)))
    for sample in range(1000 - 128, 1000):
        assert line.stamp(sample) == stamps(1, sample)[0]
    with pytest.raises(IndexError, match="found sample 800, expected one of the last"):
        line.stamp(800)
    with pytest.raises(IndexError):
        line.stamp(1000)
    with pytest.raises(IndexError):
        line.stamp(-1)


def test_a_chunk_larger_than_the_memory_leaves_its_newest_stamps():
    line = timeline(keep_seconds=0.5)
    list(line.split(stamps(1000)))
    for sample in range(1000 - 64, 1000):
        assert line.stamp(sample) == stamps(1000)[sample]


def test_stamps_are_there_while_their_run_is_worked_on_and_not_before():
    line = timeline()
    chunk = np.concatenate([stamps(6), stamps(4, 9)])
    runs = line.split(chunk)
    next(runs)
    assert line.stamp(5) == chunk[5]
    with pytest.raises(IndexError):
        line.stamp(6)
    next(runs)
    assert line.stamp(0) == chunk[6]


@given(
    gaps=st.dictionaries(st.integers(1, 119), st.integers(1, 40), max_size=5),
    cuts=st.sets(st.integers(1, 119), max_size=10),
)
def test_chunk_borders_never_matter(gaps: dict[int, int], cuts: set[int]):
    sample = np.arange(120)
    for place, missing in gaps.items():
        sample[place:] += missing
    line, found = timeline(), []
    for start, stop in pairwise([0, *sorted(cuts), 120]):
        runs = list(line.split(START + sample[start:stop] / SFREQ))
        assert [run.start for run in runs] == [0, *[run.stop for run in runs[:-1]]]
        assert runs[-1].stop == stop - start
        found += [(start + run.start, run.missing) for run in runs if run.missing is not None]
    assert found == sorted(gaps.items())
