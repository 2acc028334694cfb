"""A signal whose rate changes at given moments, without a click and without a gap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.resampling import Resampler
from eeg_emotion.replay.faults import TOLERANCE_SECONDS, Rate
from eeg_emotion.stream.stamping import GAP_PERIODS

LOWEST_SFREQ, HIGHEST_SFREQ = 20.0, 4096.0
"""The range of rates in Hz: below it, the resampler's kernel is longer than its warm-up."""

# The resampler assumes zeros before its first sample, which would ring; so it starts early.
_WARM_UP_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the signal.

    Attributes
    ----------
    samples
        `(channels, samples)`.
    times
        `(samples,)`, seconds.
    sfreq
        Samples per second, Hz.
    """

    samples: NDArray[np.floating]
    times: NDArray[np.float64]
    sfreq: float


class RateChanges:
    """Converts a signal to the current rate; after a change it lags by the resampler's delay.

    Parameters
    ----------
    channels
        The number of channels.
    sfreq
        The rate of the input, Hz, and of the output until the first change.
    rates
        The changes, in order of time.
    """

    def __init__(self, channels: int, sfreq: float, rates: Sequence[Rate]) -> None:
        self._sfreq = sfreq
        self._left = deque(rates)
        self._conversion: _Conversion | None = None
        self._recent = np.zeros((channels, 0))
        self._last = -np.inf

    def process(self, samples: NDArray[np.floating], times: NDArray[np.float64]) -> Iterator[Piece]:
        """Process contiguous `(channels, samples)` and their times; yield the output so far."""
        while self._left and len(times) and self._left[0].at <= times[-1] + TOLERANCE_SECONDS:
            cut = int(np.searchsorted(times, self._left[0].at - TOLERANCE_SECONDS))
            yield from self._convert(samples[:, :cut], times[:cut])
            yield from self.finish()
            rate = self._left.popleft()
            samples, times = samples[:, cut:], times[cut:]
            self._begin(rate.sfreq, samples, float(times[0]))
        yield from self._convert(samples, times)

    def finish(self) -> Iterator[Piece]:
        """Yield what is still in the resampler, up to the last input sample."""
        if self._conversion is not None:
            yield self._conversion.finish(self._last + 1 / self._sfreq)

    def _convert(
        self, samples: NDArray[np.floating], times: NDArray[np.float64]
    ) -> Iterator[Piece]:
        if not len(times):
            return
        if self._conversion is None:
            yield Piece(samples, times, self._sfreq)
        else:
            gap = times[0] - self._last > GAP_PERIODS / self._sfreq
            if gap and times[0] > self._conversion.begin + TOLERANCE_SECONDS:
                yield from self.finish()
                self._begin(self._conversion.sfreq, samples, float(times[0]))
            yield self._conversion.process(samples)
        self._last = float(times[-1])
        if self._left or self._conversion is not None:
            keep = round(_WARM_UP_SECONDS * self._sfreq)
            self._recent = np.concatenate([self._recent, samples], axis=1)[:, -keep:]

    def _begin(self, sfreq: float, samples: NDArray[np.floating], at: float) -> None:
        """Convert from this moment on; `samples` are the first to convert."""
        missing = round(_WARM_UP_SECONDS * self._sfreq) - self._recent.shape[1]
        first = (self._recent if self._recent.shape[1] else samples)[:, :1]
        warm_up = np.concatenate([np.repeat(first, missing, axis=1), self._recent], axis=1)
        self._conversion = _Conversion(warm_up, self._sfreq, sfreq, at)


class _Conversion:
    """One resampler, from `begin` on."""

    def __init__(
        self, warm_up: NDArray[np.floating], sfreq_in: float, sfreq: float, begin: float
    ) -> None:
        self.sfreq = sfreq
        self.begin = begin
        self._origin = begin - warm_up.shape[1] / sfreq_in
        self._resampler = Resampler(warm_up.shape[0], sfreq_in, sfreq)
        self._given = 0
        self._lag = warm_up.shape[1]
        self.process(warm_up)

    def process(self, samples: NDArray[np.floating]) -> Piece:
        self._newest = samples[:, -1:]
        out = self._resampler.process(np.asarray(samples, dtype=np.float64))
        times = self._origin + np.arange(self._given, self._given + out.shape[1]) / self.sfreq
        self._given += out.shape[1]
        keep = times >= self.begin - TOLERANCE_SECONDS
        return Piece(out[:, keep], times[keep], self.sfreq)

    def finish(self, until: float) -> Piece:
        piece = self.process(np.repeat(self._newest, self._lag, axis=1))
        keep = piece.times < until - TOLERANCE_SECONDS
        return Piece(piece.samples[:, keep], piece.times[keep], self.sfreq)
