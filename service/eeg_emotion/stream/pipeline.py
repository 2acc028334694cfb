"""One headset's pipeline: samples in, windows and their reasons out. No I/O, no waiting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.baseline.collection import RestCollection
from eeg_emotion.codes import Reason
from eeg_emotion.eeg import resampling
from eeg_emotion.eeg.amplitude import AmplitudeMeter
from eeg_emotion.eeg.layout import Layout, LayoutError
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings, Segment, SignalPath, Window
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.stream.link import STALE_SECONDS
from eeg_emotion.stream.repeats import RepeatedSamples
from eeg_emotion.stream.scoring import AssessedWindow, reasons_of
from eeg_emotion.stream.stream_time import StreamTime

_LARGEST_CHUNK_SECONDS = 3.0  # a chunk's stamps are looked up after all of it was consumed
_OVERLOADED_SECONDS = 10.0  # after the stream was read too late once
_INFERRING_SECONDS = 20.0  # an amplitude that matches no unit is measured again for this long


@dataclass(slots=True)
class Counts:
    """Counts of samples, gaps and windows since the connection opened."""

    received: int = 0
    missing: int = 0
    gaps: int = 0
    superseded: int = 0


class Admission(Protocol):
    """An admitted stream."""

    @property
    def layout(self) -> Layout | None:
        """How its channels map to the model's; None where a unit must be inferred first."""
        ...

    @property
    def sfreq(self) -> float:
        """The stream's nominal rate in Hz."""
        ...

    @property
    def channel_count(self) -> int:
        """The number of channels."""
        ...

    def infer_unit(self, amplitudes: NDArray[np.float64]) -> Layout:
        """Infer units that are not stated from `(channels,)` RMS, or raise `LayoutError`."""
        ...


