"""The signal path: from a stream's samples to windows of features.

Channel choice, unit, resampling, causal filters with carried state, interpolation, average
reference, representation, normaliser, window: one object, called by training and by the daemon
alike, so that there is no difference between them. Results never depend on chunk borders.

Windows and feature steps are counted from sample 0 of each contiguous segment at the model's
rate. A gap ends a segment; the next one starts with fresh filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import filters, montage, resampling
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.quality import QualityLimits, WindowQuality, judge
from eeg_emotion.eeg.representation import BandPower, RawSignal, Tangent
from eeg_emotion.eeg.windows import WindowCutter

GRID_SECONDS = 0.25
"""Blocks of this length are filtered at once; hops are multiples of it."""

_TYPICAL_HZ = 13.0  # the filters' delay is stated for activity here, the middle of 4-45 Hz


@dataclass(frozen=True, slots=True)
class PathSettings:
    """All that fixes the signal path. It is stored in the model's contract.

    Attributes
    ----------
    channels, sfreq
        The model's channels in order, and its rate in Hz. Samples are in µV.
    window_seconds, hop_seconds
        A window's length, and the step from one to the next: a multiple of 0.25 s.
    settle_seconds
        Windows that begin earlier than this in a segment are not valid: filters ring.
    bandpass_hz, bandpass_order
        Causal Butterworth band-pass. DEAP's files hold 4-45 Hz.
    notch_hz, notch_q
        Causal notches at the mains' frequencies.
    max_interpolated
        How many channels may be filled in from their neighbours.
    """

    channels: tuple[str, ...] = montage.DEAP32
    unit: Literal["uV"] = "uV"
    sfreq: float = 128.0
    window_seconds: float = 5.0
    hop_seconds: float = 1.0
    settle_seconds: float = 3.0
    bandpass_hz: tuple[float, float] = (4.0, 45.0)
    bandpass_order: int = 4
    notch_hz: tuple[float, ...] = (50.0, 60.0)
    notch_q: float = 30.0
    reference: Literal["average"] = "average"
    max_interpolated: int = 13
    representation: RawSignal | BandPower | Tangent = field(default_factory=BandPower)

    def __post_init__(self) -> None:
        block = self.sfreq * GRID_SECONDS
        if block <= 0 or block != round(block):
            raise ValueError(
                f"found sfreq = {self.sfreq}, expected whole samples in {GRID_SECONDS} s, that is "
                f"a positive multiple of {1 / GRID_SECONDS:g} Hz"
            )
        for name in ("window_seconds", "hop_seconds", "settle_seconds"):
            steps = getattr(self, name) / GRID_SECONDS
            fewest = 0 if name == "settle_seconds" else 1
            if steps != round(steps) or steps < fewest:
                raise ValueError(
                    f"found {name} = {getattr(self, name)}, expected a positive multiple of "
                    f"{GRID_SECONDS} s"
                )
        if self.hop_seconds > self.window_seconds:
            raise ValueError("found a hop longer than the window, expected at most the window")
        if self.step_samples < 1 or self.block_samples % self.step_samples:
            raise ValueError(
                f"found steps of {self.step_samples} samples, expected them to divide "
                f"{self.block_samples}"
            )
        self.representation.feature_steps(self.measures_shape[0])  # refuses what it cannot use

    @property
    def block_samples(self) -> int:
        """Samples in a block at the model's rate."""
        return round(GRID_SECONDS * self.sfreq)

    @property
    def step_samples(self) -> int:
        """Samples that one row of features stands for."""
        return self.representation.step_samples(self.sfreq)

    @property
    def window_samples(self) -> int:
        """Samples in a window at the model's rate."""
        return round(self.window_seconds * self.sfreq)

    @property
    def settle_samples(self) -> int:
        """Samples at a segment's start that no valid window may hold."""
        return round(self.settle_seconds * self.sfreq)

    @property
    def measures_shape(self) -> tuple[int, int]:
        """The shape of a window before its normaliser, `(steps, measures)`."""
        width = len(self.representation.measures(self.channels))
        return self.window_samples // self.step_samples, width

    @property
    def window_shape(self) -> tuple[int, int]:
        """The shape of a window of features, `(steps, features)`."""
        steps, width = self.measures_shape
        return self.representation.feature_steps(steps), width


