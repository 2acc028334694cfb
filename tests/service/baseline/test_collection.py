"""Clean rest, counted second by second, from a signal that has everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.codes import Reason
from eeg_emotion.eeg.layout import Layout, identity_layout
from eeg_emotion.eeg.path import PathSettings, SignalPath
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.eeg.rest_baseline import RestError, fit_rest, rest_path
from eeg_emotion.inference.model import demo_model_path, load_model

Array = NDArray[np.float64]
SFREQ = 128
SETTLE = 3  # the demo model's


@cache
def settings() -> PathSettings:
    return load_model(demo_model_path()).contract.path


@cache
def layout() -> Layout:
    return identity_layout(settings().channels)


def collection(seconds: int = 60, least_seconds: int = 20) -> RestCollection:
    return RestCollection(settings(), layout(), SFREQ, seconds=seconds, least_seconds=least_seconds)


def chunks(samples: Array, length: int = 16) -> Iterator[Array]:
    for start in range(0, samples.shape[1], length):
        yield samples[:, start : start + length]


def feed(collecting: RestCollection, samples: Array, length: int = 16) -> None:
    for chunk in chunks(samples, length):
        collecting.feed(chunk)


def seconds_of(samples: Array, first: int, last: int) -> Array:
    return samples[:, first * SFREQ : last * SFREQ]


def clean_pieces(samples: Array) -> list[NDArray[np.float32]]:
    path = SignalPath(rest_path(settings()), layout(), SFREQ)
    return [
        window.features
        for window in path.segment().feed(samples)
        if window.settled and not window.quality.faults
    ]


def test_every_second_of_a_good_signal_counts_but_those_in_which_the_filters_settle(
    rest_signal: Array,
) -> None:
    collecting = collection()
    feed(collecting, seconds_of(rest_signal, 0, 30))
    assert collecting.clean_seconds == 30 - SETTLE
    assert collecting.refused == {Reason.WARMING_UP: SETTLE}
    assert not collecting.finished


def test_a_bad_second_costs_itself_and_what_may_ring_of_it_and_no_more(rest_signal: Array) -> None:
    samples = seconds_of(rest_signal, 0, 40).copy()
    samples[:, 20 * SFREQ + 60 : 20 * SFREQ + 70] = np.nan
    spoilt, clean = collection(), collection()
    feed(spoilt, samples)
    feed(clean, seconds_of(rest_signal, 0, 40))
    lost = spoilt.refused[Reason.OUT_OF_RANGE]
    assert 1 <= lost <= 1 + SETTLE
    assert spoilt.clean_seconds == clean.clean_seconds - lost
    assert spoilt.refused == {Reason.WARMING_UP: SETTLE, Reason.OUT_OF_RANGE: lost}


def test_a_bad_second_is_no_part_of_the_baseline(rest_signal: Array) -> None:
    samples = seconds_of(rest_signal, 0, 40).copy()
    samples[:, 20 * SFREQ : 21 * SFREQ] *= 500.0  # a movement: mV, every channel of it
    spoilt, before = collection(30, 10), collection(30, 10)
    feed(spoilt, samples)
    feed(before, seconds_of(rest_signal, 0, 20))
    assert spoilt.refused.total() > SETTLE
    np.testing.assert_allclose(spoilt.normaliser().sd, before.normaliser().sd, rtol=0.6)


def test_after_a_gap_the_filters_settle_again_and_what_was_clean_stays(rest_signal: Array) -> None:
    collecting = collection()
    feed(collecting, seconds_of(rest_signal, 0, 15))
    collecting.restart()
    feed(collecting, seconds_of(rest_signal, 30, 45))
    assert collecting.clean_seconds == 2 * (15 - SETTLE)
    assert collecting.refused == {Reason.WARMING_UP: SETTLE, Reason.GAP: SETTLE}


def test_a_second_that_a_gap_cut_short_is_not_joined_across_it(rest_signal: Array) -> None:
    collecting = collection()
    feed(collecting, rest_signal[:, : 15 * SFREQ + 100])
    collecting.restart()
    feed(collecting, rest_signal[:, 20 * SFREQ : 24 * SFREQ])
    assert collecting.clean_seconds == 15 - SETTLE + 1


@pytest.mark.parametrize("length", [1, 7, 128, 1000, 10_000])
def test_the_size_of_the_chunks_does_not_matter(rest_signal: Array, length: int) -> None:
    samples = seconds_of(rest_signal, 0, 40).copy()
    samples[3, 15 * SFREQ] = np.inf
    whole, chunked = collection(25), collection(25)
    feed(whole, samples, 32)
    feed(chunked, samples, length)
    assert whole.finished
    assert whole.refused[Reason.OUT_OF_RANGE]
    assert chunked.clean_seconds == whole.clean_seconds
    assert chunked.refused == whole.refused
    assert chunked.normaliser() == whole.normaliser()


def test_the_normaliser_is_trainings_of_the_same_seconds(rest_signal: Array) -> None:
    collecting = collection(30)
    feed(collecting, rest_signal)
    expected = fit_rest(clean_pieces(rest_signal)[:30], settings())
    assert collecting.normaliser() == expected
    assert expected.kind == "rest-baseline"


def test_what_was_asked_for_is_used_even_beyond_the_minute_of_training(rest_signal: Array) -> None:
    collecting = collection(70)
    feed(collecting, rest_signal)
    pieces = clean_pieces(rest_signal)[:70]
    assert collecting.normaliser() == fit_rest(pieces, settings(), most_seconds=70)
    assert collecting.normaliser() != fit_rest(pieces, settings())


def test_once_it_has_its_seconds_nothing_changes_any_more(rest_signal: Array) -> None:
    collecting = collection(20)
    feed(collecting, seconds_of(rest_signal, 0, 20 + SETTLE), 10_000)
    assert collecting.finished
    normaliser, refused = collecting.normaliser(), collecting.refused
    feed(collecting, np.full((32, 20 * SFREQ), np.nan))
    collecting.restart()
    feed(collecting, rest_signal)
    assert collecting.clean_seconds == 20
    assert (collecting.normaliser(), collecting.refused) == (normaliser, refused)


def test_within_one_chunk_it_stops_at_its_seconds_too(rest_signal: Array) -> None:
    collecting = collection(20)
    collecting.feed(np.concatenate([rest_signal[:, : 30 * SFREQ], np.full((32, 1280), np.nan)], 1))
    assert collecting.clean_seconds == 20
    assert collecting.refused == {Reason.WARMING_UP: SETTLE}


def test_what_is_read_of_the_reasons_is_ones_own(rest_signal: Array) -> None:
    collecting = collection()
    feed(collecting, seconds_of(rest_signal, 0, 4))
    collecting.refused.clear()
    assert collecting.refused


def test_too_little_is_refused_with_what_is_needed(rest_signal: Array) -> None:
    collecting = collection()
    feed(collecting, seconds_of(rest_signal, 0, 10))
    with pytest.raises(RestError, match=f"found {10 - SETTLE} s of clean rest, expected 20 to 60"):
        collecting.normaliser()


def test_the_limits_of_the_pipeline_are_those_of_the_collection(rest_signal: Array) -> None:
    seen = []
    for changes in ({}, {"limits": QualityLimits(largest_uv=1e-3)}):
        collecting = RestCollection(
            settings(), layout(), SFREQ, seconds=60, least_seconds=20, **changes
        )
        feed(collecting, seconds_of(rest_signal, 0, 10))
        seen.append(collecting.clean_seconds)
    assert seen == [10 - SETTLE, 0]
