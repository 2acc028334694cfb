"""Resamples from the headset's rate to the model's, causally and chunk by chunk.

This uses libsamplerate: its output is bitwise identical for any chunks, and its delay is fixed and
short. soxr's higher qualities withhold seconds of output when streaming.
"""

from __future__ import annotations

import numpy as np
import samplerate
from numpy.typing import NDArray

LOWEST_SFREQ, HIGHEST_SFREQ = 100.0, 2048.0
"""The range of accepted rates in Hz, live and in training."""

# Measured at 45 Hz, the upper end of the bands: from 120 Hz, `sinc_fastest` loses 0.5 dB and lags
# 0.16 s; from 100 Hz it loses 20 dB, `sinc_medium` 2.1 dB with a lag of 0.47 s.
_SLOW_SFREQ = 120.0


class Resampler:
    """Converts `(channels, samples)` from one rate to another, sample 0 onto sample 0.

    The output lags: a sample is available only once the input within reach of its sinc kernel has
    arrived. `delay_seconds` returns that lag.
    """

    def __init__(self, channels: int, sfreq_in: float, sfreq_out: float) -> None:
        self._channels = channels
        self._ratio = sfreq_out / sfreq_in
        self._converter = (
            None
            if sfreq_in == sfreq_out
            else samplerate.Resampler(
                "sinc_medium" if sfreq_in < _SLOW_SFREQ else "sinc_fastest", channels=channels
            )
        )

    def process(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the `(channels, samples)` that the next input completes; it may be empty."""
        if self._converter is None:
            return samples
        # libsamplerate interleaves: time first.
        frames = np.ascontiguousarray(samples.T, dtype=np.float32)
        out = np.asarray(self._converter.process(frames, self._ratio), dtype=np.float64)
        return np.ascontiguousarray(out.reshape(-1, self._channels).T)


def delay_seconds(sfreq_in: float, sfreq_out: float) -> float:
    """Return how far the output lags behind the input, in seconds of signal."""
    if sfreq_in == sfreq_out:
        return 0.0
    probe = Resampler(1, sfreq_in, sfreq_out)
    fed_seconds = 4
    fed = round(fed_seconds * sfreq_in)
    given = int(probe.process(np.zeros((1, fed))).shape[1])
    return max(0.0, fed / sfreq_in - given / sfreq_out)
