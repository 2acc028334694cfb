from __future__ import annotations

from tests.support.clock import FakeClock

from eeg_emotion.publish.rates import TokenBucket


def taken(bucket: TokenBucket, tries: int = 100) -> int:
    return sum(bucket.acquire() for _ in range(tries))


def test_so_many_may_come_at_once_and_then_none(clock: FakeClock) -> None:
    assert taken(TokenBucket(5.0, 20, clock)) == 20


def test_the_mean_rate_may_continue_forever(clock: FakeClock) -> None:
    bucket = TokenBucket(5.0, 1, clock)
    for _ in range(100):
        assert bucket.acquire()
        clock.now += 0.25
    assert taken(TokenBucket(5.0, 1, clock)) == 1


def test_after_time_as_many_may_come_as_the_rate_says(clock: FakeClock) -> None:
    bucket = TokenBucket(5.0, 20, clock)
    taken(bucket)
    clock.now += 2.0
    assert taken(bucket) == 10


def test_a_fraction_of_one_is_kept_but_is_not_one(clock: FakeClock) -> None:
    bucket = TokenBucket(4.0, 1, clock)
    bucket.acquire()
    clock.now += 0.125
    assert not bucket.acquire()
    clock.now += 0.125
    assert bucket.acquire()


def test_a_long_pause_gives_no_more_than_may_come_at_once(clock: FakeClock) -> None:
    bucket = TokenBucket(5.0, 20, clock)
    taken(bucket)
    clock.now += 3600.0
    assert taken(bucket) == 20


def test_a_bucket_made_late_is_no_fuller(clock: FakeClock) -> None:
    clock.now = 1e6
    assert taken(TokenBucket(5.0, 3, clock)) == 3