class StreamPipeline:
    """Runs the signal path over one connection's samples.

    Parameters
    ----------
    admission
        The admitted stream.
    settings
        The model's signal path.
    normaliser
        The model's, or the person's own; without one no window can be scored.
    limits
        Thresholds of the signal quality.
    clock
        This machine's LSL clock, seconds.
    utc_offset
        Returns the seconds to add to that clock for Unix time.
    ahead
        True if the stamps are meant to run ahead of the clock: a recording replayed fast.
    measured
        False if the stamps are made up from the nominal rate, as for a file that has none: they
        say nothing about the rate.

    Attributes
    ----------
    rest
        If set, receives every sample too. Any thread may set it.
    newest
        The newest assessed window, valid or not.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        settings: PathSettings,
        normaliser: Normaliser | None,
        limits: QualityLimits,
        clock: Callable[[], float],
        utc_offset: Callable[[], float],
        ahead: bool = False,
        measured: bool = True,
    ) -> None:
        self._measured = measured
        self.counts = Counts()
        self.rest: RestCollection | None = None
        self.newest: AssessedWindow | None = None
        self.settings = settings
        self.sfreq = admission.sfreq
        self.limits = limits
        self._admission = admission
        self._normaliser = normaliser
        self._clock = clock
        self._utc_offset = utc_offset
        self._after_gap = False
        self._overloaded_until = -math.inf
        self._own_loss = False  # whether the last gap may be this process's own
        self._waiting: list[tuple[NDArray[np.floating], NDArray[np.float64]]] = []
        self._waiting_samples = 0
        # A window's raw samples, those still in the resampler, and the largest chunk.
        keep = settings.window_seconds + resampling.delay_seconds(self.sfreq, settings.sfreq)
        self._time = StreamTime(self.sfreq, keep + _LARGEST_CHUNK_SECONDS, ahead=ahead)
        self._repeated = RepeatedSamples(
            self.sfreq, keep + settings.settle_seconds + _LARGEST_CHUNK_SECONDS
        )
        self._has_repeats = False
        # A segment begins with its first whole block: stamps may break it off at every sample.
        self._segment: Segment | None = None
        self._beginning: list[NDArray[np.floating]] = []
        self._block_samples = 0
        self._unit_samples = 0  # samples of the running segment used only to infer the unit
        self._unit_samples_in_all = 0
        self._path: SignalPath | None = None
        self._meter: AmplitudeMeter | None = None
        if admission.layout is None:
            self._meter = AmplitudeMeter(admission.channel_count, self.sfreq)
        else:
            self._begin(admission.layout)

    def _begin(self, layout: Layout) -> None:
        self._path = SignalPath(
            self.settings,
            layout,
            self.sfreq,
            normaliser=self._normaliser,
            limits=self.limits,
        )
        self._path.normaliser = self._normaliser  # `use` may have been called in between
        self._segment = self._path.segment()
        self._block_samples = self._segment.needed

    @property
    def is_inferring_unit(self) -> bool:
        """Return whether the stream's unit is still being inferred from its amplitude."""
        return self._path is None

    @property
    def layout(self) -> Layout:
        """How the stream's channels map to the model's; not available while `is_inferring_unit`."""
        return self._running.layout

    @property
    def min_samples(self) -> int:
        """The fewest further samples with which anything can be completed."""
        if self._meter is not None:
            return self._meter.needed
        return max(1, self._needed - self._waiting_samples)

    @property
    def _needed(self) -> int:
        """The fewest samples, with those that wait, that complete a block."""
        if self._segment is not None:
            return self._segment.needed
        return self._block_samples - sum(int(part.shape[1]) for part in self._beginning)

    @property
    def _running(self) -> SignalPath:
        if self._path is None:
            raise RuntimeError("found a pipeline whose unit is not known yet, expected it known")
        return self._path

    @property
    def measured_sfreq(self) -> float | None:
        """The measured rate in Hz; None until it is known."""
        return self._time.measured_sfreq

    @property
    def to_local(self) -> float | None:
        """Seconds last added to the stamps for this machine's LSL clock; None before the first."""
        return self._time.to_local

    def describe_time(self) -> str | None:
        """Return what is unusual about the stream's stamps; None if nothing is."""
        repeats = "some samples are zeros or repeats on all channels, and count as gaps"
        parts = (self._time.describe(), repeats if self._has_repeats else None)
        return "; ".join(part for part in parts if part) or None

    def note_overload(self) -> None:
        """Note that this process reads the stream too late: what is missing now is its own loss."""
        self._overloaded_until = self._clock() + _OVERLOADED_SECONDS

    def overloaded(self, now: float) -> bool:
        """Return whether this process has read the stream too late within the last seconds."""
        return now < self._overloaded_until

    def use(self, normaliser: Normaliser | None) -> None:
        """Apply a normaliser from the next window on; with None no window is scored."""
        self._normaliser = normaliser
        if self._path is not None:
            self._path.normaliser = normaliser

    def feed(
        self,
        samples: NDArray[np.floating],
        stamps: NDArray[np.float64],
        clock_offset: float,
    ) -> AssessedWindow | None:
        """Process the next samples, and return the newest window that they complete.

        After a pause several windows may complete at once. Only the newest describes the person's
        current state, so the older ones are counted as superseded and not returned.

        Parameters
        ----------
        samples
            `(channels, samples)` in the stream's units.
        stamps
            `(samples,)` seconds by the source's clock, unmodified: gaps are detected on them.
        clock_offset
            Seconds to add to them for this machine's LSL clock.

        Raises
        ------
        StampError, ClockError, RateError
            If the stamps do not increase, are from no known clock, or do not match the stated rate.
        LayoutError
            If a unit cannot be inferred from the amplitude.
        """
        arrived, utc = self._clock(), self._utc_offset()
        self.counts.received += len(stamps)
        if self._meter is None:
            # Small chunks wait until they can complete a block: each call costs the same.
            self._waiting.append((samples, stamps))
            self._waiting_samples += len(stamps)
            if self._waiting_samples < self._needed:
                return None
            samples = np.concatenate([chunk for chunk, _ in self._waiting], axis=1)
            stamps = np.concatenate([part for _, part in self._waiting])
            self._waiting.clear()
            self._waiting_samples = 0
        newest: tuple[Window, float, float] | None = None
        rest = self.rest  # read once: another thread sets and clears it
        overloaded = self.overloaded(arrived)
        telling = self._measured and not overloaded
        for run in self._time.split(stamps, clock_offset, arrived, utc, complete=telling):
            part = samples[:, run.start : run.stop]
            if run.missing is not None:
                self._note_gap(run.missing)
                self._own_loss = overloaded
                if rest is not None:
                    rest.restart()
            if self._meter is not None:
                part = self._infer_unit(self._meter, part)
            if self._meter is not None or not part.shape[1]:
                continue
            if rest is not None:
                rest.feed(part)
            for window in self._windows(part):
                if newest is not None:
                    self.counts.superseded += 1
                start, end = (
                    self._time.stamp(self._unit_samples + sample)
                    for sample in (window.first_sample, window.last_sample)
                )
                newest = window, start, end
                if window.settled:
                    self._after_gap = False
        return None if newest is None else self._assess(*newest, arrived=arrived, utc=utc)

    def _windows(self, samples: NDArray[np.floating]) -> Iterator[Window]:
        """Feed the segment, which begins once it is worth its filters: stamps may be bad."""
        self._note_repeats(self._repeated.feed(samples[self._running.layout.rows]))
        if self._segment is not None:
            return self._segment.feed(samples)
        self._beginning.append(samples)
        if sum(part.shape[1] for part in self._beginning) < self._block_samples:
            return iter(())
        samples = np.concatenate(self._beginning, axis=1)
        self._beginning.clear()
        self._segment = self._running.segment()
        return self._segment.feed(samples)

    def _note_repeats(self, repeated: int) -> None:
        """Count samples that were made up as missing."""
        if repeated:
            self._has_repeats = True
            self.counts.gaps += 1
            self.counts.missing += repeated

    def _infer_unit(
        self, meter: AmplitudeMeter, samples: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        """Infer the unit from the amplitude; return the samples after those that were used.

        Until that succeeds all samples are used: a headset may be put on after its stream began,
        so the measurement is repeated for a while.
        """
        taken = 0
        while self._meter is not None and taken < samples.shape[1]:
            part = samples[:, taken : taken + meter.needed]
            meter.feed(part)
            taken += part.shape[1]
            self._unit_samples += part.shape[1]
            self._unit_samples_in_all += part.shape[1]
            if not meter.ready:
                break
            try:
                self._begin(self._admission.infer_unit(meter.amplitudes))
                self._meter = None
            except LayoutError:
                if self._unit_samples_in_all >= _INFERRING_SECONDS * self.sfreq:
                    raise
                meter.restart()
        return samples[:, taken:]

    def _note_gap(self, missing: int) -> None:
        self.counts.gaps += 1
        self.counts.missing += missing
        self._after_gap = True
        self._repeated.restart()
        self._unit_samples = 0
        if self._meter is not None:
            self._meter.restart()
        else:
            self._segment = None
            self._beginning.clear()

    def _own(self, reasons: tuple[Reason, ...], *, overloaded: bool) -> tuple[Reason, ...]:
        """Replace the reasons that would blame the headset for what this process has lost."""
        blamed = {Reason.STALE} if overloaded else set()
        if self._own_loss:
            blamed.add(Reason.GAP)
        if blamed.isdisjoint(reasons):
            return reasons
        return (Reason.OVERLOADED, *(reason for reason in reasons if reason not in blamed))

    def _assess(
        self, window: Window, start: float, end: float, *, arrived: float, utc: float
    ) -> AssessedWindow:
        path = self._running
        reasons = reasons_of(window, after_gap=self._after_gap)
        # What was made up still rings in the filters, as long as they take to settle.
        ringing = round(self.settings.settle_seconds * self.sfreq)
        if not {Reason.GAP, Reason.NOT_WORN} & set(reasons) and self._repeated.touches(
            max(0, window.first_sample - ringing), window.last_sample
        ):
            reasons = (Reason.GAP, *reasons)
        if arrived - end - path.resampler_delay_seconds > STALE_SECONDS:
            # A backlog after an outage describes the past, not the present.
            reasons = (Reason.STALE, *reasons)
        reasons = self._own(reasons, overloaded=self.overloaded(arrived))
        self.newest = AssessedWindow(
            window=window,
            reasons=reasons,
            start=start + utc,
            end=end + utc,
            resampler=path.resampler_delay_seconds,
            filter=path.filter_delay_seconds,
            arrival=arrived - end,
            arrived=arrived,
        )
        return self.newest
