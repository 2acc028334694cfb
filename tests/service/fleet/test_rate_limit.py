from __future__ import annotations

from eeg_emotion.fleet.rate_limit import MOST_A_SECOND, RateLimit


def test_in_any_second_so_many_go_through_and_no_more() -> None:
    limit = RateLimit()
    taken = [number / 100 for number in range(300) if limit.acquire(number / 100)]
    assert len(taken) == 3 * MOST_A_SECOND
    for first in taken:
        assert sum(first <= each < first + 1 - 1e-9 for each in taken) <= MOST_A_SECOND


def test_what_is_left_out_is_reported_once_when_it_is_over() -> None:
    limit = RateLimit()
    assert not limit.stretch(0.0)
    outcomes = [limit.acquire(10.0) for _ in range(MOST_A_SECOND + 5)]
    assert outcomes == [True] * MOST_A_SECOND + [False] * 5
    limit.leave_out(7, 10.5)
    assert limit.stretch(10.9) == 0
    assert limit.stretch(11.5) == 12
    assert limit.stretch(11.5) == 0


def test_what_never_stops_is_reported_after_a_minute() -> None:
    limit = RateLimit()
    reported = []
    for second in range(130):
        limit.leave_out(1, float(second))
        reported.append(limit.stretch(float(second)))
    assert [count for count in reported if count] == [61, 61]