@dataclass(frozen=True, slots=True)
class Window:
    """Features of one window, and what is known of the signal they were made of.

    Attributes
    ----------
    features
        `(steps, features)` float32; of a path without a normaliser `(steps, measures)`.
    first_sample, last_sample
        The raw samples that it covers, counted from the segment's first, at the stream's rate.
    settled
        False where the filters may still ring from the segment's start.
    """

    features: NDArray[np.float32]
    first_sample: int
    last_sample: int
    settled: bool
    quality: WindowQuality


class SignalPath:
    """The path for one layout and rate; `segment` starts it at a contiguous stretch of signal.

    Parameters
    ----------
    settings
        The model's settings.
    layout
        How the stream's channels become the model's.
    sfreq
        The stream's rate in Hz.
    normaliser
        Applied to each window; None gives the measures as they are, for fitting one.
    limits
        Thresholds of the quality judgement.
    """

    def __init__(
        self,
        settings: PathSettings,
        layout: Layout,
        sfreq: float,
        normaliser: Normaliser | None = None,
        limits: QualityLimits | None = None,
    ) -> None:
        self.settings = settings
        self.layout = layout
        self.sfreq = sfreq
        self.normaliser = normaliser
        self.limits = limits or QualityLimits()
        self.sos = np.concatenate(
            [
                filters.notches(settings.notch_hz, q=settings.notch_q, sfreq=settings.sfreq),
                filters.bandpass(
                    *settings.bandpass_hz, order=settings.bandpass_order, sfreq=settings.sfreq
                ),
            ]
        )
        self.resampler_delay_seconds = resampling.delay_seconds(sfreq, settings.sfreq)
        self.filter_delay_seconds = filters.group_delay_seconds(
            self.sos, _TYPICAL_HZ, settings.sfreq
        )

    def segment(self) -> Segment:
        """Start a contiguous stretch: fresh filters, sample number 0."""
        return Segment(self)


