"""Judges a stream's stamps: its order, its clock, its gaps and its rate, from one evidence.

Each part alone can explain another's fault away: losses that never were make up for a rate that is
too low, and a rate that is off looks like losses. So they are asked in turn, and what one of them
has found is used by the next: order before clock before gaps before rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.stream.order import StampError, StampOrder
from eeg_emotion.stream.rate import JITTER_SECONDS, RateError, RateMeter
from eeg_emotion.stream.source_clock import ClockError, SourceClock
from eeg_emotion.stream.timeline import Run, Timeline

STAMP_ERRORS = (StampError, ClockError, RateError)
"""What a source's own stamps can show to be wrong."""


class StreamTime:
    """The time of one connection's samples.

    Parameters
    ----------
    sfreq
        The stream's nominal rate in Hz.
    keep_seconds
        How far back `stamp` can look.
    ahead
        True if the stamps are meant to run ahead of the clock: a recording replayed fast.

    Attributes
    ----------
    to_local
        Seconds last added to the stamps to convert them to this machine's LSL clock; None before
        the first sample.
    """

    def __init__(self, sfreq: float, keep_seconds: float, *, ahead: bool) -> None:
        self.to_local: float | None = None
        self._order = StampOrder(sfreq)
        self._clock = SourceClock(ahead=ahead)
        self._timeline = Timeline(sfreq, keep_seconds)
        self._rate = RateMeter(sfreq)
        self._disordered = False

    @property
    def measured_sfreq(self) -> float | None:
        """The measured rate in Hz; None until it is known."""
        return self._rate.measured

    def describe(self) -> str | None:
        """Return what is unusual about the stream's stamps; None if nothing is."""
        parts = [self._clock.describe()]
        if (unseen := self._timeline.unseen_seconds) is not None:
            how = (
                "its samples arrive in bursts, and are dated by their nominal rate in between"
                if self._timeline.in_bursts
                else "its stamps jitter, as if taken on sending"
            )
            parts.append(f"{how}: a loss of less than {unseen * 1e3:.0f} ms cannot be detected")
        if self._disordered:
            parts.append("some of its chunks came out of order, and count as gaps")
        return "; ".join(part for part in parts if part) or None

    def stamp(self, sample: int) -> float:
        """Return the time of a sample of the running segment, by this machine's LSL clock."""
        return self._timeline.stamp(sample) + (self.to_local or 0.0)

    def split(
        self,
        stamps: NDArray[np.float64],
        clock_offset: float,
        arrived: float,
        utc: float,
        *,
        complete: bool = True,
    ) -> Iterator[Run]:
        """Split a chunk at its gaps; run the iterator to its end.

        Parameters
        ----------
        stamps
            `(samples,)` seconds by the source's clock, unmodified.
        clock_offset, arrived, utc
            As for `SourceClock.map`.
        complete
            False if samples may have been lost on this side, or the stamps are made up: then
            nothing follows for the rate.

        Raises
        ------
        StampError, ClockError, RateError
            If the stamps do not increase, are from no known clock, or do not match the stated rate.
        """
        last = float(stamps[-1])
        mapping = self._clock.map(last, clock_offset, arrived, utc)
        self.to_local = mapping.seconds
        if mapping.jumped:
            self._rate.restart()
            self._order.restart()
        if self._order.feed(stamps):
            self._disordered = True
            self._timeline.distrust()
        was_known = self._timeline.unseen_seconds is not None
        for run in self._timeline.split(stamps, jumped=mapping.jumped):
            if run.missing is not None:
                self._rate.gap(run.missing)
            yield run
        unseen = self._timeline.unseen_seconds
        if not complete:
            self._rate.forget()
            return
        if unseen is not None and not was_known:
            # What was taken for losses was not: it would make up for a rate that is too low.
            self._rate.restart()
        self._rate.feed(len(stamps), last, jitter=max(JITTER_SECONDS, unseen or 0.0))
