from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.recording import Marker, Stretch
from eeg_emotion.replay.chunks import Chunk, cut_into_chunks


def signal(count: int, first: int = 0) -> NDArray[np.float64]:
    """`(2, count)`: every value occurs once, so that a lost or doubled sample shows."""
    index = np.arange(first, first + count, dtype=np.float64)
    return np.stack([index, index + 10_000.5])


def widths(chunks: Sequence[Chunk]) -> list[tuple[int, int, int]]:
    return [(chunk.first, chunk.samples.shape[1], chunk.gaps) for chunk in chunks]


def test_chunks_continue_over_the_border_of_a_stretch_that_follows() -> None:
    chunks = list(
        cut_into_chunks([Stretch(signal(11)), Stretch(signal(10, 11), follows=True)], size=8)
    )
    assert widths(chunks) == [(0, 8, 0), (8, 8, 0), (16, 5, 0)]
    np.testing.assert_array_equal(
        np.concatenate([chunk.samples for chunk in chunks], axis=1), signal(21)
    )


def test_no_chunk_spans_a_gap_and_the_grid_restarts_after_it() -> None:
    chunks = list(cut_into_chunks([Stretch(signal(11)), Stretch(signal(9, 11))], size=8))
    assert widths(chunks) == [(0, 8, 0), (8, 3, 0), (11, 8, 1), (19, 1, 1)]


def test_stretches_shorter_than_a_chunk_are_gathered() -> None:
    chunks = list(
        cut_into_chunks([Stretch(signal(3, 3 * k), follows=k > 0) for k in range(7)], size=8)
    )
    assert widths(chunks) == [(0, 8, 0), (8, 8, 0), (16, 5, 0)]
    np.testing.assert_array_equal(chunks[1].samples, signal(8, 8))


def test_a_gap_at_an_empty_stretch_is_kept() -> None:
    empty = Stretch(signal(0))
    stretches = [
        empty,
        Stretch(signal(4), follows=True),
        empty,
        Stretch(signal(4, 4), follows=True),
    ]
    assert widths(list(cut_into_chunks(stretches, size=8))) == [(0, 4, 0), (4, 4, 1)]


def test_markers_stay_at_their_samples_when_stretches_are_joined_and_cut() -> None:
    stretches = [
        Stretch(signal(11), markers=(Marker(0, "a"), Marker(7, "b"), Marker(10, "c"))),
        Stretch(signal(10, 11), follows=True, markers=(Marker(0, "d"), Marker(5, "e"))),
    ]
    chunks = list(cut_into_chunks(stretches, size=8))
    placed = [(chunk.first + m.sample, m.text) for chunk in chunks for m in chunk.markers]
    assert placed == [(0, "a"), (7, "b"), (10, "c"), (11, "d"), (16, "e")]
