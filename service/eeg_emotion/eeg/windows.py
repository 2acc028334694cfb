"""Cuts rows into overlapping windows on a grid counted from the segment's first row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


class WindowCutter:
    """Keeps the last window's rows, and yields a copy at each point of the grid.

    Window `i` covers rows `i * hop` to `i * hop + length`, whatever the chunks.
    """

    def __init__(self, *, length: int, hop: int, width: int) -> None:
        if not 0 < hop <= length:
            raise ValueError(f"found a hop of {hop} rows, expected 1 to the window's {length}")
        self._hop = hop
        self._rows = np.empty((length, width))
        self._filled = 0
        self._given = 0

    def push(self, rows: NDArray[np.float64]) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Add `(rows, width)`; yield `(first row, window)` for each window completed."""
        length, taken = len(self._rows), 0
        while taken < len(rows):
            count = min(length - self._filled, len(rows) - taken)
            self._rows[self._filled : self._filled + count] = rows[taken : taken + count]
            self._filled += count
            taken += count
            if self._filled == length:
                yield self._given * self._hop, self._rows.copy()
                self._given += 1
                self._rows[: length - self._hop] = self._rows[self._hop :]
                self._filled -= self._hop
