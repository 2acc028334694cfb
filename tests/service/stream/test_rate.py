from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import examples

from eeg_emotion.stream.rate import RateError, RateMeter


def run(
    meter: RateMeter,
    real: float,
    *,
    seconds: float,
    chunk: float = 0.1,
    late: float = 0.0,
    begin: float = 1000.0,
) -> float | None:
    """Send chunks of about so many seconds; return the time at which the rate was refused."""
    rng = np.random.default_rng(3)
    sent = 0
    size = max(1, round(chunk * real))
    while sent < seconds * real:
        sent += size
        try:
            meter.feed(size, begin + sent / real + rng.uniform(0.0, late))
        except RateError:
            return sent / real
    return None


@pytest.mark.parametrize("sfreq", [100.0, 128.0, 250.0, 512.0, 2048.0])
@pytest.mark.parametrize("chunk", [0.0, 0.0625, 0.1, 1.0, 3.0])
def test_a_source_that_keeps_its_rate_is_let_be(sfreq: float, chunk: float) -> None:
    meter = RateMeter(sfreq)
    seconds = 20.0 if chunk == 0.0 else 200.0
    assert run(meter, sfreq, seconds=seconds, chunk=chunk) is None
    assert meter.measured == pytest.approx(sfreq, rel=1e-9)


@pytest.mark.parametrize(
    ("real", "stated"), [(250.0, 128.0), (128.0, 250.0), (100.0, 128.0), (512.0, 500.0 / 4)]
)
@pytest.mark.parametrize("late", [0.0, 0.1])
def test_quite_another_rate_is_found_within_little_more_than_a_second(
    real: float, stated: float, late: float
) -> None:
    found = run(RateMeter(stated), real, seconds=10.0, late=late)
    assert found is not None
    # A rate that is off by a quarter only is no more than a chunk that came twice, at first.
    latest = 1.5 if abs(real / stated - 1.0) > 0.4 else 5.0
    assert 1.0 <= found <= latest


@pytest.mark.parametrize("chunk", [0.0, 0.0625, 0.1, 0.73])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_error_of_two_point_three_percent_is_found_in_time(sign: float, chunk: float) -> None:
    found = run(RateMeter(128.0), 128.0 * (1 + sign * 0.023), seconds=120.0, chunk=chunk)
    assert found is not None
    assert found < 65.0


@pytest.mark.parametrize("percent", [0.1, -0.1, 1.0, -1.0])
@pytest.mark.parametrize("late", [0.0, 0.1])
def test_a_device_slightly_off_its_nominal_rate_is_never_refused(
    percent: float, late: float
) -> None:
    meter = RateMeter(250.0)
    real = 250.0 * (1 + percent / 100)
    assert run(meter, real, seconds=600.0, late=late) is None
    # By one stamp's lateness over the minute.
    assert meter.measured == pytest.approx(real, rel=late / 59 + 1e-9)


@given(
    late=st.lists(st.floats(0.0, 0.1), min_size=50, max_size=300),
    sizes=st.lists(st.integers(1, 64), min_size=1, max_size=7),
)
@examples(60)
def test_stamps_that_are_late_by_a_tenth_of_a_second_are_never_misjudged(
    late: list[float], sizes: list[int]
) -> None:
    meter, sent = RateMeter(128.0), 0
    for number, seconds in enumerate(late):
        size = sizes[number % len(sizes)]
        sent += size
        meter.feed(size, 50.0 + sent / 128.0 + seconds)


def test_the_refusal_says_what_was_found_and_what_to_do() -> None:
    meter = RateMeter(128.0)
    for tenth in range(10):
        meter.feed(25, tenth / 10)
    with pytest.raises(
        RateError,
        match=r"found 250\.0 samples a second over 1 s .*expected the 128 Hz .*set the nominal",
    ):
        meter.feed(25, 1.0)


