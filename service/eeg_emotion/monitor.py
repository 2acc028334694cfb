"""One headset's line: its samples in, its predictions out. No I/O, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.path import SignalPath, Window
from eeg_emotion.eeg.timeline import Timeline
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.headset.link import STALE_SECONDS
from eeg_emotion.inference.calibration import is_unsure
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.messages import Latency, Prediction, Reason, Score, WindowSpan

_FUTURE_SECONDS = 5.0  # two clocks that LSL compares are within milliseconds of each other
NO_SCORE = Score(probability=None, label=None)


@dataclass(slots=True)
class Counts:
    """What a line has seen since its connection opened."""

    received: int = 0
    missing: int = 0
    gaps: int = 0
    superseded: int = 0


class ClockError(EegEmotionError):
    """The stream's stamps are not by the clock that LSL asks for."""


class Monitor:
    """Runs the signal path and the model over one connection's samples.

    Parameters
    ----------
    headset, epoch
        The headset's id, and the random name of this connection.
    path
        The signal path for the stream's layout and rate, with the model's
        normaliser or the person's own; without one no window bears a score.
    model
        The model.
    clock
        This machine's LSL clock, seconds.
    utc_offset
        Gives the seconds to add to that clock to have Unix time.
    ahead
        True where the stamps are meant to run ahead of the clock: a recording played fast.
    """

    def __init__(
        self,
        *,
        headset: str,
        epoch: str,
        path: SignalPath,
        model: Model,
        clock: Callable[[], float],
        utc_offset: Callable[[], float],
        ahead: bool = False,
    ) -> None:
        self.headset = headset
        self.epoch = epoch
        self.counts = Counts()
        self._path = path
        self._model = model
        self._clock = clock
        self._utc_offset = utc_offset
        self._ahead = ahead
        # A window's raw samples, those that the resampler still holds, and the largest chunk.
        keep = path.settings.window_seconds + path.resampler_delay_seconds + 3.0
        self._timeline = Timeline(path.sfreq, keep)
        self._segment = path.segment()
        self._after_gap = False
        self._seq = 0

    @property
    def unseen_seconds(self) -> float | None:
        """The longest loss that the stream's jittering stamps would hide; None for none."""
        return self._timeline.unseen_seconds

    def feed(
        self,
        samples: NDArray[np.floating],
        stamps: NDArray[np.float64],
        clock_offset: float,
    ) -> Prediction | None:
        """Take the next samples; give the prediction of the newest window they complete.

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
        ClockError
            If a stamp lies in the future.
        """
        arrived = self._clock()
        if not self._ahead and stamps[-1] + clock_offset - arrived > _FUTURE_SECONDS:
            raise ClockError(
                f"found time stamps {stamps[-1] + clock_offset - arrived:.0f} s ahead of this "
                "machine's LSL clock, expected the time at which the samples were taken; let the "
                "program that makes the outlet stamp with LSL's local_clock, not with Unix time"
            )
        newest: tuple[Window, float, float] | None = None
        self.counts.received += len(stamps)
        for run in self._timeline.split(stamps):
            if run.missing is not None:
                self.counts.gaps += 1
                self.counts.missing += run.missing
                self._after_gap = True
                self._segment = self._path.segment()
            for window in self._segment.feed(samples[:, run.start : run.stop]):
                if newest is not None:
                    self.counts.superseded += 1
                start, end = (
                    self._timeline.stamp(sample) + clock_offset
                    for sample in (window.first_sample, window.last_sample)
                )
                newest = window, start, end
                if window.settled:
                    self._after_gap = False
        return None if newest is None else self._predict(*newest, arrived=arrived)

    def _predict(self, window: Window, start: float, end: float, *, arrived: float) -> Prediction:
        prepared = self._clock()
        reasons = reasons_of(
            window,
            after_gap=self._after_gap,
            has_normaliser=self._path.normaliser is not None,
        )
        if prepared - end - self._path.resampler_delay_seconds > STALE_SECONDS:
            # A backlog after an outage: true of then, not of now.
            reasons = (Reason.STALE, *reasons)
        arousal, valence = scores_of(self._model, window, reasons)
        finished = self._clock()
        utc = self._utc_offset()
        prediction = Prediction(
            headset=self.headset,
            epoch=self.epoch,
            seq=self._seq,
            window=WindowSpan(start=start + utc, end=end + utc),
            arousal=arousal,
            valence=valence,
            valid=not reasons,
            reasons=reasons,
            quality=round(window.quality.overall, 4),
            interpolated=self._path.layout.interpolated,
            latency_ms=Latency(
                resampler=_ms(self._path.resampler_delay_seconds),
                filter=_ms(self._path.filter_delay_seconds),
                arrival=_ms(arrived - end),
                path=_ms(prepared - arrived),
                inference=_ms(finished - prepared),
                total=_ms(finished - end),
            ),
            model=f"{self._model.contract.name} {self._model.contract.version}",
        )
        self._seq += 1
        return prediction


def reasons_of(window: Window, *, after_gap: bool, has_normaliser: bool) -> tuple[Reason, ...]:
    """Say why a window can bear no scores; empty where it can."""
    reasons = [Reason(fault) for fault in window.quality.faults]
    if not window.settled:
        reasons.insert(0, Reason.WARMING_UP)
        if after_gap:
            reasons.insert(0, Reason.GAP)
    if not has_normaliser:
        reasons.append(Reason.NO_BASELINE)
    return tuple(reasons)


def scores_of(model: Model, window: Window, reasons: tuple[Reason, ...]) -> tuple[Score, Score]:
    """Estimate arousal and valence, unless there is a reason not to."""
    if reasons:
        return NO_SCORE, NO_SCORE
    chances = model.predict(window.features[np.newaxis])
    bands = {target.name: target.calibration.unsure for target in model.contract.targets}
    return (
        _score(chances["arousal"][0], bands["arousal"]),
        _score(chances["valence"][0], bands["valence"]),
    )


def _score(probability: float, unsure: tuple[float, float]) -> Score:
    rounded = round(float(probability), 6)
    if is_unsure(rounded, unsure):
        return Score(probability=rounded, label="unsure")
    return Score(probability=rounded, label="high" if rounded > 0.5 else "low")


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
