from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eeg_emotion.stream.stamping import GAP_PERIODS
from eeg_emotion.stream.timeline import Run, Timeline

SFREQ = 128.0
START = 5000.0

Array = NDArray[np.float64]


def stamps(count: int, first: int = 0) -> Array:
    return START + (first + np.arange(count)) / SFREQ


def timeline(keep_seconds: float = 2.0) -> Timeline:
    return Timeline(SFREQ, keep_seconds)


def test_a_contiguous_stream_is_one_segment() -> None:
    line = timeline()
    assert list(line.split(stamps(8))) == [Run(0, 8, None)]
    assert list(line.split(stamps(30, 8))) == [Run(0, 30, None)]


def test_the_first_chunk_starts_no_gap_whatever_its_clock_says() -> None:
    assert list(timeline().split(stamps(3) - 1e6)) == [Run(0, 3, None)]


def test_an_empty_chunk_changes_nothing() -> None:
    line = timeline()
    assert list(line.split(stamps(0))) == []
    list(line.split(stamps(4)))
    assert list(line.split(stamps(0))) == []
    assert list(line.split(stamps(4, 4))) == [Run(0, 4, None)]


@pytest.mark.parametrize("missing", [1, 2, 7, 128, 10_000])
def test_a_gap_between_chunks_is_counted_in_samples(missing: int) -> None:
    line = timeline()
    list(line.split(stamps(8)))
    assert list(line.split(stamps(5, 8 + missing))) == [Run(0, 5, missing)]


@pytest.mark.parametrize("missing", [1, 3, 50])
def test_a_gap_within_a_chunk_splits_it_there(missing: int) -> None:
    chunk = np.concatenate([stamps(6), stamps(4, 6 + missing)])
    assert list(timeline().split(chunk)) == [Run(0, 6, None), Run(6, 10, missing)]


def test_a_gap_at_a_chunks_start_and_another_within_are_both_found() -> None:
    line = timeline()
    list(line.split(stamps(4)))
    chunk = np.concatenate([stamps(3, 6), stamps(2, 19)])
    assert list(line.split(chunk)) == [Run(0, 3, 2), Run(3, 5, 10)]


def test_jitter_short_of_a_missing_sample_is_no_gap() -> None:
    jitter = np.random.default_rng(0).uniform(-0.2, 0.2, 200) / SFREQ
    assert list(timeline().split(stamps(200) + jitter)) == [Run(0, 200, None)]
    late = stamps(10)
    late[5:] += (GAP_PERIODS - 1.0 + 0.01) / SFREQ
    assert [run.missing for run in timeline().split(late)] == [None, 1]


def test_time_that_runs_backward_starts_a_segment_with_nothing_missing() -> None:
    chunk = np.concatenate([stamps(5), stamps(5) - 1.0])
    assert list(timeline().split(chunk)) == [Run(0, 5, None), Run(5, 10, 0)]


