"""The network's view of the filtered signal: rows of features, one row per step.

Each representation is a causal, pure transform in two parts. Its extractor turns whole blocks of
samples into rows of measures `(steps, measures)`; it carries its own filter state, so chunk
boundaries never matter. `recentre` then turns a window's measures into features, relative to a
reference if the representation has one: a person's rest, or the mean of the training people. The
two are separate so that measures can be stored on disk before any reference is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import covariance
from eeg_emotion.eeg.filters import BlockFilter, bandpass

_POWER_FLOOR_UV2 = 1e-4  # negligible compared with EEG; keeps the logarithm of silence finite


Reference = tuple[tuple[float, ...], ...]
"""Reference covariances, one for each band; empty if none is needed.

Each is the upper triangle of `(channels, channels)`, µV², row by row.
"""


class Extractor(Protocol):
    """The state of a representation within one contiguous segment."""

    def extract(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `(steps, measures)` of `(channels, samples)` in µV, which must be whole steps."""
        ...


class _AsMeasured:
    """Base of the representations whose features are their measures."""

    __slots__ = ()

    @property
    def lowest_hz(self) -> float:
        """Where the features begin: 0 where they may show the course of any wave, however slow."""
        return 0.0

    def feature_steps(self, steps: int) -> int:
        """Return the number of rows of features for `steps` rows of measures: the same."""
        return steps

    def reference(self, rows: NDArray[np.floating]) -> Reference:
        """Return the reference of `(rows, measures)`: there is none."""
        return ()

    def recentre(self, windows: NDArray[np.floating], reference: Reference) -> NDArray[np.floating]:
        """Return `(..., steps, features)` of `(..., steps, measures)`: they are the same."""
        return windows


