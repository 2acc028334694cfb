"""The poller, with inlets of the test's own and time that the test gives out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.log_records import event_of

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.lsl.budget import LARGEST_SHARE
from eeg_emotion.lsl.inlet import HeadsetLostError
from eeg_emotion.lsl.poller import Poller


@dataclass
class FakeInlet:
    chunks: list[int | None]
    """How many samples each pull brings; None is the loss of the source."""

    refreshed: int = 0
    pulled: int = 0
    overflowed: bool = False

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
    refusals: list[EegEmotionError] = field(default_factory=list)
    overloads: int = 0
    min_samples: int = 1

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        assert samples.shape == (2, len(stamps))
        self.received.append(len(stamps))

    def lost(self) -> None:
        self.losses += 1

    def refused(self, error: EegEmotionError) -> None:
        self.refusals.append(error)

    def overloaded(self) -> None:
        self.overloads += 1


class Clock:
    """Time that moves on only where the poller waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.spent = 0.0
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


# The budget of each headset


@dataclass
class Costly(FakeListener):
    """A listener whose samples take the thread's time."""

    clock: Clock = field(default_factory=Clock)
    seconds: float = 0.0
    """How much each sample takes."""

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        super().samples(samples, stamps)
        self.clock.spent += self.seconds * len(stamps)
        self.clock.now += self.seconds * len(stamps)


def test_a_headset_that_takes_too_much_is_refused_and_the_others_lose_nothing(
    clock: Clock,
) -> None:
    poller = Poller(lambda: None, clock, lambda: clock.spent)
    bad, good = Costly(clock=clock, seconds=1e-3), FakeListener()
    spoilt = FakeInlet([8] * 2000)
    poller.add("bad", spoilt, bad)
    poller.add("good", FakeInlet([1] * 2000), good)
    poller.run(clock.after(2000))
    (error,) = bad.refusals
    assert "more than 25% of the thread" in str(error)
    # It worked for 2 s and what it had earned meanwhile; then it costs nothing more.
    assert 2.0 < clock.spent < 4.0
    assert spoilt.pulled == len(bad.received)
    assert good.received == [1] * 2000
    assert bad.losses == good.losses == 0


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_headset_within_its_budget_is_kept_for_good(clock: Clock, share: float) -> None:
    poller = Poller(lambda: None, clock, lambda: clock.spent)
    # Per round of 4 ms: the share that it may take, in the end, of the time that passes.
    seconds = 0.004 * share * LARGEST_SHARE
    listener = Costly(clock=clock, seconds=seconds)
    poller.add("a", FakeInlet([1] * 5000), listener)
    poller.run(clock.after(5000))
    assert not listener.refusals
    assert len(listener.received) == 5000


def test_a_backlog_is_within_the_budget(clock: Clock) -> None:
    poller = Poller(lambda: None, clock, lambda: clock.spent)
    listener = Costly(clock=clock, seconds=1e-3)
    chunks: list[int | None] = [*[0] * 3, 1500, *[0] * 3000, 1500]
    poller.add("a", FakeInlet(chunks), listener)
    poller.run(clock.after(3100))
    assert listener.received == [1500, 1500]
    assert not listener.refusals


def test_a_busy_machine_is_not_charged_to_a_headset(clock: Clock) -> None:
    @dataclass
    class Waiting(Costly):
        def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
            FakeListener.samples(self, samples, stamps)
            self.clock.now += 0.5  # the thread waits for its turn on the processor

    listener = Waiting(clock=clock)
    poller = Poller(lambda: None, clock, lambda: clock.spent)
    poller.add("a", FakeInlet([1] * 100), listener)
    poller.run(clock.after(100))
    assert not listener.refusals


# Overload


def test_what_is_read_in_time_is_no_overload(poller: Poller, clock: Clock) -> None:
    listener = FakeListener()
    poller.add("a", FakeInlet([1] * 500), listener)
    poller.run(clock.after(500))
    assert listener.overloads == 0


@pytest.mark.parametrize(("pause", "overloads"), [(1.9, 0), (2.1, 1), (30.0, 1)])
def test_a_round_that_takes_long_is_this_sides_fault_for_all_that_it_kept_waiting(
    clock: Clock, pause: float, overloads: int
) -> None:
    @dataclass
    class Stalling(FakeListener):
        def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
            super().samples(samples, stamps)
            clock.now += pause if len(self.received) == 3 else 0.0

    poller = Poller(lambda: None, clock, lambda: 0.0)
    stalling, other, silent = Stalling(), FakeListener(), FakeListener()
    poller.add("stalling", FakeInlet([1] * 10), stalling)
    poller.add("other", FakeInlet([1] * 10), other)
    poller.add("silent", FakeInlet([]), silent)
    poller.run(clock.after(10))
    assert (stalling.overloads, other.overloads) == (overloads, overloads)
    assert silent.overloads == 0  # nothing of it was waiting
    assert other.received == [1] * 10


def test_a_buffer_that_was_full_is_this_sides_fault(poller: Poller, clock: Clock) -> None:
    inlet, listener = FakeInlet([1] * 4), FakeListener()
    poller.add("a", inlet, listener)
    poller.run(clock.after(2))
    inlet.overflowed = True
    poller.run(clock.after(1))
    assert listener.overloads == 1
