"""What of the filtered signal the network sees: rows of features, one row a step.

Each representation is a causal, pure transform. It takes whole blocks of samples and gives rows
`(steps, features)`; it carries its own filter state, so chunk borders never matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.filters import CausalFilter, bandpass

_POWER_FLOOR_UV2 = 1e-4  # of no consequence beside EEG, keeps the logarithm of silence finite


class Extractor(Protocol):
    """The running form of a representation, for one contiguous segment."""

    def extract(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn `(channels, samples)`, µV, whole steps, into `(steps, features)`."""
        ...


@dataclass(frozen=True, slots=True)
class RawSignal:
    """The paper's representation: the samples themselves, `(samples, channels)`, µV."""

    kind: Literal["raw"] = "raw"

    def step_samples(self, sfreq: float) -> int:
        """Give the samples that one row stands for."""
        return 1

    def features(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the features of a row."""
        return channels

    def extractor(self, channels: int, sfreq: float) -> Extractor:
        """Start at the beginning of a segment."""
        return _RawExtractor()


class _RawExtractor:
    def extract(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.ascontiguousarray(block.T)


@dataclass(frozen=True, slots=True)
class Band:
    """A frequency band and its edges in Hz."""

    name: str
    low_hz: float
    high_hz: float


@dataclass(frozen=True, slots=True)
class BandPower:
    """Log-power of causal bands per channel, in dB re 1 µV², one row a step.

    The row's order is band by band, channels in order within each. The default bands are theta,
    alpha, beta and gamma within DEAP's 4-45 Hz: below 4 Hz DEAP's files hold only roll-off.
    """

    kind: Literal["bands"] = "bands"
    step_seconds: float = 0.25
    order: int = 2
    bands: tuple[Band, ...] = (
        Band("theta", 4.0, 8.0),
        Band("alpha", 8.0, 13.0),
        Band("beta", 13.0, 30.0),
        Band("gamma", 30.0, 45.0),
    )

    def step_samples(self, sfreq: float) -> int:
        """Give the samples that one row stands for."""
        return round(self.step_seconds * sfreq)

    def features(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """Name the features of a row."""
        return tuple(f"{channel} {band.name}" for band in self.bands for channel in channels)

    def extractor(self, channels: int, sfreq: float) -> Extractor:
        """Start at the beginning of a segment."""
        return _BandExtractor(self, channels, sfreq)


class _BandExtractor:
    def __init__(self, spec: BandPower, channels: int, sfreq: float) -> None:
        self._step = spec.step_samples(sfreq)
        self._filters = [
            CausalFilter(
                bandpass(band.low_hz, band.high_hz, order=spec.order, sfreq=sfreq), channels
            )
            for band in spec.bands
        ]

    def extract(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        channels, samples = block.shape
        steps = samples // self._step
        rows = []
        for band in self._filters:
            squares = band.process(block) ** 2
            power = squares.reshape(channels, steps, self._step).mean(axis=2)
            rows.append(10.0 * np.log10(power.T + _POWER_FLOOR_UV2))
        return np.concatenate(rows, axis=1)
