"""One headset's line: its samples in, its windows and their reasons out. No I/O, no waiting."""

from __future__ import annotations

from collections.abc import Callable
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
from eeg_emotion.eeg.path import PathSettings, SignalPath, Window
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.stream.link import STALE_SECONDS
from eeg_emotion.stream.rate import RateMeter
from eeg_emotion.stream.scoring import AssessedWindow, reasons_of
from eeg_emotion.stream.source_clock import SourceClock
from eeg_emotion.stream.timeline import Timeline

_LARGEST_CHUNK_SECONDS = 3.0  # stamps of a chunk are asked for after it was taken in whole
_WEIGHED_SECONDS = 20.0  # an amplitude that speaks for no unit is measured again for this long


@dataclass(slots=True)
class Counts:
    """What a line has seen since its connection opened."""

    received: int = 0
    missing: int = 0
    gaps: int = 0
    superseded: int = 0


class Admission(Protocol):
    """A stream that was let in."""

    @property
    def layout(self) -> Layout | None:
        """How its channels become the model's; None where a unit must be judged first."""
        ...

    @property
    def sfreq(self) -> float:
        """Its nominal rate in Hz."""
        ...

    @property
    def channel_count(self) -> int:
        """How many channels it has."""
        ...

    def weigh(self, amplitudes: NDArray[np.float64]) -> Layout:
        """Judge the units that are not stated; raises `LayoutError` where it cannot be."""
        ...


