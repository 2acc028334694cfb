"""The signal path: from a stream's samples to windows of features.

Channel selection, unit, resampling, causal filters with carried state, interpolation, average
reference, representation, normaliser, window: one object, used by training and by the daemon alike,
so that there is no difference between them. Results never depend on chunk boundaries.

Windows and feature steps are counted from sample 0 of each contiguous segment at the model's
rate. A gap ends a segment; the next one starts with fresh filters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.codes import FAULTS, Reason, Trouble
from eeg_emotion.eeg import filters, montage, resampling
from eeg_emotion.eeg.inspection import Inspector, Measure
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.quality import QualityLimits, WindowQuality
from eeg_emotion.eeg.repair import Repair, Verdict
from eeg_emotion.eeg.representation import BandPower, Representation
from eeg_emotion.eeg.sanitiser import Sanitiser
from eeg_emotion.eeg.windows import WindowCutter

GRID_SECONDS = 0.25
"""The length of the blocks that are filtered; hops are multiples of it."""

_FAST_HZ = 30.0  # above this, muscles show more than brains
_TROUBLES = tuple(Trouble)
_TYPICAL_HZ = 13.0  # the filters' delay is stated for activity here, the middle of 4-45 Hz


@dataclass(frozen=True, slots=True)
class PathSettings:
    """All settings of the signal path. They are stored in the model's contract.

    Attributes
    ----------
    channels, sfreq
        The model's channels in order, and its rate in Hz. Samples are in µV.
    window_seconds, hop_seconds
        A window's length, and the step from one to the next: a multiple of 0.25 s.
    settle_seconds
        Windows that begin earlier than this in a segment are not valid: filters ring.
    bandpass_hz, bandpass_order
        Causal Butterworth band-pass. DEAP's files contain 4-45 Hz.
    notch_hz, notch_q
        Causal notches at the mains frequencies.
    max_interpolated
        How many channels may be interpolated from their neighbours.
    """

    channels: tuple[str, ...] = montage.DEAP32
    unit: Literal["uV"] = "uV"
    sfreq: float = 128.0
    window_seconds: float = 5.0
    hop_seconds: float = 1.0
    settle_seconds: float = 3.0
    bandpass_hz: tuple[float, float] = (4.0, 45.0)
    bandpass_order: int = 4
    notch_hz: tuple[float, ...] = filters.MAINS_HZ
    notch_q: float = 30.0
    reference: Literal["average"] = "average"
    max_interpolated: int = 13
    representation: Representation = field(default_factory=BandPower)

    def __post_init__(self) -> None:
        if len(self.channels) < 2:
            raise ValueError(
                f"found {len(self.channels)} channels, expected at least 2: the average reference "
                "would cancel a single one"
            )
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
        self.representation.feature_steps(self.measures_shape[0])  # raises if it does not fit

    @property
    def block_samples(self) -> int:
        """The number of samples in a block at the model's rate."""
        return round(GRID_SECONDS * self.sfreq)

    @property
    def step_samples(self) -> int:
        """The number of samples that one row of features covers."""
        return self.representation.step_samples(self.sfreq)

    @property
    def window_samples(self) -> int:
        """The number of samples in a window at the model's rate."""
        return round(self.window_seconds * self.sfreq)

    @property
    def settle_samples(self) -> int:
        """The number of samples at a segment's start that no valid window may contain."""
        return round(self.settle_seconds * self.sfreq)

    @property
    def measures_shape(self) -> tuple[int, int]:
        """The shape of a window before the normaliser, `(steps, measures)`."""
        width = len(self.representation.measures(self.channels))
        return self.window_samples // self.step_samples, width

    @property
    def window_shape(self) -> tuple[int, int]:
        """The shape of a window of features, `(steps, features)`."""
        steps, width = self.measures_shape
        return self.representation.feature_steps(steps), width


@dataclass(frozen=True, slots=True)
class Window:
    """The features of one window, and the quality of its signal.

    Attributes
    ----------
    features
        `(steps, features)` float32; without a normaliser `(steps, measures)`.
    first_sample, last_sample
        The raw samples that it covers, counted from the segment's first, at the stream's rate.
    settled
        False if the filters may still ring from the segment's start.
    quality
        The quality of the window's signal.
    interpolated
        The model's channels that were interpolated in any part of the window.
    normalised
        False if the features are still measures.
    signal
        The signal behind the measures, filtered and with the average reference: blocks of
        `(channels, samples)` float32, µV, at the model's rate.
    """

    features: NDArray[np.float32]
    first_sample: int
    last_sample: int
    settled: bool
    quality: WindowQuality
    interpolated: tuple[str, ...]
    normalised: bool
    signal: tuple[NDArray[np.float32], ...] = field(compare=False)


