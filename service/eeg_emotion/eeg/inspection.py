"""Measures of each electrode's signal in a block, without judging them.

They are taken at the headset's own rate, before resampling and filters, which would hide what they
are to show, such as an amplifier at its limit, or mains hum above half of the model's rate.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.filters import MAINS_HZ

_HIGHEST_SHARE = 0.48  # of the rate: hum closer to half of it is indistinguishable from its alias


class Measure(IntEnum):
    """The rows of a block's measures, `(measures, channels)`."""

    HIGHEST = 0
    """µV, relative to the segment's first sample, like LOWEST and MEAN."""
    LOWEST = 1
    AT_HIGHEST = 2
    """Share of the samples that equal the highest, like AT_LOWEST."""
    AT_LOWEST = 3
    MEAN = 4
    BAD = 5
    """1 if a sample was not finite or not possible."""
    MAINS = 6
    """µV², squared amplitude of the hum at 50 or 60 Hz, whichever is stronger."""
    FAST_POWER = 7
    """µV², mean square in the upper part of the model's band, where muscles show."""
    POWER = 8
    """µV², mean square in the model's band."""


class Inspector:
    """Computes the measures of each whole block from a segment's samples.

    Parameters
    ----------
    channels
        The number of channels.
    sfreq
        The headset's rate in Hz.
    samples_per_block
        At that rate; need not be an integer. Block `k` starts at the sample `k` times this.
    """

    def __init__(self, channels: int, sfreq: float, samples_per_block: float) -> None:
        self._sfreq = sfreq
        self._per_block = samples_per_block
        self._samples = np.empty((channels, 0))
        self._bad = np.empty((channels, 0), dtype=bool)
        self._first = 0  # number of the first sample that is kept
        self._block = 0

    def feed(
        self, samples: NDArray[np.float64], bad: NDArray[np.bool_]
    ) -> list[NDArray[np.float64]]:
        """Process `(channels, samples)` in µV, and return `(measures, channels)` per whole block.

        The last two rows, which need the filters, are left 0.
        """
        self._samples = np.concatenate([self._samples, samples], axis=1)
        self._bad = np.concatenate([self._bad, bad], axis=1)
        done, start = [], 0
        while (stop := self.end_of(self._block) - self._first) <= self._samples.shape[1]:
            done.append(self._measure(self._samples[:, start:stop], self._bad[:, start:stop]))
            self._block += 1
            start = stop
        self._samples = self._samples[:, start:]
        self._bad = self._bad[:, start:]
        self._first += start
        return done

    def end_of(self, block: int) -> int:
        """Return the number of the first sample after a block."""
        return int(np.ceil((block + 1) * self._per_block))

    def _measure(self, samples: NDArray[np.float64], bad: NDArray[np.bool_]) -> NDArray[np.float64]:
        count = samples.shape[1]
        measures = np.zeros((len(Measure), len(samples)))
        # Plain reductions: this runs four times a second for every headset, and for so few numbers
        # the overhead of `mean` exceeds the work.
        highest = np.maximum.reduce(samples, axis=1, keepdims=True)
        lowest = np.minimum.reduce(samples, axis=1, keepdims=True)
        mean = np.add.reduce(samples, axis=1, keepdims=True) / count
        measures[Measure.HIGHEST] = highest[:, 0]
        measures[Measure.LOWEST] = lowest[:, 0]
        measures[Measure.AT_HIGHEST] = np.add.reduce(samples == highest, axis=1) / count
        measures[Measure.AT_LOWEST] = np.add.reduce(samples == lowest, axis=1) / count
        measures[Measure.MEAN] = mean[:, 0]
        waves = _waves(count, self._sfreq)
        if waves.shape[1]:
            projected = (samples - mean) @ waves
            projected *= projected
            squared = projected[:, 0::2] + projected[:, 1::2]
            measures[Measure.MAINS] = np.maximum.reduce(squared, axis=1)
        measures[Measure.BAD] = bad.any(axis=1)
        return measures


@lru_cache(maxsize=64)
def _waves(count: int, sfreq: float) -> NDArray[np.float64]:
    """Return `(count, 2 per frequency)`: cosine and sine of the mains under a Hann window.

    A signal's product with them is its amplitude at that frequency.
    """
    time = np.arange(count) / sfreq
    window = np.hanning(count + 2)[1:-1]
    angles = [2 * np.pi * hz * time for hz in MAINS_HZ if hz < _HIGHEST_SHARE * sfreq]
    rows = [wave(angle) for angle in angles for wave in (np.cos, np.sin)]
    waves = np.array(rows).reshape(len(rows), count).T * window[:, None] * (2.0 / window.sum())
    waves = np.ascontiguousarray(waves)
    waves.setflags(write=False)
    return waves
