"""The signal of a table's rows, cut from a recording in one pass over its stretches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.recording import Recording
from eeg_emotion_training.data.table import Row
from eeg_emotion_training.data.table_cells import cell_error

LEAD_SECONDS = 3.0
"""What is cut before a row's start, where it is there, for the filters to settle."""

# The resampler lags by at most 0.47 s, at 100 Hz; without this a trial's last window would be lost.
_TAIL_SECONDS = 0.5
# Their pauses have no length: a second is so many samples of the file. Of other files' gaps the
# length is not known here, so that a row behind one would be cut from the wrong place.
_WITHOUT_PAUSES = (".vhdr", ".ahdr", ".set")


@dataclass(frozen=True, slots=True)
class RowSignal:
    """A row's signal.

    Attributes
    ----------
    samples
        `(stream channels, samples)` in the recording's units, with what could be had before the
        row's start, and after its stop.
    onset, end
        The row's first sample, and one past its last.
    """

    samples: NDArray[np.floating]
    onset: int
    end: int


def cut_rows(table: str, recording: Recording, rows: Sequence[Row]) -> list[RowSignal]:
    """Cut the signal of rows of one recording, in their order; only theirs is held in memory.

    Raises
    ------
    DataError
        If a row reaches beyond the recording or across a gap.
    """
    cuts = [_Cut(table, recording, row) for row in rows]
    at = 0
    for stretch in recording.stretches():
        if at and not stretch.follows:
            for cut in cuts:
                cut.gap(at)
        for cut in cuts:
            cut.add(at, stretch.samples)
        at += stretch.samples.shape[1]
    return [cut.finish(at) for cut in cuts]


class _Cut:
    """One row's signal while its recording passes by; samples are counted from its first."""

    def __init__(self, table: str, recording: Recording, row: Row) -> None:
        sfreq = recording.sfreq
        self._table, self._recording, self._row = table, recording, row
        self._first, self._stop = round(row.start * sfreq), round(row.stop * sfreq)
        # Rounded down, so that the filters have just settled at the row's start and no window of
        # the path's grid is lost.
        self._from = max(0, self._first - math.floor(LEAD_SECONDS * sfreq))
        self._until = self._stop + math.ceil(_TAIL_SECONDS * sfreq)
        self._pieces: list[NDArray[np.floating]] = []

    def add(self, at: int, samples: NDArray[np.floating]) -> None:
        """Keep what belongs to the row of `(channels, samples)` that begin at sample `at`."""
        start, stop = max(0, self._from - at), max(0, self._until - at)
        if start < min(stop, samples.shape[1]):
            self._pieces.append(samples[:, start:stop].copy())  # a view would hold all of it

    def gap(self, at: int) -> None:
        """Record that sample `at` does not follow the one before it."""
        where = f"a gap at {at / self._recording.sfreq:g} s of {self._recording.name}"
        if self._first < at < self._stop:
            raise cell_error(
                self._table,
                self._row.number,
                "stop",
                f"found {where} within the row's {self._row.start:g} to {self._row.stop:g} s, "
                "expected contiguous signal; end the row before the gap, or begin it after it",
            )
        if at >= self._stop:
            self._until = min(self._until, at)
            return
        if not self._row.path.name.lower().endswith(_WITHOUT_PAUSES):
            raise cell_error(
                self._table,
                self._row.number,
                "start",
                f"found {where} before the row's start at {self._row.start:g} s, expected none: "
                "how long it lasted is not known, so the row's place is not; split the recording "
                "at the gap into files of their own",
            )
        if at > self._from:
            self._from = at
            self._pieces.clear()

    def finish(self, count: int) -> RowSignal:
        """Return the signal at the recording's end, after `count` samples."""
        if self._stop > count:
            column = "stop" if self._first < count else "start"
            seconds = self._row.stop if column == "stop" else self._row.start
            raise cell_error(
                self._table,
                self._row.number,
                column,
                f"found {seconds:g} s, expected at most {count / self._recording.sfreq:g} s, the "
                f"end of {self._recording.name}; correct it, in seconds from the recording's "
                "first sample",
            )
        return RowSignal(
            np.concatenate(self._pieces, axis=1),
            self._first - self._from,
            self._stop - self._from,
        )
