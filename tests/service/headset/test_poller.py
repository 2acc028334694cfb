"""The poller, with inlets of the test's own and time that the test gives out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.headset.inlet import HeadsetLostError
from eeg_emotion.headset.poller import Poller


@dataclass
class FakeInlet:
    chunks: list[int | None]
    """How many samples each pull brings; None is the loss of the source."""

    refreshed: int = 0
    pulled: int = 0

    def pull(self) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        self.pulled += 1
        count = self.chunks.pop(0) if self.chunks else 0
        if count is None:
            raise HeadsetLostError("gone")
        return np.zeros((2, count)), np.zeros(count)

    def refresh_clock_offset(self) -> None:
        self.refreshed += 1


@dataclass
class FakeListener:
    heard: list[int] = field(default_factory=list)
    losses: int = 0

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        assert samples.shape == (2, len(stamps))
        self.heard.append(len(stamps))

    def lost(self) -> None:
        self.losses += 1


def after(rounds: int) -> Callable[[float], bool]:
    """Give a `stop` that lets the poller go around this often."""
    left = iter([False] * rounds)

    def stop(seconds: float) -> bool:
        assert 0 < seconds < 0.1
        return next(left, True)

    return stop


def test_what_arrives_is_handed_over_and_nothing_is_not() -> None:
    poller, listener = Poller(), FakeListener()
    poller.add("a", FakeInlet([3, 0, 5]), listener)
    poller.run(after(4))
    assert listener.heard == [3, 5]


def test_a_lost_inlet_is_told_once_and_left_alone_while_the_others_go_on() -> None:
    poller, gone, other = Poller(), FakeListener(), FakeListener()
    lost = FakeInlet([1, None, 7])
    poller.add("gone", lost, gone)
    poller.add("other", FakeInlet([1, 2, 3]), other)
    poller.run(after(3))
    assert gone.heard == [1]
    assert gone.losses == 1
    assert lost.pulled == 2
    assert other.heard == [1, 2, 3]


def test_a_removed_inlet_is_read_no_more() -> None:
    poller, listener = Poller(), FakeListener()
    inlet = FakeInlet([1, 1, 1])
    poller.add("a", inlet, listener)
    poller.run(after(1))
    poller.remove("a")
    poller.run(after(2))
    assert inlet.pulled == 1


def test_stop_ends_it_before_the_first_pull() -> None:
    poller, inlet = Poller(), FakeInlet([1])
    poller.add("a", inlet, FakeListener())
    poller.run(after(0))
    assert inlet.pulled == 0


def test_clock_offsets_are_refreshed_now_and_then_not_every_round() -> None:
    poller, inlet = Poller(), FakeInlet([])
    poller.add("a", inlet, FakeListener())
    poller.run(after(2600))
    assert inlet.refreshed == 2
