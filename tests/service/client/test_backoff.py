"""Back-off: longer each time, and spread over all of it."""

from __future__ import annotations

from random import Random

import pytest

from eeg_emotion.client.backoff import Backoff


class Latest(Random):
    """Draws the longest delay."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_limit_doubles_up_to_twenty_seconds_and_starts_over_after_a_reset() -> None:
    backoff = Backoff(Latest())
    limits = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    assert [backoff.next() for _ in limits] == limits
    backoff.reset()
    assert backoff.next() == 0.5


def test_it_continues_forever() -> None:
    backoff = Backoff(Latest())
    assert [backoff.next() for _ in range(5000)][-1] == 20.0


def test_the_jitter_is_full() -> None:
    backoff = Backoff(Random(3))
    waits = sorted([backoff.next() for _ in range(2000)][10:])
    assert 0 <= waits[0] < 0.2
    assert 19.8 < waits[-1] <= 20
    assert waits[len(waits) // 2] == pytest.approx(10, abs=1)