def test_a_stamp_given_twice_breaks_the_segment() -> None:
    chunk = stamps(6)
    chunk[3] = chunk[2]
    runs = list(timeline().split(chunk))
    assert runs[:2] == [Run(0, 3, None), Run(3, runs[1].stop, 0)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_stamps_that_are_not_finite_break_the_segment_until_they_are(
    value: float, length: int
) -> None:
    line = timeline()
    chunk = stamps(20)
    chunk[8 : 8 + length] = value
    runs = list(line.split(chunk))
    assert runs[0] == Run(0, 8, None)
    assert runs[-1].start == 8 + length  # from the first good stamp on
    assert runs[-1].stop == 20
    assert all(run.missing == 0 for run in runs[1:])
    assert list(line.split(stamps(4, 20))) == [Run(0, 4, None)]


@pytest.mark.parametrize("value", [1e308, -1e308, 1e300])
def test_stamps_that_are_as_good_as_infinite_break_the_segment_and_nothing_else(
    value: float,
) -> None:
    line = timeline()
    chunk = stamps(20)
    chunk[8], chunk[9] = value, -value
    runs = list(line.split(chunk))
    assert [(run.start, run.stop) for run in runs] == [(0, 8), (8, 9), (9, 10), (10, 20)]
    assert list(line.split(stamps(4, 20))) == [Run(0, 4, None)]


def test_a_stream_whose_first_stamp_is_not_finite_starts_at_the_next() -> None:
    chunk = stamps(5)
    chunk[0] = np.nan
    assert list(timeline().split(chunk)) == [Run(0, 1, None), Run(1, 5, 0)]


def test_stamps_are_found_by_sample_number() -> None:
    line = timeline()
    list(line.split(stamps(100)))
    list(line.split(stamps(60, 100)))
    for sample in (0, 1, 99, 100, 159):
        assert line.stamp(sample) == stamps(160)[sample]


def test_sample_numbers_restart_after_a_gap() -> None:
    line = timeline()
    list(line.split(stamps(50)))
    list(line.split(stamps(10, 60)))
    assert line.stamp(0) == stamps(1, 60)[0]
    assert line.stamp(9) == stamps(1, 69)[0]
    with pytest.raises(IndexError, match="found sample 10"):
        line.stamp(10)


def test_old_stamps_are_kept_as_long_as_stated_and_then_refused() -> None:
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


def test_a_chunk_larger_than_the_memory_leaves_its_newest_stamps() -> None:
    line = timeline(keep_seconds=0.5)
    list(line.split(stamps(1000)))
    for sample in range(1000 - 64, 1000):
        assert line.stamp(sample) == stamps(1000)[sample]


def test_stamps_are_there_while_their_run_is_worked_on_and_not_before() -> None:
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
def test_chunk_borders_never_matter(gaps: dict[int, int], cuts: set[int]) -> None:
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


# -- a clock that was set ------------------------------------------------------------------------


def test_where_the_stamps_continue_anyway_nothing_has_ended() -> None:
    line = timeline()
    list(line.split(stamps(8)))
    # Not the source's clock was set, but what LSL says of it.
    assert list(line.split(stamps(8, 8), jumped=True)) == [Run(0, 8, None)]
    assert line.stamp(15) == stamps(16)[15]


@pytest.mark.parametrize("by", [-3600.0, -2.0, 0.05, 10.0, 3600.0])
def test_a_step_by_which_the_clock_was_set_is_no_count_of_missing_samples(by: float) -> None:
    line = timeline()
    list(line.split(stamps(8)))
    assert list(line.split(stamps(8, 8) + by, jumped=True)) == [Run(0, 8, 0)]
    within = stamps(8, 16) + by
    within[5:] += by
    assert list(line.split(within, jumped=True)) == [Run(0, 5, None), Run(5, 8, 0)]


def test_a_clock_that_was_set_before_the_first_sample_ended_nothing() -> None:
    assert list(timeline().split(stamps(8), jumped=True)) == [Run(0, 8, None)]


def test_a_clock_that_is_set_ends_the_segment_of_a_jittering_stream_too() -> None:
    line = Timeline(128.0, 10.0)
    jittering = stamps_on_sending(60.0, 128.0, 8, 0.02)
    starts_of_segments(line, jittering[:-80])
    tolerance = line.unseen_seconds
    assert tolerance is not None
    assert list(line.split(jittering[-80:-40] + 500.0, jumped=True)) == [Run(0, 40, 0)]
    assert list(line.split(jittering[-40:] - 500.0, jumped=True)) == [Run(0, 40, 0)]
    assert line.unseen_seconds == tolerance


# -- senders that stamp on sending -------------------------------------------------------------


def stamps_on_sending(seconds: float, sfreq: float, chunk: int, jitter: float) -> Array:
    """Chunks whose last sample is stamped when they are sent, up to `jitter` seconds late."""
    chunks = round(seconds * sfreq / chunk)
    late = np.random.default_rng(11).uniform(0.0, jitter, chunks)
    last = (np.arange(1, chunks + 1) * chunk - 1) / sfreq + late
    return (last[:, np.newaxis] - np.arange(chunk)[::-1] / sfreq).ravel() + 1000.0


def starts_of_segments(timeline: Timeline, stamps: Array, sizes: int | None = None) -> list[int]:
    """Where segments begin, and that the runs cover each chunk."""
    found, at = [], 0
    for chunk in np.split(stamps, range(sizes, len(stamps), sizes)) if sizes else [stamps]:
        reached = 0
        for run in timeline.split(chunk):
            assert run.start == reached
            reached = run.stop
            if run.missing is not None:
                found.append(at + run.start)
        assert reached == len(chunk)
        at += len(chunk)
    return found


@pytest.mark.parametrize(("sfreq", "chunk"), [(128.0, 8), (256.0, 16), (500.0, 25), (512.0, 32)])
def test_stamps_made_on_sending_are_recognised_and_break_nothing_from_then_on(
    sfreq: float, chunk: int
) -> None:
    timeline = Timeline(sfreq, 10.0)
    assert timeline.unseen_seconds is None
    breaks = starts_of_segments(timeline, stamps_on_sending(120.0, sfreq, chunk, 0.02))
    assert breaks
    assert breaks[-1] < 15.0 * sfreq
    assert timeline.unseen_seconds is not None
    assert 1.5 / sfreq <= timeline.unseen_seconds <= 0.1


def test_a_sender_that_loses_samples_again_and_again_is_never_taken_for_a_jittering_one() -> None:
    kept = np.ones(128 * 60, dtype=bool)
    kept[::100] = kept[1::300] = False
    stamps = np.arange(128 * 60)[kept] / 128 + 50.0
    timeline = Timeline(128.0, 10.0)
    breaks = starts_of_segments(timeline, stamps)
    assert len(breaks) == np.count_nonzero(np.diff(np.flatnonzero(kept)) > 1)
    assert timeline.unseen_seconds is None


def test_a_loss_longer_than_the_tolerance_is_a_gap_on_a_jittering_stream_too() -> None:
    stamps = stamps_on_sending(60.0, 128.0, 8, 0.02)
    stamps[40 * 128 :] += 0.2
    timeline = Timeline(128.0, 10.0)
    breaks = starts_of_segments(timeline, stamps)
    assert breaks[-1] == 40 * 128
    (run,) = [run for run in _runs_of(stamps) if run.missing is not None and run.start == 40 * 128]
    assert run.missing == pytest.approx(0.2 * 128, abs=0.02 * 128 + 1)


def _runs_of(stamps: Array) -> list[Run]:
    return list(Timeline(128.0, 10.0).split(stamps))


def test_a_jittering_device_slightly_off_its_nominal_rate_stays_contiguous() -> None:
    stamps = stamps_on_sending(300.0, 128.0, 8, 0.02)
    stamps = 1000.0 + (stamps - 1000.0) * 1.0005  # 500 ppm, 150 ms over the recording
    timeline = Timeline(128.0, 10.0)
    assert starts_of_segments(timeline, stamps)[-1] < 15 * 128


@pytest.mark.parametrize("sizes", [1, 7, 8, 100])
def test_chunk_borders_do_not_matter_for_jittering_stamps(sizes: int) -> None:
    stamps = stamps_on_sending(40.0, 128.0, 8, 0.02)
    whole, cut = Timeline(128.0, 10.0), Timeline(128.0, 10.0)
    assert starts_of_segments(whole, stamps) == starts_of_segments(cut, stamps, sizes)
    assert whole.unseen_seconds == cut.unseen_seconds


def test_a_stamp_that_is_no_number_on_a_jittering_stream_breaks_once_and_is_forgotten() -> None:
    stamps = stamps_on_sending(60.0, 128.0, 8, 0.02)
    stamps[40 * 128] = np.nan
    timeline = Timeline(128.0, 30.0)
    breaks = starts_of_segments(timeline, stamps)
    assert breaks[-1] == 40 * 128 + 1
    # No segment that goes on has it in it.
    assert timeline.stamp(128) == stamps[40 * 128 + 1 + 128]