class Segment:
    """The signal path's running state within one contiguous stretch."""

    def __init__(self, path: SignalPath) -> None:
        settings, measured = path.settings, len(path.layout.measured)
        self._path = path
        self._sanitiser = _Sanitiser(measured, path.limits.largest)
        self._resampler = resampling.Resampler(measured, path.sfreq, settings.sfreq)
        self._filter = filters.CausalFilter(path.sos, measured)
        self._extractor = settings.representation.extractor(len(settings.channels), settings.sfreq)
        self._pending = np.empty((measured, 0))
        self._blocks = 0
        self._last_bad_block = -np.inf
        block = settings.block_samples
        steps, width = settings.measures_shape
        self._rows = WindowCutter(
            length=steps,
            hop=round(settings.hop_seconds * settings.sfreq) // settings.step_samples,
            width=width,
        )
        # Beside each block's features go its statistics: largest, smallest and mean square of
        # each channel, and the last block that had a bad sample.
        self._statistics = WindowCutter(
            length=settings.window_samples // block,
            hop=round(settings.hop_seconds * settings.sfreq) // block,
            width=3 * measured + 1,
        )

    def feed(self, samples: NDArray[np.floating]) -> Iterator[Window]:
        """Take the stream's next samples, yield the windows that they complete.

        Parameters
        ----------
        samples
            `(stream channels, samples)` in the stream's own units; values may be anything,
            NaN included. The iterator must be run to its end.
        """
        settings, layout = self._path.settings, self._path.layout
        with np.errstate(over="ignore"):  # what overflows is infinite, and replaced below
            microvolts = samples[layout.rows].astype(np.float64) * layout.microvolts[:, None]
        clean = self._sanitiser.process(microvolts)
        arrived = self._resampler.process(clean)
        self._pending = np.concatenate([self._pending, arrived], axis=1)
        block = settings.block_samples
        whole = self._pending.shape[1] // block * block
        if not whole:
            return
        ready = np.ascontiguousarray(self._pending[:, :whole])
        self._pending = self._pending[:, whole:]
        filtered = self._filter.process(ready)
        statistics = self._describe(ready, filtered)
        rows = self._extractor.extract(self._rereference(filtered))
        windows = zip(self._rows.push(rows), self._statistics.push(statistics), strict=True)
        for (first_row, features), (first_block, described) in windows:
            yield self._window(first_row * settings.step_samples, features, first_block, described)

    def _rereference(self, filtered: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fill in missing channels, `(measured, n)` to `(channels, n)`, then take the mean off."""
        matrix = self._path.layout.matrix
        if matrix is not None:
            # Block by block: the same multiplication whatever the chunk, so the same rounding.
            block = self._path.settings.block_samples
            blocks = filtered.reshape(len(filtered), -1, block).transpose(1, 0, 2)
            filtered = np.matmul(matrix, np.ascontiguousarray(blocks)).transpose(1, 0, 2)
            filtered = np.ascontiguousarray(filtered).reshape(len(matrix), -1)
        return np.asarray(filtered - filtered.mean(axis=0))

    def _describe(
        self, ready: NDArray[np.float64], filtered: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Give `(blocks, 3 * measured + 1)` statistics from before and after the filters."""
        block, measured = self._path.settings.block_samples, len(ready)
        before = ready.reshape(measured, -1, block)
        after = filtered.reshape(measured, -1, block)
        count = before.shape[1]
        samples_per_block = block * self._path.sfreq / self._path.settings.sfreq
        bad = self._sanitiser.bad_blocks(self._blocks + count, samples_per_block)
        last_bad = np.full(count, self._last_bad_block)
        for number in bad:
            last_bad[max(0, number - self._blocks) :] = number
        self._last_bad_block = last_bad[-1]
        self._blocks += count
        return np.concatenate(
            [
                before.max(axis=2).T,
                before.min(axis=2).T,
                (after**2).mean(axis=2).T,
                last_bad[:, None],
            ],
            axis=1,
        )

    def _window(
        self,
        first: int,
        features: NDArray[np.float64],
        first_block: int,
        described: NDArray[np.float64],
    ) -> Window:
        path, settings = self._path, self._path.settings
        measured = len(path.layout.measured)
        largest, smallest, power = (
            described[:, i * measured : (i + 1) * measured] for i in range(3)
        )
        settle_blocks = settings.settle_samples // settings.block_samples
        quality = judge(
            span=largest.max(axis=0) - smallest.min(axis=0),
            rms=np.sqrt(power.mean(axis=0)),
            out_of_range=bool(described[-1, -1] >= first_block - settle_blocks),
            interpolated=len(path.layout.interpolated),
            limits=path.limits,
        )
        per_sample = path.sfreq / settings.sfreq
        return Window(
            features=(
                features.astype(np.float32)
                if path.normaliser is None
                else path.normaliser.apply(features, settings.representation)
            ),
            first_sample=round(first * per_sample),
            last_sample=round((first + settings.window_samples - 1) * per_sample),
            settled=first >= settings.settle_samples,
            quality=quality,
        )


class _Sanitiser:
    """Keeps values that no electrode can show out of the filters, and remembers where they were.

    A single NaN would stay in a recursive filter for ever. A bad sample is replaced by the last
    good one of its channel; the windows that it could have touched are marked by their blocks.

    The first good sample of each channel is taken off all of them. The band-pass removes any
    constant in any case; without this its ringing from an electrode's offset of some mV would
    take seconds to fade.
    """

    def __init__(self, channels: int, largest: float) -> None:
        self._largest = largest
        self._offset = np.full((channels, 1), np.nan)
        self._held = np.zeros((channels, 1))
        self._count = 0
        self._bad_samples: list[int] = []

    def process(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Clean `(channels, samples)` in µV."""
        # NaN compares false, so it counts as bad.
        good = np.abs(samples) <= self._largest
        unset = np.isnan(self._offset[:, 0]) & good.any(axis=1)
        if unset.any():
            firsts = good.argmax(axis=1)
            self._offset[unset, 0] = samples[unset, firsts[unset]]
        clean = samples - np.nan_to_num(self._offset)
        if not good.all():
            self._bad_samples.extend((self._count + np.flatnonzero(~good.all(axis=0))).tolist())
            padded = np.concatenate([self._held, np.where(good, clean, 0.0)], axis=1)
            # For each place the column of the last good value at or before it.
            known = np.concatenate([np.ones_like(self._held, dtype=bool), good], axis=1)
            source = np.maximum.accumulate(np.where(known, np.arange(padded.shape[1]), 0), axis=1)
            clean = np.take_along_axis(padded, source, axis=1)[:, 1:]
        self._count += samples.shape[1]
        if samples.shape[1]:
            self._held = clean[:, -1:].copy()
        return np.asarray(clean)

    def bad_blocks(self, before: int, samples_per_block: float) -> list[int]:
        """Take the numbers of the blocks below `before` that hold a bad sample, rising."""
        blocks = [int(sample // samples_per_block) for sample in self._bad_samples]
        taken = [block for block in blocks if block < before]
        del self._bad_samples[: len(taken)]
        return sorted(set(taken))