class SignalPath:
    """The path for one layout and rate; `segment` starts it for a contiguous piece of signal.

    Parameters
    ----------
    settings
        The model's settings.
    layout
        How the stream's channels map to the model's.
    sfreq
        The stream's rate in Hz.
    normaliser
        Applied to each window; with None, windows contain measures, for fitting one.
    limits
        Thresholds of the signal quality.
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
        fast_hz = min(_FAST_HZ, 0.8 * settings.bandpass_hz[1])
        self.fast_sos = np.concatenate(
            [self.sos, filters.highpass(fast_hz, order=4, sfreq=settings.sfreq)]
        )
        self.resampler_delay_seconds = resampling.delay_seconds(sfreq, settings.sfreq)
        self.filter_delay_seconds = filters.group_delay_seconds(
            self.sos, _TYPICAL_HZ, settings.sfreq
        )

    def segment(self) -> Segment:
        """Start a contiguous segment: fresh filters, sample number 0."""
        return Segment(self)


class Segment:
    """The signal path's state within one contiguous segment."""

    def __init__(self, path: SignalPath) -> None:
        settings, measured = path.settings, len(path.layout.measured)
        block = settings.block_samples
        self._path = path
        self._count = 0
        self._sanitiser = Sanitiser(measured, path.limits.largest_uv)
        self._inspector = Inspector(measured, path.sfreq, block * path.sfreq / settings.sfreq)
        self._inspected: deque[NDArray[np.float64]] = deque()
        self._resampler = resampling.Resampler(measured, path.sfreq, settings.sfreq)
        self._pending = np.empty((measured, 0))
        self._filter = filters.BlockFilter(
            (path.sos, path.fast_sos), channels=measured, block=block
        )
        self._settle_blocks = settings.settle_samples // block
        representation = settings.representation
        self._repair = Repair(
            path.layout, path.limits, self._settle_blocks, lowest_hz=representation.lowest_hz
        )
        self._extractor = representation.extractor(len(settings.channels), settings.sfreq)
        self._blocks = 0
        self._signal: deque[NDArray[np.float32]] = deque(maxlen=settings.window_samples // block)
        self._last_fault = np.full(len(FAULTS), -np.inf)
        steps, width = settings.measures_shape
        self._rows = WindowCutter(
            length=steps,
            hop=round(settings.hop_seconds * settings.sfreq) // settings.step_samples,
            width=width,
        )
        # Parallel to each block's measures, the verdict on it: the channels' scores, which of them
        # were interpolated, and the last block of each fault.
        self._verdicts = WindowCutter(
            length=settings.window_samples // block,
            hop=round(settings.hop_seconds * settings.sfreq) // block,
            width=(len(_TROUBLES) + 1) * measured + len(FAULTS),
        )

    @property
    def needed(self) -> int:
        """The fewest further samples that complete a block."""
        return self._inspector.end_of(self._blocks) - self._count

    def feed(self, samples: NDArray[np.floating]) -> Iterator[Window]:
        """Process the stream's next samples, and yield the windows that they complete.

        The iterator must be run to its end.

        Parameters
        ----------
        samples
            `(stream channels, samples)` in the stream's own units; values may be anything, even
            NaN.
        """
        self._count += samples.shape[1]
        self._take(samples)
        block, start = self._path.settings.block_samples, 0
        while start + block <= self._pending.shape[1]:
            yield from self._block(self._pending[:, start : start + block])
            start += block
        self._pending = self._pending[:, start:]

    def _take(self, samples: NDArray[np.floating]) -> None:
        """Clean, inspect and resample `(stream channels, samples)`."""
        layout = self._path.layout
        with np.errstate(over="ignore"):  # an overflow gives infinity, which is replaced below
            microvolts = samples[layout.rows].astype(np.float64) * layout.microvolts[:, None]
        clean, bad = self._sanitiser.process(microvolts)
        self._inspected += self._inspector.feed(clean, bad)
        arrived = self._resampler.process(clean)
        self._pending = np.concatenate([self._pending, arrived], axis=1)

    def _block(self, ready: NDArray[np.float64]) -> Iterator[Window]:
        """Process one block at the model's rate, `(measured, block)`."""
        settings = self._path.settings
        both = self._filter.process(ready)
        filtered = both[:, 0]
        measures = self._inspected.popleft()
        power = np.einsum("cfs,cfs->fc", both, both) / settings.block_samples
        measures[Measure.FAST_POWER], measures[Measure.POWER] = power[1], power[0]
        verdict = self._repair.judge(measures)
        if verdict.matrix is not None:
            filtered = verdict.matrix @ filtered
        referenced = filtered - filtered.mean(axis=0)
        own = np.vdot(referenced, referenced) / referenced.size
        if not verdict.faults and own < self._path.limits.quiet_uv[0] ** 2:
            # All channels show one signal, as when gel joins them: nothing is left of it.
            verdict = replace(verdict, faults={Reason.POOR_CONTACT})
        self._signal.append(referenced.astype(np.float32))
        rows = self._extractor.extract(referenced)
        windows = zip(self._rows.push(rows), self._verdicts.push(self._note(verdict)), strict=True)
        self._blocks += 1
        for (first_row, features), (first_block, verdicts) in windows:
            yield self._window(first_row * settings.step_samples, features, first_block, verdicts)

    def _note(self, verdict: Verdict) -> NDArray[np.float64]:
        """Return the verdict as a row for `self._verdicts`, `(1, width)`."""
        for fault in verdict.faults:
            self._last_fault[FAULTS.index(fault)] = self._blocks
        return np.concatenate([verdict.scores.ravel(), verdict.replaced, self._last_fault])[None]

    def _window(
        self,
        first: int,
        features: NDArray[np.float64],
        first_block: int,
        verdicts: NDArray[np.float64],
    ) -> Window:
        path, settings = self._path, self._path.settings
        measured = len(path.layout.measured)
        split = len(_TROUBLES) * measured
        replaced = np.asarray(verdicts[:, split : split + measured].any(axis=0))
        names = {path.layout.measured[index] for index in np.flatnonzero(replaced)}
        filled = names.union(path.layout.interpolated)
        per_sample = path.sfreq / settings.sfreq
        normaliser = path.normaliser  # read once: another thread may set it
        return Window(
            features=(
                features.astype(np.float32)
                if normaliser is None
                else normaliser.apply(features, settings.representation)
            ),
            normalised=normaliser is not None,
            first_sample=round(first * per_sample),
            last_sample=round((first + settings.window_samples - 1) * per_sample),
            settled=first >= settings.settle_samples,
            quality=_judge_window(
                verdicts[:, :split].reshape(len(verdicts), -1, measured),
                replaced,
                len(path.layout.interpolated),
                self._faults(first_block, verdicts[-1, split + measured :]),
                path.limits,
            ),
            interpolated=tuple(name for name in settings.channels if name in filled),
            # Only references: successive windows share blocks.
            signal=tuple(self._signal),
        )

    def _faults(self, first_block: int, last_fault: NDArray[np.float64]) -> set[Reason]:
        """Return the faults of a window: those in it, and shortly before it."""
        found = set()
        for fault, last in zip(FAULTS, last_fault, strict=True):
            # A held value rings in the filters for as long as they take to settle. The other faults
            # are already reported for a second longer than they last.
            rings = self._settle_blocks if fault is Reason.OUT_OF_RANGE else 0
            if last >= first_block - rings:
                found.add(fault)
        return found


def _judge_window(
    scores: NDArray[np.float64],
    replaced: NDArray[np.bool_],
    interpolated: int,
    faults: set[Reason],
    limits: QualityLimits,
) -> WindowQuality:
    """Summarise `(blocks, troubles, measured)` scores by their means over the blocks."""
    means = scores.mean(axis=0)
    worst = means.argmin(axis=0)
    lowest = means.min(axis=0)
    kept = lowest[~replaced]
    filled = interpolated + int(replaced.sum())
    overall = 0.0
    if len(kept):
        overall = float((kept.sum() + 0.5 * filled * kept.mean()) / (len(kept) + filled))
    # A second of movement is a fifth of the window: the mean would hide it, yet it dominates the
    # features.
    worst_second = scores[:, :, ~replaced].min(axis=1).mean(axis=1).min() if len(kept) else 0.0
    if min(overall, worst_second) < limits.least_quality and not faults:
        faults = {Reason.POOR_CONTACT}
    return WindowQuality(
        scores=lowest,
        troubles=tuple(
            _TROUBLES[index] if low < 1.0 else None
            for index, low in zip(worst.tolist(), lowest.tolist(), strict=True)
        ),
        overall=overall,
        faults=tuple(fault for fault in FAULTS if fault in faults),
    )
