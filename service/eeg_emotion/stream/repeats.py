"""Finds samples that a headset's program has made up for lost packets: zeros, or repeats.

No two samples of many electrodes are the same within half a second. Where some in a row are, on all
channels at once and in their order, no signal was measured there.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

_MEMORY_SECONDS = 0.5  # longer than any packet
_FEWEST, _FEWEST_OF_FEW, _FEW_CHANNELS = 2, 8, 4  # coarse samples of few channels may coincide
_LARGEST_SECONDS = 1.0  # programs fill in packets; for longer, nothing is measured at all
_LARGEST_SHARE = 0.5  # more is a flat signal, or one that was brought to a higher rate by repeating


class RepeatedSamples:
    """The samples of a segment that repeat others, or are zero, on all channels.

    Parameters
    ----------
    sfreq
        The stream's rate in Hz.
    keep_seconds
        How far back `touches` can look.
    """

    def __init__(self, sfreq: float, keep_seconds: float) -> None:
        self._memory = max(1, round(_MEMORY_SECONDS * sfreq))
        self._largest = round(_LARGEST_SECONDS * sfreq)
        self._keep = round(keep_seconds * sfreq)
        self._recent: dict[bytes, int] = {}  # the number of each
        self._repeated = -1  # the number of the sample that the last one repeats
        self._found: deque[tuple[int, int]] = deque()
        self._count = self._begun = 0

    def restart(self) -> None:
        """Begin another segment: what is sent again after a gap is known by its stamps."""
        self._recent.clear()
        self._found.clear()
        self._count = self._begun = 0
        self._repeated = -1

    def feed(self, samples: NDArray[np.floating]) -> int:
        """Look at a segment's next samples.

        Parameters
        ----------
        samples
            `(channels, samples)`.

        Returns
        -------
        How many samples of stretches that have ended here were not measured.
        """
        if not samples.size:
            return 0
        rows = _contents(samples)
        if self._are_new(rows):
            ended = self._ended()
            self._remember(rows)
            self._count += len(rows)
            self._begun = self._count
            self._repeated = -1
            return ended
        ended = 0
        fewest = _FEWEST if len(samples) >= _FEW_CHANNELS else _FEWEST_OF_FEW
        for row in rows:
            repeated = self._recent.get(row, self._count)  # a first zero repeats none
            if self._are_new([row]) or repeated == self._repeated - 1:  # back in time
                ended += self._ended()
                self._remember([row])
                self._begun = self._count + 1
                self._repeated = -1
                self._count += 1
                continue
            self._repeated = repeated
            if self._count + 1 - self._begun >= fewest:
                if self._found and self._found[-1][0] == self._begun:
                    self._found.pop()
                self._found.append((self._begun, self._count + 1))
            self._count += 1
        while self._found and self._found[0][1] < self._count - self._keep:
            self._found.popleft()
        return ended

    def touches(self, first: int, last: int) -> bool:
        """Return whether some samples of this stretch of the segment, but not most, are such."""
        made_up = sum(
            max(0, min(stop, last + 1) - max(start, first))
            for start, stop in self._found
            if stop - start <= self._largest
        )
        return 0 < made_up <= _LARGEST_SHARE * (last + 1 - first)

    def _are_new(self, rows: list[bytes]) -> bool:
        """Return whether none is zero or the same as another, or as one before."""
        return (
            len(set(rows)) == len(rows)
            and self._recent.keys().isdisjoint(rows)
            and bytes(len(rows[0])) not in rows
        )

    def _ended(self) -> int:
        """Return the length of a stretch that the sample before ends."""
        if not self._found or self._found[-1][1] != self._count:
            return 0
        start, stop = self._found[-1]
        return stop - start if stop - start <= self._largest else 0

    def _remember(self, rows: list[bytes]) -> None:
        self._recent.update(zip(rows, range(self._count, self._count + len(rows)), strict=True))
        while len(self._recent) > self._memory:
            del self._recent[next(iter(self._recent))]


def _contents(samples: NDArray[np.floating]) -> list[bytes]:
    rows = np.ascontiguousarray(samples.T)
    content, width = rows.tobytes(), rows.itemsize * rows.shape[1]
    return [content[start : start + width] for start in range(0, len(content), width)]
