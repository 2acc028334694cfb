"""Keeps impossible values out of the filters, and reports where they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Sanitiser:
    """Replaces a bad sample by the last good one of its channel.

    A single NaN would stay in a recursive filter forever.

    Each channel's first good sample is subtracted from all of its samples. The band-pass removes
    any constant anyway, but without this its ringing from an electrode's offset of some mV would
    take seconds to fade.

    Parameters
    ----------
    channels
        The number of channels.
    largest
        µV: a sample beyond this, or one that is not finite, is bad.
    """

    def __init__(self, channels: int, largest: float) -> None:
        self._largest = largest
        self._offset = np.zeros((channels, 1))
        self._unset = np.ones(channels, dtype=bool)  # whose offset is not known yet
        self._held = np.zeros((channels, 1))

    def process(
        self, samples: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the cleaned `(channels, samples)` in µV, and which samples were bad."""
        # NaN compares false, so it counts as bad.
        good = np.abs(samples) <= self._largest
        if not samples.shape[1]:
            return samples, good
        if self._unset.any():
            found = self._unset & good.any(axis=1)
            firsts = good.argmax(axis=1)
            self._offset[found, 0] = samples[found, firsts[found]]
            self._unset &= ~found
        clean = samples - self._offset
        if not good.all():
            padded = np.concatenate([self._held, np.where(good, clean, 0.0)], axis=1)
            # For each position, the column of the last good value at or before it.
            known = np.concatenate([np.ones_like(self._held, dtype=bool), good], axis=1)
            source = np.maximum.accumulate(np.where(known, np.arange(padded.shape[1]), 0), axis=1)
            clean = np.take_along_axis(padded, source, axis=1)[:, 1:]
        self._held = clean[:, -1:].copy()
        return np.asarray(clean), ~good