def test_little_says_nothing_about_the_rate() -> None:
    meter = RateMeter(128.0)
    assert meter.measured is None
    assert run(meter, 140.0, seconds=0.9) is None
    assert meter.measured is None
    meter = RateMeter(128.0)
    run(meter, 128.0, seconds=9.5)
    assert meter.measured is None
    run(meter, 128.0, seconds=3.0, begin=1009.5)
    assert meter.measured == pytest.approx(128.0, rel=0.02)


def test_after_a_restart_what_was_before_counts_no_more() -> None:
    meter = RateMeter(128.0)
    run(meter, 128.0, seconds=30.0)
    meter.restart()
    assert meter.measured is None
    # An hour is missing, or the clock was set back.
    for begin in (5000.0, 10.0):
        assert run(meter, 128.0, seconds=30.0, begin=begin) is None
        assert meter.measured == pytest.approx(128.0, rel=1e-9)
        meter.restart()
    assert run(meter, 250.0, seconds=5.0) is not None


def test_without_the_restart_the_loss_would_have_been_taken_for_another_rate() -> None:
    meter = RateMeter(128.0)
    run(meter, 128.0, seconds=30.0)
    assert run(meter, 128.0, seconds=30.0, begin=1035.0) is not None


def test_the_measured_rate_is_that_of_the_last_minute() -> None:
    meter = RateMeter(128.0)
    run(meter, 129.0, seconds=100.0)
    run(meter, 127.0, seconds=61.0, begin=1100.0)
    assert meter.measured == pytest.approx(127.0, rel=2e-3)


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf])
def test_stamps_that_are_not_finite_are_passed_over(stamp: float) -> None:
    meter = RateMeter(128.0)
    meter.feed(16, stamp)
    for number in range(1, 800):
        meter.feed(8, 70.0 + number / 8)
        meter.feed(8, stamp)
    assert meter.measured == pytest.approx(128.0, rel=2e-3)
    with pytest.raises(RateError):
        meter.feed(300, 171.0)


def test_stamps_that_stand_still_or_run_backward_divide_by_nothing() -> None:
    meter = RateMeter(128.0)
    for stamp in [5.0, 5.0, 5.0, 4.0, -1e300, 5.0, 5.0]:
        meter.feed(8, stamp)
    assert meter.measured is None or math.isfinite(meter.measured)


# Streams in pieces: code that finds samples missing calls `restart`


def in_pieces(
    meter: RateMeter, *, real: float, piece: float, lost: float, seconds: float
) -> float | None:
    """Send pieces by chunks of 50 ms, with losses between; give when the rate was refused."""
    at, piece_end = 0.0, piece
    while at < seconds:
        if at >= piece_end:
            at += lost
            piece_end = at + piece
            meter.restart()
        at += 0.05
        try:
            meter.feed(round(0.05 * real), at)
        except RateError:
            return at
    return None


@pytest.mark.parametrize("real", [100.0, 250.0])
@pytest.mark.parametrize("piece", [0.05, 0.1, 0.2])
def test_a_rate_that_the_stamps_hide_as_gaps_is_found(piece: float, real: float) -> None:
    # Each chunk is stamped as if it were of 128 Hz: behind each there seems to be a hole, or it
    # seems to begin before the end of the one before.
    found = in_pieces(RateMeter(128.0), real=real, piece=piece, lost=0.0, seconds=20.0)
    assert found is not None
    assert 4.0 <= found <= 6.0


@pytest.mark.parametrize(
    ("piece", "lost"), [(1.0, 0.5), (0.6, 3.0), (30.0, 10.0), (0.3, 0.05), (5.0, 3600.0)]
)
def test_losses_are_not_taken_for_a_slow_source(piece: float, lost: float) -> None:
    assert in_pieces(RateMeter(120.0), real=120.0, piece=piece, lost=lost, seconds=60.0) is None