class StreamPipeline:
    """Runs the signal path over one connection's samples.

    Parameters
    ----------
    admission
        The stream, let in.
    settings
        The model's signal path.
    normaliser
        The model's, or the person's own; without one no window bears a score.
    limits
        Thresholds of the quality judgement.
    clock
        This machine's LSL clock, seconds.
    utc_offset
        Gives the seconds to add to that clock to have Unix time.
    ahead
        True where the stamps are meant to run ahead of the clock: a recording played fast.

    Attributes
    ----------
    rest
        Where set, it is given every sample too. Any thread may set it.
    newest
        The newest window's verdict, valid or not.
    to_local
        Seconds that were last added to the stamps to have this machine's LSL clock; None before.
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
    ) -> None:
        self.counts = Counts()
        self.rest: RestCollection | None = None
        self.newest: AssessedWindow | None = None
        self.to_local: float | None = None
        self.settings = settings
        self.sfreq = admission.sfreq
        self.limits = limits
        self._admission = admission
        self._normaliser = normaliser
        self._clock = clock
        self._utc_offset = utc_offset
        self._rate = RateMeter(self.sfreq)
        self._source_clock = SourceClock(ahead=ahead)
        self._after_gap = False
        self._waiting: list[tuple[NDArray[np.floating], NDArray[np.float64]]] = []
        self._waiting_samples = 0
        # A window's raw samples, those that the resampler still holds, and the largest chunk.
        keep = settings.window_seconds + resampling.delay_seconds(self.sfreq, settings.sfreq)
        self._timeline = Timeline(self.sfreq, keep + _LARGEST_CHUNK_SECONDS)
        self._weighed = 0  # samples of the running segment that only served to judge the unit
        self._weighed_in_all = 0
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
        self._path.normaliser = self._normaliser  # `use` may have come in between
        self._segment = self._path.segment()

    @property
    def weighing(self) -> bool:
        """Return whether the stream's unit is still being judged by its amplitude."""
        return self._path is None

    @property
    def layout(self) -> Layout:
        """How the stream's channels become the model's; there is none while `weighing`."""
        return self._running.layout

    @property
    def worth(self) -> int:
        """With how many more samples something can be completed, at least."""
        if self._meter is not None:
            return self._meter.needed
        return max(1, self._segment.needed - self._waiting_samples)

    @property
    def _running(self) -> SignalPath:
        if self._path is None:
            raise RuntimeError("found a line whose unit is not known yet, expected one that runs")
        return self._path

    @property
    def measured_sfreq(self) -> float | None:
        """The rate in Hz at which samples really come; None before that is known."""
        return self._rate.measured

    def describe_time(self) -> str | None:
        """Return what is unusual about the stream's stamps; None for nothing."""
        parts = [self._source_clock.describe()]
        if self._path is not None and (unseen := self._timeline.unseen_seconds) is not None:
            parts.append(
                "its stamps jitter, as if made on sending: a loss of less than "
                f"{unseen * 1e3:.0f} ms cannot be seen"
            )
        return "; ".join(part for part in parts if part) or None

    def use(self, normaliser: Normaliser | None) -> None:
        """Apply this normaliser from the next window on."""
        self._normaliser = normaliser
        if self._path is not None:
            self._path.normaliser = normaliser

    def feed(
        self,
        samples: NDArray[np.floating],
        stamps: NDArray[np.float64],
        clock_offset: float,
    ) -> AssessedWindow | None:
        """Take the next samples; return the newest window that they complete.

        After a pause several windows may complete at once. Only the newest describes the person
        now, so the older ones are counted as superseded, not shown.

        Parameters
        ----------
        samples
            `(channels, samples)` in the stream's units.
        stamps
            `(samples,)` seconds by the source's clock, untouched: gaps are judged on them.
        clock_offset
            Seconds to add to them to have them in this machine's LSL clock.

        Raises
        ------
        ClockError, RateError
            If the stamps are by no known clock, or the samples do not come at the stated rate.
        LayoutError
            If a unit was to be judged by its amplitude and cannot be.
        """
        arrived, utc = self._clock(), self._utc_offset()
        self.counts.received += len(stamps)
        if self._meter is None:
            # Small chunks wait until they can complete a block: work costs the same for each.
            self._waiting.append((samples, stamps))
            self._waiting_samples += len(stamps)
            if self._waiting_samples < self._segment.needed:
                return None
            samples = np.concatenate([chunk for chunk, _ in self._waiting], axis=1)
            stamps = np.concatenate([part for _, part in self._waiting])
            self._waiting.clear()
            self._waiting_samples = 0
        mapping = self._source_clock.map(float(stamps[-1]), clock_offset, arrived, utc)
        self.to_local = mapping.seconds
        if mapping.jumped:
            self._rate.restart()
        newest: tuple[Window, float, float] | None = None
        rest = self.rest  # read once: it is set and taken away by another thread
        for run in self._timeline.split(stamps, jumped=mapping.jumped):
            part = samples[:, run.start : run.stop]
            if run.missing is not None:
                self._note_gap(run.missing)
                if rest is not None:
                    rest.restart()
            if self._meter is not None:
                part = self._weigh(self._meter, part)
            if self._meter is not None or not part.shape[1]:
                continue
            if rest is not None:
                rest.feed(part)
            for window in self._segment.feed(part):
                if newest is not None:
                    self.counts.superseded += 1
                start, end = (
                    self._timeline.stamp(self._weighed + sample) + mapping.seconds
                    for sample in (window.first_sample, window.last_sample)
                )
                newest = window, start, end
                if window.settled:
                    self._after_gap = False
        self._rate.feed(len(stamps), float(stamps[-1]))
        return None if newest is None else self._judge(*newest, arrived=arrived, utc=utc)

    def _weigh(self, meter: AmplitudeMeter, samples: NDArray[np.floating]) -> NDArray[np.floating]:
        """Judge the unit by its amplitude; return the samples after those that it took.

        Until that is possible all are taken: a headset that is put on after its stream was begun
        is weighed again, for a while.
        """
        taken = 0
        while self._meter is not None and taken < samples.shape[1]:
            part = samples[:, taken : taken + meter.needed]
            meter.feed(part)
            taken += part.shape[1]
            self._weighed += part.shape[1]
            self._weighed_in_all += part.shape[1]
            if not meter.ready:
                break
            try:
                self._begin(self._admission.weigh(meter.amplitudes))
                self._meter = None
            except LayoutError:
                if self._weighed_in_all >= _WEIGHED_SECONDS * self.sfreq:
                    raise
                meter.restart()
        return samples[:, taken:]

    def _note_gap(self, missing: int) -> None:
        self.counts.gaps += 1
        self.counts.missing += missing
        self._after_gap = True
        self._rate.gap(missing)
        self._weighed = 0
        if self._meter is not None:
            self._meter.restart()
        else:
            self._segment = self._running.segment()

    def _judge(
        self, window: Window, start: float, end: float, *, arrived: float, utc: float
    ) -> AssessedWindow:
        path = self._running
        reasons = reasons_of(window, after_gap=self._after_gap)
        if arrived - end - path.resampler_delay_seconds > STALE_SECONDS:
            # A backlog after an outage: true of then, not of now.
            reasons = (Reason.STALE, *reasons)
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