@dataclass(frozen=True, slots=True)
class RawSignal(_AsMeasured):
    """The paper's representation: the samples themselves, `(samples, channels)`, µV."""

    kind: Literal["raw"] = "raw"

    def step_samples(self, sfreq: float) -> int:
        """Return the number of samples that one row covers."""
        return 1

    def measures(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of a row's measures, which are also its features."""
        return channels

    def extractor(self, channels: int, sfreq: float) -> Extractor:
        """Return a new extractor for the start of a segment."""
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


FOUR_BANDS = (
    Band("theta", 4.0, 8.0),
    Band("alpha", 8.0, 13.0),
    Band("beta", 13.0, 30.0),
    Band("gamma", 30.0, 45.0),
)
"""The classical bands within DEAP's 4-45 Hz: below 4 Hz, DEAP's files contain only roll-off."""

SEVEN_BANDS = (
    Band("lower theta", 4.0, 6.0),
    Band("upper theta", 6.0, 8.0),
    Band("lower alpha", 8.0, 10.0),
    Band("upper alpha", 10.0, 13.0),
    Band("lower beta", 13.0, 20.0),
    Band("upper beta", 20.0, 30.0),
    Band("gamma", 30.0, 45.0),
)
"""The same range, divided more finely."""


@dataclass(frozen=True, slots=True)
class BandPower(_AsMeasured):
    """Log power of causal bands per channel, in dB re 1 µV², one row per step.

    A row is ordered band by band, with the channels in order within each.
    """

    kind: Literal["bands"] = "bands"
    step_seconds: float = 0.25
    order: int = 2
    bands: tuple[Band, ...] = FOUR_BANDS

    @property
    def lowest_hz(self) -> float:
        """Where the features begin: the lower edge of the lowest band."""
        return min(band.low_hz for band in self.bands)

    def step_samples(self, sfreq: float) -> int:
        """Return the number of samples that one row covers."""
        return round(self.step_seconds * sfreq)

    def measures(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of a row's measures, which are also its features."""
        return tuple(f"{channel} {band.name}" for band in self.bands for channel in channels)

    def extractor(self, channels: int, sfreq: float) -> Extractor:
        """Return a new extractor for the start of a segment."""
        return _BandExtractor(self, channels, sfreq)


class _BandPasses:
    """A bank of causal band-passes over the same channels, step by step."""

    def __init__(
        self, bands: tuple[Band, ...], order: int, channels: int, sfreq: float, step: int
    ) -> None:
        bank = [bandpass(band.low_hz, band.high_hz, order=order, sfreq=sfreq) for band in bands]
        self._filter = BlockFilter(bank, channels=channels, block=step)
        self._step = step

    def process(self, block: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        """Yield `(channels, bands, step)` for each step of `(channels, samples)`."""
        for start in range(0, block.shape[1], self._step):
            yield self._filter.process(block[:, start : start + self._step])


class _BandExtractor:
    def __init__(self, spec: BandPower, channels: int, sfreq: float) -> None:
        step = spec.step_samples(sfreq)
        self._bands = _BandPasses(spec.bands, spec.order, channels, sfreq, step)
        self._step = step

    def extract(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = [
            (np.einsum("cbs,cbs->bc", filtered, filtered) / self._step).ravel()
            for filtered in self._bands.process(block)
        ]
        return 10.0 * np.log10(np.stack(rows) + _POWER_FLOOR_UV2)


@dataclass(frozen=True, slots=True)
class Tangent:
    """The covariance of each band's channels, in the tangent space of a reference.

    A row's measures are the covariances of one step. A window's features at a step are computed
    from its mean covariance so far, whitened by the reference covariance and shrunk towards the
    identity (few samples of a narrow band are little evidence), as its matrix logarithm: zero if
    the signal equals the reference. Off-diagonal entries count twice in the metric, hence their
    sqrt(2).

    Source: Barachant, Bonnet, Congedo, Jutten 2012, *Multiclass brain-computer interface
    classification by Riemannian geometry*, IEEE TBME 59(4), 920-928; recentring at a person's
    rest after Zanini et al. 2018, IEEE TBME 65(5), 1107-1116.

    Attributes
    ----------
    step_seconds, order, bands
        As for `BandPower`.
    every
        The number of rows of measures per row of features.
    shrinkage
        The weight of the identity, between 0 and 1. At 0, a second of a narrow band, which has
        fewer independent samples than there are channels, would have no logarithm.
    """

    kind: Literal["tangent"] = "tangent"
    step_seconds: float = 0.25
    order: int = 2
    bands: tuple[Band, ...] = SEVEN_BANDS
    every: int = 4
    shrinkage: float = 0.2

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"found every = {self.every}, expected at least 1")
        if not 0.0 < self.shrinkage < 1.0:
            raise ValueError(
                f"found shrinkage = {self.shrinkage}, expected a number between 0 and 1"
            )

    @property
    def lowest_hz(self) -> float:
        """Where the features begin: the lower edge of the lowest band."""
        return min(band.low_hz for band in self.bands)

    def step_samples(self, sfreq: float) -> int:
        """Return the number of samples that one row covers."""
        return round(self.step_seconds * sfreq)

    def measures(self, channels: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of a row's measures and features: each band's upper triangle."""
        pairs = [(a, b) for i, a in enumerate(channels) for b in channels[i:]]
        return tuple(
            f"{a} {band.name}" if a == b else f"{a}-{b} {band.name}"
            for band in self.bands
            for a, b in pairs
        )

    def feature_steps(self, steps: int) -> int:
        """Return the number of rows of features for `steps` rows of measures.

        Raises
        ------
        ValueError
            If it is not whole, so that the window's newest rows would be left out.
        """
        if steps < 1 or steps % self.every:
            raise ValueError(
                f"found windows of {steps} rows of measures, expected a multiple of {self.every}"
            )
        return steps // self.every

    def reference(self, rows: NDArray[np.floating]) -> Reference:
        """Return the reference of `(rows, measures)`: the mean covariance of each band, µV²."""
        mean = rows.mean(axis=0, dtype=np.float64).reshape(len(self.bands), -1)
        return tuple(tuple(band) for band in mean.tolist())

    def recentre(self, windows: NDArray[np.floating], reference: Reference) -> NDArray[np.floating]:
        """Return `(..., steps // every, features)` of `(..., steps, measures)`."""
        *leading, rows, width = windows.shape
        steps = self.feature_steps(rows)
        # Summed before the conversion: a data set in double precision may not fit into memory.
        added = windows.reshape(*leading, steps, self.every, width).sum(axis=-2, dtype=np.float64)
        so_far = added.cumsum(axis=-2)
        so_far /= self.every * np.arange(1, steps + 1)[:, np.newaxis]
        bands = so_far.reshape(*leading, steps, len(self.bands), -1)
        vectors = [
            covariance.tangent_vectors(bands[..., band, :], np.array(about), self.shrinkage)
            for band, about in enumerate(reference)
        ]
        return np.concatenate(vectors, axis=-1)

    def extractor(self, channels: int, sfreq: float) -> Extractor:
        """Return a new extractor for the start of a segment."""
        return _CovarianceExtractor(self, channels, sfreq)


class _CovarianceExtractor:
    def __init__(self, spec: Tangent, channels: int, sfreq: float) -> None:
        self._step = spec.step_samples(sfreq)
        self._bands = _BandPasses(spec.bands, spec.order, channels, sfreq, self._step)

    def extract(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = []
        for filtered in self._bands.process(block):
            bands = np.ascontiguousarray(filtered.transpose(1, 0, 2))
            products = bands @ bands.transpose(0, 2, 1) / self._step
            rows.append(covariance.to_rows(products).ravel())
        return np.stack(rows)


Representation = RawSignal | BandPower | Tangent