@pytest.mark.parametrize("outage", [1.0, 3.9, 4.5, 60.0, 3600.0])
def test_an_outage_is_not_taken_for_a_slow_source(outage: float) -> None:
    meter = RateMeter(128.0)
    run(meter, 128.0, seconds=10.0)
    for number in range(1, 4):
        meter.restart()
        assert run(meter, 128.0, seconds=0.3, begin=1010.0 + number * outage) is None
    meter.restart()
    assert run(meter, 128.0, seconds=30.0, begin=1020.0 + 3 * outage) is None


@pytest.mark.parametrize("seed", range(4))
def test_chunks_that_come_late_in_bursts_are_not_taken_for_another_rate(seed: int) -> None:
    # Stamped on sending; one chunk in fifty is late by up to 0.4 s, and then they come at once.
    rng, meter = np.random.default_rng(seed), RateMeter(256.0)
    last = sent = 0.0
    for number in range(1, round(300.0 * 256 / 12)):
        due = number * 12 / 256.0
        sent = max(due + (rng.uniform(0.05, 0.4) if rng.random() < 0.02 else 0.0), sent + 1e-4)
        if sent - last > 0.1 + 12 / 256.0:
            meter.gap(round((sent - last) * 256) - 12)
        meter.feed(12, sent)
        last = sent
    assert meter.measured == pytest.approx(256.0, rel=0.15)


def test_lost_samples_are_no_other_rate_but_more_than_were_late_are() -> None:
    meter = RateMeter(128.0)
    for second in range(20):
        meter.feed(128, float(second))
    meter.gap(10 * 128)
    for second in range(30, 60):
        meter.feed(128, float(second))
    assert meter.measured == pytest.approx(128.0, rel=0.01)

    def send_twice_as_many() -> None:
        for second in range(60, 80):
            meter.feed(256, float(second))

    with pytest.raises(RateError, match="found "):
        send_twice_as_many()


@pytest.mark.parametrize("held_up", [0.12, 0.2, 0.3])
def test_a_sender_that_is_held_up_does_not_hide_a_rate_that_is_too_low(held_up: float) -> None:
    meter = RateMeter(250.0)
    real = 250.0 * 0.976
    with pytest.raises(RateError, match=r"found 24[34]\.\d samples a second"):
        send_held_up(meter, real, held_up)


@pytest.mark.parametrize("percent", [-1.5, 0.0, 1.5])
def test_a_sender_that_is_held_up_is_measured_and_let_be(percent: float) -> None:
    meter = RateMeter(250.0)
    real = 250.0 * (1 + percent / 100)
    send_held_up(meter, real, 0.3)
    assert meter.measured == pytest.approx(real, rel=0.005)


def send_held_up(meter: RateMeter, real: float, held_up: float) -> None:
    """Send 10 samples at a time, stamped as sent, with a pause every 3 s that is made up for."""
    last = 1000.0
    for chunk in range(1, round(300 * real / 10)):
        due = 1000.0 + chunk * 10 / real
        stamp = max(due, due // 3 * 3 + held_up)
        if stamp - last > 0.1:
            meter.gap(round((stamp - last) * 250) - 10)
        meter.feed(10, stamp)
        last = stamp


def test_samples_that_are_lost_stay_missing() -> None:
    meter = RateMeter(250.0)
    for chunk in range(1, 2500):
        stamp = 1000.0 + chunk * 0.04
        if chunk % 25:
            if chunk % 25 == 1 and chunk > 1:
                meter.gap(10)
            meter.feed(10, stamp)
    assert meter.measured == pytest.approx(250.0, rel=0.005)


def test_a_backlog_after_an_outage_is_not_measured_twice() -> None:
    meter = RateMeter(250.0)
    for chunk in range(1, 500):
        meter.feed(10, 1000.0 + chunk * 0.04)
    meter.gap(1250)
    meter.feed(1250, 1025.0)
    for chunk in range(1, 250):
        meter.feed(10, 1025.0 + chunk * 0.04)
    assert meter.measured == pytest.approx(250.0, rel=0.005)
