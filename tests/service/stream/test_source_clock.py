from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_emotion.stream.source_clock import ClockError, Mapping, SourceClock

UTC = 1_700_000_000.0
"""What to add to this machine's LSL clock to have Unix time."""

OFFSET = -350.0
"""What LSL says to add to the source's clock to have this machine's."""


class Source:
    """A headset's program: its stamps, and when they arrive."""

    def __init__(self, *, offset: float = OFFSET, ahead: bool = False, now: float = 500.0) -> None:
        self.clock = SourceClock(ahead=ahead)
        self.offset = offset
        self.now = now
        self.set_by = 0.0
        """By how much the source's clock was set, seconds."""

    def send(self, *, late: float = 0.01, after: float = 0.1) -> Mapping:
        """Feed a chunk `after` the one before; its last sample is `late` seconds old."""
        self.now += after
        self.taken = self.now - late
        self.stamp = self.taken - self.offset + self.set_by
        return self.clock.map(self.stamp, self.offset, self.now, UTC)

    def error(self, mapping: Mapping) -> float:
        """By how much the last sample is dated wrongly, seconds."""
        return self.stamp + mapping.seconds - self.taken


def test_stamps_of_lsls_clock_are_mapped_by_lsls_offset() -> None:
    source = Source()
    for _ in range(100):
        assert source.send() == Mapping(OFFSET, jumped=False)
    assert source.clock.describe() is None


def test_the_offset_that_lsl_says_now_is_used() -> None:
    source = Source()
    for step in range(1000):
        source.offset = OFFSET + 1e-4 * step  # 100 ms in all, much more than clocks drift
        assert source.send() == Mapping(source.offset, jumped=False)
    assert source.clock.describe() is None


@pytest.mark.parametrize("off", [0.0, 0.3, -0.3, -45.0])
def test_stamps_of_unix_time_are_recognised(off: float) -> None:
    clock = SourceClock(ahead=False)
    for now in (500.0, 500.1, 500.2):
        # LSL's own offset, of clocks that have nothing to do with the stamps, is not used.
        mapping = clock.map(UTC + now - 0.01 + off, OFFSET, now, UTC)
        assert mapping == Mapping(-UTC, jumped=False)
    assert clock.describe() == "its stamps are in Unix time, not by LSL's clock"


def test_unix_time_of_a_clock_that_is_fast_is_corrected_by_when_its_stamps_arrive() -> None:
    clock = SourceClock(ahead=False)
    clock.map(UTC + 500.0 + 30.0, OFFSET, 500.01, UTC)
    for number in range(1, 5):
        taken = 500.0 + 0.1 * number
        mapping = clock.map(UTC + taken + 30.0, OFFSET, taken + 0.01, UTC)
        assert mapping.jumped == (number == 1)
        assert UTC + taken + 30.0 + mapping.seconds == pytest.approx(taken, abs=0.02)


def unix(stamp: float) -> SourceClock:
    clock = SourceClock(ahead=False)
    assert clock.map(stamp + UTC, OFFSET, stamp + 0.01, UTC) == Mapping(-UTC, jumped=False)
    return clock


def test_unix_time_is_mapped_by_this_machines_own() -> None:
    clock = unix(500.0)
    assert clock.map(500.1 + UTC, OFFSET, 500.11, UTC + 2e-3) == Mapping(-UTC - 2e-3, jumped=False)


def test_this_machines_wall_clock_may_be_set_beside_unix_stamps() -> None:
    clock = unix(500.0)
    # Ours moves back by 20 s, and so all stamps lie in the future of it.
    mapping = clock.map(500.1 + UTC, OFFSET, 500.11, UTC - 20.0)
    assert mapping.jumped
    assert 500.1 + UTC + mapping.seconds == pytest.approx(500.1, abs=1e-6)


@pytest.mark.parametrize("ahead", [5.5, 3600.0, 1e6, UTC - 500.0 - 100.0, 1000 * UTC, 1e308])
def test_a_first_stamp_in_the_future_is_refused(ahead: float) -> None:
    clock = SourceClock(ahead=False)
    with pytest.raises(ClockError, match=r"found time stamps \d+ s ahead .* expected the time"):
        clock.map(500.0 - OFFSET + ahead, OFFSET, 500.0, UTC)


@pytest.mark.parametrize("ahead", [-1e4, -10.0, 0.0, 0.4, 4.9])
def test_a_first_offset_that_is_not_exact_yet_is_no_reason_to_refuse(ahead: float) -> None:
    clock = SourceClock(ahead=False)
    mapping = clock.map(500.0 - OFFSET + ahead, OFFSET, 500.0, UTC)
    assert mapping == Mapping(OFFSET, jumped=False)


