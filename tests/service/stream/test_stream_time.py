"""Rate, gaps and clock judged together: each fault has its own verdict, and none hides another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.stamps import BEGIN, in_bursts, regular, stamped_on_sending

from eeg_emotion.stream.order import StampError
from eeg_emotion.stream.rate import RateError
from eeg_emotion.stream.source_clock import ClockError
from eeg_emotion.stream.stream_time import STAMP_ERRORS, StreamTime

Array = NDArray[np.float64]
UTC = 1.7e9
OFFSET = 0.0


@dataclass
class Judged:
    """What became of a stream.

    Attributes
    ----------
    gaps
        The stamps before which a gap was found.
    runs
        The number of pieces of the signal.
    seconds
        How long it was followed.
    error
        Why it was refused.
    """

    time: StreamTime
    gaps: list[float] = field(default_factory=list)
    missing: int = 0
    runs: int = 0
    seconds: float = 0.0
    error: Exception | None = None


def judge(
    sfreq: float,
    chunks: Iterable[Array],
    *,
    offset: float = 0.0,
    arrived: NDArray[np.floating] | None = None,
) -> Judged:
    """Feed chunks; each arrives 2 ms after its last stamp, and stamps are `offset` off."""
    judged = Judged(StreamTime(sfreq, 10.0, ahead=False))
    for number, stamps in enumerate(chunks):
        now = float(np.max(stamps)) + 0.002 if arrived is None else float(arrived[number])
        judged.seconds = now - BEGIN
        try:
            for run in judged.time.split(stamps + offset, OFFSET, now, UTC):
                judged.runs += 1
                if run.missing is not None:
                    judged.gaps.append(float(stamps[run.start]) - BEGIN)
                    judged.missing += run.missing
        except STAMP_ERRORS as error:
            judged.error = error
            return judged
    return judged


# A rate that is not quite the nominal one


@pytest.mark.parametrize(
    ("nominal", "percent", "jitter", "chunk"),
    [
        (250.0, -1.0, 0.002, 10),
        (250.0, -1.9, 0.004, 10),
        (250.0, -1.5, 0.004, 32),
        (250.0, 1.9, 0.004, 16),
        (250.0, -1.9, 0.0, 250),
        (250.0, 1.7, 0.012, 250),
        (512.0, -1.9, 0.004, 250),
        (128.0, 1.0, 0.012, 10),
    ],
)
def test_a_rate_within_two_percent_is_followed_whatever_the_jitter(
    nominal: float, percent: float, jitter: float, chunk: int
) -> None:
    real = nominal * (1 + percent / 100)
    found = judge(
        nominal,
        stamped_on_sending(nominal=nominal, real=real, jitter=jitter, chunk=chunk, seconds=90.0),
    )
    assert found.error is None
    # The sender is known within seconds, and from then on nothing breaks.
    assert all(gap < 10.0 for gap in found.gaps)
    assert found.time.measured_sfreq == pytest.approx(real, rel=0.003)


@pytest.mark.parametrize(
    ("nominal", "percent", "jitter", "chunk", "within"),
    [
        (250.0, -2.4, 0.004, 10, 65.0),
        (250.0, -2.4, 0.004, 32, 65.0),
        (250.0, 2.5, 0.002, 10, 65.0),
        (250.0, -3.2, 0.004, 32, 20.0),
        (250.0, -6.0, 0.0, 32, 10.0),  # by two whole periods at each border of chunks
        (128.0, -6.0, 0.012, 64, 10.0),
        (128.0, -12.0, 0.04, 32, 20.0),
        (250.0, 5.0, 0.004, 16, 10.0),
    ],
)
def test_a_rate_beyond_two_percent_is_refused_with_the_measured_rate(
    nominal: float, percent: float, jitter: float, chunk: int, within: float
) -> None:
    real = nominal * (1 + percent / 100)
    found = judge(
        nominal,
        stamped_on_sending(nominal=nominal, real=real, jitter=jitter, chunk=chunk, seconds=90.0),
    )
    assert isinstance(found.error, RateError)
    assert found.seconds < within
    measured = float(str(found.error).split()[1])
    assert measured == pytest.approx(real, rel=0.02)
    assert f"expected the {nominal:g} Hz that the stream states" in str(found.error)


def test_losses_on_a_jittering_stream_are_gaps_and_no_other_rate() -> None:
    chunks = list(
        stamped_on_sending(nominal=250.0, real=250.0, jitter=0.004, chunk=10, seconds=120.0)
    )
    kept = [chunk for number, chunk in enumerate(chunks) if number % 500 > 20]
    found = judge(250.0, kept)
    assert found.error is None
    late = [gap for gap in found.gaps if gap > 10.0]
    assert late == pytest.approx([500 * 0.04 * n + 0.84 for n in range(1, 6)], abs=0.05)
    assert found.time.measured_sfreq == pytest.approx(250.0, rel=0.01)


def test_packets_lost_at_random_are_gaps_and_no_other_rate() -> None:
    rng = np.random.default_rng(4)
    chunks = [c for c in regular(real=250.0, chunk=16, seconds=60.0) if rng.random() > 0.05]
    found = judge(250.0, chunks)
    assert found.error is None
    assert len(found.gaps) == 36
    assert found.time.describe() is None


# Bursts


@pytest.mark.parametrize(
    ("sfreq", "real", "sizes"),
    [
        (250.0, 250.0, (64,)),
        (250.0, 246.5, (64,)),
        (128.0, 128.0, (64,)),
        (256.0, 256.0, (128,)),
        (500.0, 500.0, (64, 200, 120)),
    ],
)
def test_bursts_stamped_on_arrival_are_spread_by_the_rate(
    sfreq: float, real: float, sizes: tuple[int, ...]
) -> None:
    judged = Judged(StreamTime(sfreq, 10.0, ahead=False))
    count, since, worst = 0, 0, 0.0
    for stamps in in_bursts(real=real, sizes=sizes, seconds=60.0):
        now = float(stamps[-1]) + 0.002
        for run in judged.time.split(stamps, OFFSET, now, UTC):
            since = 0 if run.missing is not None else since
            judged.gaps += [now - BEGIN] if run.missing is not None else []
            since, count = since + run.stop - run.start, count + run.stop - run.start
        if now - BEGIN > 30.0:
            times = np.array([judged.time.stamp(n) for n in range(since - sizes[0], since)])
            assert (np.diff(times) > 0.0).all()
            # Sample `count` was taken then; a burst's last one has just arrived.
            worst = max(worst, float(np.abs(times[-1] - BEGIN - count / real)))
            assert times[-1] - times[0] == pytest.approx((sizes[0] - 1) / real, rel=0.2)
    assert all(gap < 10.0 for gap in judged.gaps)
    assert worst < 0.06
    assert judged.time.measured_sfreq == pytest.approx(real, rel=0.02)
    assert "arrive in bursts" in str(judged.time.describe())


def test_a_lost_burst_is_a_gap() -> None:
    bursts = list(in_bursts(real=250.0, sizes=(64,), seconds=60.0))
    del bursts[150:152]
    found = judge(250.0, bursts)
    assert found.error is None
    assert next(gap for gap in found.gaps if gap > 10.0) == pytest.approx(
        float(bursts[150][0]) - BEGIN
    )


def test_a_backlog_after_an_outage_makes_no_sender_of_bursts() -> None:
    chunks = regular(real=250.0, chunk=10, seconds=40.0)
    chunks[300:425] = [chunks[425][0] + np.arange(1250) * 1e-5 - 0.0126]
    found = judge(250.0, chunks)
    assert found.error is None
    assert len(found.gaps) == 1
    assert found.time.describe() is None


# Stamps that do not increase


@pytest.mark.parametrize("size", [2, 4, 32])
def test_repeated_stamps_are_refused_with_what_was_found(size: int) -> None:
    chunks = [np.full(size, BEGIN + n * size / 250.0) for n in range(3000 // size)]
    found = judge(250.0, chunks)
    assert isinstance(found.error, StampError)
    assert found.seconds <= 5.0
    assert "time stamps the same as the one before" in str(found.error)
    assert "push a chunk with the stamp of its last sample alone" in str(found.error)


def test_stamps_that_are_no_numbers_are_refused() -> None:
    chunks = [
        np.where(np.arange(10) % 2, np.nan, c) for c in regular(real=250.0, chunk=10, seconds=8)
    ]
    found = judge(250.0, chunks, arrived=BEGIN + np.arange(200) * 0.04)
    assert isinstance(found.error, StampError)


def test_a_few_repeated_stamps_are_gaps() -> None:
    chunks = regular(real=250.0, chunk=10, seconds=60.0)
    for number in range(0, len(chunks), 20):
        chunks[number][3:5] = chunks[number][2]
    found = judge(250.0, chunks)
    assert found.error is None
    assert found.gaps


def swapped(chunks: list[Array], every: int) -> list[Array]:
    """Exchange each `every`-th chunk with the next."""
    order = list(range(len(chunks)))
    for number in range(every, len(chunks) - 1, every):
        order[number], order[number + 1] = order[number + 1], order[number]
    return [chunks[number] for number in order]


@pytest.mark.parametrize("jitter", [0.0, 0.003])
@pytest.mark.parametrize("chunk", [8, 25])
def test_chunks_out_of_order_again_and_again_are_refused(jitter: float, chunk: int) -> None:
    chunks = stamped_on_sending(nominal=250.0, real=250.0, jitter=jitter, chunk=chunk, seconds=30.0)
    found = judge(250.0, swapped(list(chunks), 7), arrived=BEGIN + np.arange(1, 2000) * chunk / 250)
    assert isinstance(found.error, StampError)
    assert "in the order in which they were taken" in str(found.error)


def test_samples_in_reverse_order_are_refused() -> None:
    found = judge(250.0, [c[::-1].copy() for c in regular(real=250.0, chunk=20, seconds=10.0)])
    assert isinstance(found.error, StampError)


@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_a_single_chunk_out_of_order_is_a_gap_and_named(jitter: float) -> None:
    chunks = list(
        stamped_on_sending(nominal=250.0, real=250.0, jitter=jitter, chunk=10, seconds=40.0)
    )
    found = judge(250.0, swapped(chunks, 700), arrived=BEGIN + np.arange(1, 2000) * 0.04)
    assert found.error is None
    assert any(28.0 <= gap <= 28.2 for gap in found.gaps)
    assert "out of order" in str(found.time.describe())


@pytest.mark.parametrize("jitter", [0.01, 0.09])
def test_late_chunks_that_overlap_are_not_out_of_order(jitter: float) -> None:
    found = judge(
        250.0,
        stamped_on_sending(nominal=250.0, real=250.0, jitter=jitter, chunk=10, seconds=60.0),
    )
    assert found.error is None
    assert "out of order" not in str(found.time.describe())


# Stamps of another clock


@pytest.mark.parametrize("offset", [-1000.0, -90.0, -1e6])
def test_stamps_that_lie_in_the_past_and_stay_there_are_refused(offset: float) -> None:
    found = judge(250.0, regular(real=250.0, chunk=10, seconds=30.0), offset=offset)
    assert isinstance(found.error, ClockError)
    assert found.seconds <= 11.0
    assert f"{-offset:.0f} s behind this machine's LSL clock" in str(found.error)


def test_a_backlog_of_minutes_that_is_caught_up_with_is_no_wrong_clock() -> None:
    chunks = regular(real=250.0, chunk=250, seconds=300.0)
    arrived = BEGIN + 300.0 + np.arange(300) * 0.1  # ten times as fast as it was taken
    found = judge(250.0, chunks, arrived=arrived)
    assert found.error is None
