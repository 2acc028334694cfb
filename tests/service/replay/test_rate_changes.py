from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.replay.faults import Rate, parse_faults
from eeg_emotion.replay.rate_changes import Piece, RateChanges

SFREQ = 128.0


def wave(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(2, samples)`: far from zero, as EEG with its offset is, where a cold start would ring."""
    return np.stack([5000 + 20 * np.sin(2 * np.pi * 7 * times), 10 * np.cos(2 * np.pi * 3 * times)])


def changed(text: str, times: NDArray[np.float64], *, chunk: int = 8) -> list[Piece]:
    rates = [fault for fault in parse_faults(text) if isinstance(fault, Rate)]
    changes = RateChanges(2, SFREQ, rates)
    pieces: list[Piece] = []
    for start in range(0, len(times), chunk):
        part = times[start : start + chunk]
        pieces += changes.process(wave(part), part)
    return [piece for piece in [*pieces, *changes.finish()] if len(piece.times)]


def joined(pieces: list[Piece]) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
    return (
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([piece.samples for piece in pieces], axis=1),
    )


def test_without_a_change_the_signal_is_left_alone() -> None:
    times = np.arange(100) / SFREQ
    given, samples = joined(changed("", times))
    np.testing.assert_array_equal(given, times)
    np.testing.assert_array_equal(samples, wave(times))


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize("sfreq", [250, 64, 512])
def test_the_signal_goes_on_at_the_new_rate_without_hole_or_click(at: int, sfreq: int) -> None:
    pieces = changed(f"rate {sfreq} @{at}", np.arange(8 * 128) / SFREQ)
    times, samples = joined(pieces)
    expected = np.concatenate(
        [np.arange(at * 128) / SFREQ, at + np.arange((8 - at) * sfreq) / sfreq]
    )
    np.testing.assert_allclose(times, expected, rtol=0, atol=1e-9)
    # Where the warm-up and the last samples are made up, the kernel reaches over an edge.
    settled = (times > 0.5) & (times < 7.5)
    np.testing.assert_allclose(samples[:, settled], wave(times)[:, settled], rtol=0, atol=0.1)
    assert np.abs(samples - wave(times)).max() < 25
    assert {piece.sfreq for piece in pieces if piece.times[0] >= at} == {float(sfreq)}


def test_a_second_change_follows_without_hole_or_click() -> None:
    times, samples = joined(changed("rate 250 @2; rate 128 @5", np.arange(8 * 128) / SFREQ))
    expected = [np.arange(256) / SFREQ, 2 + np.arange(750) / 250, 5 + np.arange(384) / SFREQ]
    np.testing.assert_allclose(times, np.concatenate(expected), rtol=0, atol=1e-9)
    # The resampler's last samples before the change rest on a held value, hence the tolerance.
    np.testing.assert_allclose(samples, wave(times), rtol=0, atol=25)
    after = times >= 5
    np.testing.assert_array_equal(samples[:, after], wave(times[after]))


def test_chunk_borders_do_not_matter() -> None:
    times = np.arange(6 * 128) / SFREQ
    whole = joined(changed("rate 250 @2", times, chunk=10_000))
    chunked = joined(changed("rate 250 @2", times, chunk=7))
    np.testing.assert_allclose(whole[0], chunked[0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(whole[1], chunked[1])


def test_a_gap_stays_a_gap_and_the_rate_is_kept_behind_it() -> None:
    times = np.concatenate([np.arange(256) / SFREQ, 10 + np.arange(256) / SFREQ])
    given, samples = joined(changed("rate 250 @1", times))
    expected = [np.arange(128) / SFREQ, 1 + np.arange(250) / 250, 10 + np.arange(500) / 250]
    np.testing.assert_allclose(given, np.concatenate(expected), rtol=0, atol=1e-9)
    settled = given > 10.5
    settled[-125:] = False
    np.testing.assert_allclose(samples[:, settled], wave(given)[:, settled], rtol=0, atol=0.1)


def test_a_change_within_a_gap_begins_behind_it() -> None:
    times = np.concatenate([np.arange(256) / SFREQ, 10 + np.arange(256) / SFREQ])
    given, _ = joined(changed("rate 250 @5", times))
    np.testing.assert_allclose(
        given, np.concatenate([times[:256], 10 + np.arange(500) / 250]), rtol=0, atol=1e-9
    )
