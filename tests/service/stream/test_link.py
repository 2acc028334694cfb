from __future__ import annotations

import pytest

from eeg_emotion.codes import State
from eeg_emotion.stream.link import LOST_SECONDS, STALE_SECONDS, WARNED_SECONDS, Link

OPENED = 1000.0
JUST_BEFORE = 1e-6


def received() -> Link:
    link = Link(OPENED)
    link.on_samples(OPENED)
    return link


def test_a_new_connection_is_connecting_until_samples_come() -> None:
    link = Link(OPENED)
    assert link.state(OPENED) is State.CONNECTING
    assert link.state(OPENED + 1.0) is State.CONNECTING
    link.on_samples(OPENED + 1.0)
    assert link.state(OPENED + 1.0) is State.LIVE


def test_samples_keep_it_live() -> None:
    link = received()
    for second in range(100):
        link.on_samples(OPENED + second)
        assert link.state(OPENED + second + STALE_SECONDS - JUST_BEFORE) is State.LIVE


@pytest.mark.parametrize(
    ("silent", "state"),
    [
        (0.0, State.LIVE),
        (STALE_SECONDS - JUST_BEFORE, State.LIVE),
        (STALE_SECONDS, State.STALE),
        (LOST_SECONDS - JUST_BEFORE, State.STALE),
        (LOST_SECONDS, State.LOST),
        (1e6, State.LOST),
    ],
)
def test_silence_makes_it_stale_and_then_lost(silent: float, state: State) -> None:
    assert received().state(OPENED + silent) is state


def test_the_limits_are_those_that_are_promised() -> None:
    assert (WARNED_SECONDS, STALE_SECONDS, LOST_SECONDS) == (1.0, 2.0, 10.0)


def test_a_silence_is_warned_of_while_the_headset_still_is_live() -> None:
    link = received()
    assert link.silent_seconds(OPENED + WARNED_SECONDS) >= WARNED_SECONDS
    assert link.state(OPENED + WARNED_SECONDS) is State.LIVE


@pytest.mark.parametrize("silent", [STALE_SECONDS, LOST_SECONDS])
def test_a_headset_that_speaks_again_is_live_again(silent: float) -> None:
    link = received()
    assert link.state(OPENED + silent) is not State.LIVE
    link.on_samples(OPENED + silent)
    assert link.state(OPENED + silent) is State.LIVE


def test_a_connection_that_never_brings_a_sample_is_given_up_too() -> None:
    link = Link(OPENED)
    assert link.state(OPENED + STALE_SECONDS) is State.STALE
    assert link.state(OPENED + LOST_SECONDS) is State.LOST


def test_a_closed_connection_is_lost_at_once_and_for_good() -> None:
    link = received()
    link.close()
    assert link.state(OPENED) is State.LOST
    link.on_samples(OPENED + 1.0)  # samples that were still on their way
    assert link.state(OPENED + 1.0) is State.LOST


def test_asking_for_the_state_changes_nothing() -> None:
    link = received()
    assert link.state(OPENED + LOST_SECONDS) is State.LOST
    assert link.state(OPENED) is State.LIVE


def test_silence_is_measured_in_seconds_since_the_last_sample() -> None:
    link = Link(OPENED)
    assert link.silent_seconds(OPENED + 3.0) == 3.0
    link.on_samples(OPENED + 4.0)
    assert link.silent_seconds(OPENED + 4.5) == 0.5
