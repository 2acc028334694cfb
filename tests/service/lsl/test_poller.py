"""The poller, with inlets of the test's own and time that the test gives out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.log_records import event_of

from eeg_emotion.lsl.inlet import HeadsetLostError
from eeg_emotion.lsl.poller import Poller


@dataclass
class FakeInlet:
    chunks: list[int | None]
    """How many samples each pull brings; None is the loss of the source."""

    refreshed: int = 0
    pulled: int = 0

    def pull(self, min_samples: int) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        self.pulled += 1
        count = self.chunks.pop(0) if self.chunks else 0
        if count is None:
            raise HeadsetLostError("gone")
        return np.zeros((2, count)), np.zeros(count)

    def refresh_clock_offset(self) -> None:
        self.refreshed += 1


@dataclass
class FakeListener:
    received: list[int] = field(default_factory=list)
    losses: int = 0
    min_samples: int = 1

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        assert samples.shape == (2, len(stamps))
        self.received.append(len(stamps))

    def lost(self) -> None:
        self.losses += 1


class Clock:
    """Time that moves on only where the poller waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def after(self, rounds: int) -> Callable[[float], bool]:
        """Return a `stop` that lets the poller go around this often."""
        left = iter([False] * rounds)

        def stop(seconds: float) -> bool:
            assert 0 < seconds < 0.1
            self.now += seconds
            self.waits.append(seconds)
            return next(left, True)

        return stop


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def poller(clock: Clock) -> Poller:
    return Poller(lambda: None, clock)


def test_what_arrives_is_handed_over_and_nothing_is_not(poller: Poller, clock: Clock) -> None:
    listener = FakeListener()
    poller.add("a", FakeInlet([3, 0, 5]), listener)
    poller.run(clock.after(4))
    assert listener.received == [3, 5]


def test_a_lost_inlet_is_reported_once_and_not_read_while_the_others_continue(
    poller: Poller, clock: Clock
) -> None:
    gone, other = FakeListener(), FakeListener()
    lost = FakeInlet([1, None, 7])
    poller.add("gone", lost, gone)
    poller.add("other", FakeInlet([1, 2, 3]), other)
    poller.run(clock.after(3))
    assert gone.received == [1]
    assert gone.losses == 1
    assert lost.pulled == 2
    assert other.received == [1, 2, 3]


def test_a_removed_inlet_is_read_no_more(poller: Poller, clock: Clock) -> None:
    listener = FakeListener()
    inlet = FakeInlet([1, 1, 1])
    poller.add("a", inlet, listener)
    poller.run(clock.after(1))
    poller.remove("a")
    poller.run(clock.after(2))
    assert inlet.pulled == 1


def test_stop_ends_it_before_the_first_pull(poller: Poller, clock: Clock) -> None:
    inlet = FakeInlet([1])
    poller.add("a", inlet, FakeListener())
    poller.run(clock.after(0))
    assert inlet.pulled == 0


def test_clock_offsets_are_refreshed_every_five_seconds(poller: Poller, clock: Clock) -> None:
    inlet = FakeInlet([])
    poller.add("a", inlet, FakeListener())
    poller.run(clock.after(2600))
    assert inlet.refreshed == 2


def test_inlets_that_came_at_different_times_are_refreshed_at_different_times(
    poller: Poller, clock: Clock
) -> None:
    refreshed: list[tuple[str, float]] = []

    @dataclass
    class Noting(FakeInlet):
        name: str = ""

        def refresh_clock_offset(self) -> None:
            refreshed.append((self.name, clock.now))

    for name in ("a", "b", "c"):
        poller.add(name, Noting([], name=name), FakeListener())
        poller.run(clock.after(250))
    poller.run(clock.after(1250))
    assert [name for name, _ in refreshed] == ["a", "b", "c"]
    steps = np.diff([time for _, time in refreshed])
    assert (steps > 0.9).all()


def test_the_end_of_a_round_is_reported_after_all_of_its_samples(clock: Clock) -> None:
    reported: list[str] = []

    @dataclass
    class StatusPublisher(FakeListener):
        name: str = ""

        def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
            reported.append(self.name)

    poller = Poller(lambda: reported.append("over"), clock)
    poller.add("a", FakeInlet([1, 0, 1]), StatusPublisher(name="a"))
    poller.add("b", FakeInlet([1, 1, 0]), StatusPublisher(name="b"))
    poller.run(clock.after(3))
    assert reported == ["a", "b", "over", "b", "over", "a", "over"]


@pytest.mark.parametrize("at_fault", ["inlet", "listener"])
def test_whatever_goes_wrong_with_one_the_others_continue(
    poller: Poller, clock: Clock, at_fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenInlet(FakeInlet):
        def pull(self, min_samples: int) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
            super().pull(min_samples)
            raise RuntimeError("an error of liblsl's")

    class BrokenListener(FakeListener):
        def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
            raise RuntimeError("a defect")

    inlet = BrokenInlet([1]) if at_fault == "inlet" else FakeInlet([1, 1])
    broken = FakeListener() if at_fault == "inlet" else BrokenListener()
    other = FakeListener()
    poller.add("broken", inlet, broken)
    poller.add("other", FakeInlet([1, 2, 3]), other)
    poller.run(clock.after(3))
    assert other.received == [1, 2, 3]
    assert (inlet.pulled, broken.losses) == (1, 1)
    assert [(event_of(r)["event"], event_of(r)["stream"]) for r in caplog.records] == [
        ("stream cannot be read", "broken")
    ]


def test_many_inlets_are_read_less_often(poller: Poller, clock: Clock) -> None:
    waits = []
    for number in range(256):
        poller.add(str(number), FakeInlet([]), FakeListener())
        poller.run(clock.after(1))
        waits.append(clock.waits[-1])
    assert waits == sorted(waits)
    assert waits[-1] >= 4 * waits[0]
