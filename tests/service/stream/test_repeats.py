from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.stream.repeats import RepeatedSamples

SFREQ = 250.0


def signal(channels: int = 8, seconds: float = 4.0, step: float = 0.0) -> NDArray[np.float64]:
    samples = np.random.default_rng(2).normal(0.0, 20.0, (channels, round(seconds * SFREQ)))
    return np.round(samples / step) * step if step else samples


def fed(samples: NDArray[np.float64], chunk: int = 10) -> tuple[RepeatedSamples, int]:
    repeated = RepeatedSamples(SFREQ, 10.0)
    return repeated, sum(
        repeated.feed(samples[:, start : start + chunk])
        for start in range(0, samples.shape[1], chunk)
    )


@pytest.mark.parametrize("channels", [2, 4, 32])
@pytest.mark.parametrize("step", [0.0, 1.0])
def test_a_good_signal_has_none_however_coarse(channels: int, step: float) -> None:
    repeated, count = fed(signal(channels, 20.0, step))
    assert count == 0
    assert not repeated.touches(0, 5000)


@pytest.mark.parametrize("chunk", [1, 10, 333])
@pytest.mark.parametrize("made_up", ["zeros", "held", "last packet", "packet before"])
def test_what_was_made_up_is_found_in_any_chunks(made_up: str, chunk: int) -> None:
    samples = signal()
    lost = slice(500, 512)
    samples[:, lost] = {
        "zeros": np.zeros((8, 12)),
        "held": samples[:, 499:500],
        "last packet": samples[:, 488:500],
        "packet before": samples[:, 476:488],
    }[made_up]
    repeated, count = fed(samples, chunk)
    assert count == 12
    assert repeated.touches(400, 500)
    assert repeated.touches(511, 700)
    assert not repeated.touches(0, 499)
    assert not repeated.touches(512, 999)


@pytest.mark.parametrize("chunk", [1, 10, 333])
def test_a_signal_that_is_played_back_is_no_repeat(chunk: int) -> None:
    """As where a recording is played to and fro, so that it has no step."""
    samples = signal()
    assert fed(np.concatenate([samples, samples[:, -2::-1]], axis=1), chunk)[1] == 0


@pytest.mark.parametrize("chunk", [1, 10, 333])
def test_a_packet_that_is_sent_three_times_is_found_twice(chunk: int) -> None:
    samples = signal()
    samples[:, 500:524] = np.tile(samples[:, 488:500], 2)
    assert fed(samples, chunk)[1] == 24


def test_a_single_zero_or_repeated_sample_says_nothing() -> None:
    samples = signal()
    samples[:, 300] = 0.0
    samples[:, 500] = samples[:, 499]
    assert fed(samples)[1] == 0


def test_zeros_on_some_channels_are_for_the_quality_to_judge() -> None:
    samples = signal()
    samples[:7, 500:540] = 0.0
    assert fed(samples)[1] == 0


def test_a_flat_signal_is_no_lost_packet() -> None:
    samples = signal()
    samples[:, 100:] = samples[:, 100:101]
    repeated, count = fed(samples)
    assert count == 0  # it has not ended
    assert not repeated.touches(100, 999)


def test_a_signal_that_was_brought_to_a_higher_rate_by_repeating_is_no_lost_packet() -> None:
    repeated, _ = fed(np.repeat(signal(), 4, axis=1))
    assert not repeated.touches(0, 999)


def test_a_stretch_of_more_than_a_second_is_for_the_quality_to_judge() -> None:
    samples = signal()
    samples[:, 300:560] = 0.0
    repeated, count = fed(samples)
    assert count == 0
    assert not repeated.touches(0, 999)


def test_numbers_start_over_with_a_segment() -> None:
    samples = signal()
    samples[:, 500:520] = 0.0
    repeated, _ = fed(samples)
    repeated.restart()
    assert not repeated.touches(0, 999)
    repeated.feed(samples[:, 495:560] + 1.0)
    assert repeated.touches(0, 64)


def test_what_is_kept_is_bounded() -> None:
    repeated, _ = fed(np.tile(signal(seconds=0.3), (1, 300)))
    assert len(repeated._found) <= 3000
    assert len(repeated._recent) <= 125
