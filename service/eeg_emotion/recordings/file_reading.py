"""Shared parts of the file readers: errors, names and blocks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.recordings.recording import Marker, RecordingError, Stretch
from eeg_emotion.slug import slug

# Long enough for few reads, short enough for memory: 64 channels at 2048 Hz are 10 MB.
_BLOCK_SECONDS = 10.0


@contextmanager
def reading(path: Path, reader: str) -> Iterator[None]:
    """Convert anything that a reader raises for a damaged file into a `RecordingError`."""
    try:
        yield
    except EegEmotionError:
        raise
    # For a damaged file, a parser may raise any exception.
    except Exception as error:
        raise RecordingError(
            f"{path.name}: found a file that {reader} cannot read "
            f"({type(error).__name__}: {error}), expected a complete recording of the format of "
            "its suffix; copy it again or convert it to EDF"
        ) from error


def source_id(path: Path) -> str:
    """Return a source id from the file's name alone, not its folder: `a.edf` becomes `a-edf`."""
    return slug(f"{path.stem}-{path.suffix.removeprefix('.')}", "recording")


def blocks(
    segments: Sequence[tuple[int, int]],
    markers: Sequence[tuple[int, str]],
    sfreq: float,
    read: Callable[[int, int], NDArray[np.floating]],
    stamps: NDArray[np.float64] | None = None,
) -> Iterator[Stretch]:
    """Yield segments `[start, stop)` as stretches that follow each other within a segment.

    `stamps` are those of all samples, `(samples,)` seconds, where the file has measured ones.
    """
    size = max(1, round(_BLOCK_SECONDS * sfreq))
    for first, end in segments:
        for start in range(first, end, size):
            stop = min(start + size, end)
            low = bisect_left(markers, start, key=lambda marker: marker[0])
            high = bisect_left(markers, stop, key=lambda marker: marker[0])
            yield Stretch(
                read(start, stop),
                follows=start > first,
                markers=tuple(Marker(at - start, text) for at, text in markers[low:high]),
                stamps=None if stamps is None else stamps[start:stop],
            )


def in_order(markers: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Sort markers by sample only: those at the same sample keep the file's order."""
    return sorted(markers, key=lambda marker: marker[0])
