"""Cuts a recording's stretches into the chunks that a replay sends, none spanning a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.recording import Marker, Stretch

CHUNK_SECONDS = 1 / 16
"""The length of a replay's chunks."""

GAP_SECONDS = 2.0
"""The length of a replay's gaps where the recording has not measured that of its own."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples that are pushed together.

    Attributes
    ----------
    samples
        `(channels, samples)` in the recording's units.
    markers
        Markers at its samples, counted from the chunk's first.
    first
        The number of samples before it.
    gaps
        The number of gaps before it.
    stamps
        `(samples,)` seconds at which they were measured; None where the recording has none.
    """

    samples: NDArray[np.floating]
    markers: tuple[Marker, ...]
    first: int
    gaps: int
    stamps: NDArray[np.float64] | None = None


def cut_into_chunks(stretches: Iterable[Stretch], size: int) -> Iterator[Chunk]:
    """Cut stretches into chunks of `size` samples, counted from each gap.

    A stretch that follows the previous one continues its grid; before a gap and at the end, a chunk
    may be shorter. No chunk spans a gap.
    """
    rest: Stretch | None = None
    first = gaps = 0
    gap = False
    for stretch in stretches:
        gap = gap or not stretch.follows
        if not stretch.samples.shape[1]:
            continue
        block = stretch
        if rest is not None:
            if gap:
                yield Chunk(rest.samples, rest.markers, first, gaps, rest.stamps)
                first += rest.samples.shape[1]
            else:
                block = _join(rest, stretch)
        if gap and first:
            gaps += 1
        gap = False
        whole = block.samples.shape[1] // size * size
        for start in range(0, whole, size):
            part = _part(block, start, start + size)
            yield Chunk(part.samples, part.markers, first, gaps, part.stamps)
            first += size
        rest = _part(block, whole, block.samples.shape[1])
        if not rest.samples.shape[1]:
            rest = None
    if rest is not None:
        yield Chunk(rest.samples, rest.markers, first, gaps, rest.stamps)


def _join(left: Stretch, right: Stretch) -> Stretch:
    offset = left.samples.shape[1]
    moved = (Marker(marker.sample + offset, marker.text) for marker in right.markers)
    stamps = (
        None
        if left.stamps is None or right.stamps is None
        else np.concatenate([left.stamps, right.stamps])
    )
    return Stretch(
        np.concatenate([left.samples, right.samples], axis=1),
        markers=(*left.markers, *moved),
        stamps=stamps,
    )


def _part(stretch: Stretch, start: int, stop: int) -> Stretch:
    return Stretch(
        stretch.samples[:, start:stop],
        markers=tuple(
            Marker(marker.sample - start, marker.text)
            for marker in stretch.markers
            if start <= marker.sample < stop
        ),
        stamps=None if stretch.stamps is None else stretch.stamps[start:stop],
    )
