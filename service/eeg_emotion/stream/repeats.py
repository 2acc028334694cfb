"""Finds samples that a headset's program has made up for lost packets: zeros, or repeats.

No two samples of many electrodes are the same within half a second. Where some in a row are, on all
channels at once, no signal was measured there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_MEMORY_SECONDS = 0.5  # longer than any packet
_FEWEST, _FEWEST_OF_FEW, _FEW_CHANNELS = 2, 8, 4  # coarse samples of few channels may coincide
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
        self._keep = round(keep_seconds * sfreq)
        self._recent: dict[bytes, None] = {}
        self._found: deque[tuple[int, int]] = deque()
        self._count = self._begun = 0

    def restart(self) -> None:
        """Begin another segment: what is sent again after a gap is known by its stamps."""
        self._recent.clear()
        self._found.clear()
        self._count = self._begun = 0

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
        ended = 0
        fewest = _FEWEST if len(samples) >= _FEW_CHANNELS else _FEWEST_OF_FEW
        for known in self._known(samples):
            if not known:
                if self._found and self._found[-1][1] == self._count:
                    start, stop = self._found[-1]
                    ended += stop - start
                self._begun = self._count + 1
            elif self._count + 1 - self._begun >= fewest:
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
            max(0, min(stop, last + 1) - max(start, first)) for start, stop in self._found
        )
        return 0 < made_up <= _LARGEST_SHARE * (last + 1 - first)

    def _known(self, samples: NDArray[np.floating]) -> Iterator[bool]:
        """Yield for each sample whether it is zero, or the same as one of those before it."""
        rows = np.ascontiguousarray(samples.T)
        width = rows.itemsize * rows.shape[1]
        zero = bytes(width)
        content = rows.tobytes()
        for start in range(0, len(content), width):
            row = content[start : start + width]
            known = row in self._recent
            if not known:
                self._recent[row] = None
                if len(self._recent) > self._memory:
                    del self._recent[next(iter(self._recent))]
            yield known or row == zero