@pytest.mark.parametrize("by", [-1e6, -3600.0, -10.0, -1.5, 0.8, 10.0, 3600.0, 1e6])
def test_a_clock_that_is_set_is_followed(by: float) -> None:
    source = Source()
    for _ in range(20):
        source.send()
    source.set_by = by
    mapping = source.send()
    assert mapping.jumped
    assert source.error(mapping) == pytest.approx(0.0, abs=1e-6)
    for _ in range(20):
        mapping = source.send()
        assert not mapping.jumped
        assert source.error(mapping) == pytest.approx(0.0, abs=1e-6)
    reported = source.clock.describe()
    assert reported is not None
    assert f"its clock has jumped by {by:+.1f} s in total" in reported


def test_a_clock_that_is_set_and_set_back_is_as_ever() -> None:
    source = Source()
    for by in (0.0, 900.0, 0.0, -900.0, 0.0, 40.0, -40.0, 0.0):
        jumped = by != source.set_by
        source.set_by = by
        mapping = source.send()
        assert mapping.jumped == jumped
        assert source.error(mapping) == pytest.approx(0.0, abs=1e-6)
        assert not source.send().jumped
    assert mapping.seconds == pytest.approx(OFFSET, abs=1e-6)


@pytest.mark.parametrize("by", [-1000.0, 1000.0])
def test_lsls_offset_is_followed_after_a_jump_too(by: float) -> None:
    source = Source()
    source.send()
    source.set_by = by
    source.send()
    source.offset += 0.05
    mapping = source.send()
    assert not mapping.jumped
    assert mapping.seconds == pytest.approx(source.offset - by, abs=1e-6)


@pytest.mark.parametrize("outage", [0.5, 5.0, 120.0])
def test_a_burst_after_an_outage_is_no_jump(outage: float) -> None:
    source = Source()
    for _ in range(20):
        source.send()
    # What was measured meanwhile comes at once, oldest first.
    source.now += outage
    for late in np.linspace(outage, 0.01, 50):
        assert source.send(late=late, after=0.0) == Mapping(OFFSET, jumped=False)
    assert source.send() == Mapping(OFFSET, jumped=False)
    assert source.clock.describe() is None


def test_a_pause_in_which_nothing_was_measured_is_no_jump() -> None:
    source = Source()
    source.send()
    assert source.send(after=600.0) == Mapping(OFFSET, jumped=False)


@given(late=st.lists(st.floats(0.0, 0.9), min_size=1, max_size=60))
def test_stamps_that_jitter_are_no_jump(late: list[float]) -> None:
    source = Source()
    for seconds in late:
        assert source.send(late=seconds) == Mapping(OFFSET, jumped=False)


def test_a_recording_that_is_played_fast_may_run_ahead() -> None:
    source = Source(ahead=True)
    for by in (0.0, 100.0, 1e6, -50.0, 0.0):
        source.set_by = by
        assert source.send() == Mapping(OFFSET, jumped=False)
    assert source.clock.map(math.nan, OFFSET, source.now, UTC) == Mapping(OFFSET, jumped=False)
    assert source.clock.describe() is None


ABSURD = [math.nan, math.inf, -math.inf, -1e308, 1e20, -1e14]


@pytest.mark.parametrize("stamp", ABSURD)
def test_a_stamp_that_is_no_time_changes_nothing(stamp: float) -> None:
    source = Source()
    source.send()
    source.set_by = 77.0
    before = source.send()
    assert before.jumped
    expected = Mapping(before.seconds, jumped=False)
    assert source.clock.map(stamp, OFFSET, source.now, UTC) == expected
    assert source.send() == expected


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf])
def test_a_stamp_that_is_no_number_is_dated_by_unix_time_where_the_others_are(stamp: float) -> None:
    assert unix(500.0).map(stamp, OFFSET, 500.2, UTC) == Mapping(-UTC, jumped=False)


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf])
def test_a_first_stamp_that_is_no_number_decides_nothing(stamp: float) -> None:
    clock = SourceClock(ahead=False)
    assert clock.map(stamp, OFFSET, 500.0, UTC) == Mapping(OFFSET, jumped=False)
    assert clock.map(UTC + 500.0, OFFSET, 500.01, UTC) == Mapping(-UTC, jumped=False)


@given(
    stamps=st.lists(
        st.one_of(st.sampled_from(ABSURD), st.floats(-1e15, 1e15), st.floats(800.0, 900.0)),
        max_size=30,
    )
)
def test_whatever_the_stamps_are_what_is_added_is_finite_and_dates_nothing_in_the_future(
    stamps: list[float],
) -> None:
    clock = SourceClock(ahead=False)
    now = 500.0
    clock.map(now - OFFSET, OFFSET, now, UTC)
    for stamp in stamps:
        now += 0.1
        mapping = clock.map(stamp, OFFSET, now, UTC)
        assert math.isfinite(mapping.seconds)
        if abs(stamp) <= 1e13:
            assert stamp + mapping.seconds <= now + 0.5 + 1e-2
