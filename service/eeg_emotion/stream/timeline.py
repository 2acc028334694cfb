"""Time stamps of a stream: detects gaps, and keeps the recent stamps by sample number.

A step of more than 1.5 sample periods between two stamps means that a sample is missing. That
holds for a sender that stamps by its sample clock. Many stamp a chunk when they send it, and then
long and short steps alternate although nothing is missing; `stamping` recognises them. From then on
stamps are compared with a straight line within a tolerance. The line follows the sender's own rate:
whether that is the nominal one is for `rate` to judge. `unseen_seconds` reports the losses that
this can no longer detect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.stream.stamping import (
    GAP_PERIODS,
    LARGEST_JITTER_SECONDS,
    Stamping,
    StampingEvidence,
)

_TRACKING_SECONDS = 3.0  # how fast the line follows
_LARGEST_SLOPE = 0.25  # a rate further off is refused within seconds
_EARLIER_A_SECOND = 0.02  # how fast the earliest stamps are forgotten, seconds a second


@dataclass(frozen=True, slots=True)
class Run:
    """A slice of a chunk that lies within one contiguous segment.

    `missing` is None if the run continues the previous segment; otherwise the run starts a new
    segment and `missing` is the number of samples lost in between (0 if time went backwards).
    """

    start: int
    stop: int
    missing: int | None


class Timeline:
    """The stamps of one connection.

    Parameters
    ----------
    sfreq
        The stream's nominal rate in Hz.
    keep_seconds
        How far back `stamp` can look.
    """

    def __init__(self, sfreq: float, keep_seconds: float) -> None:
        self._period = 1 / sfreq
        self._ring = np.zeros(int(np.ceil(keep_seconds * sfreq)) + 1)
        self._count = 0
        self._total = 0
        self._last: float | None = None
        self._broken = False
        self._evidence = StampingEvidence(self._period)
        self._stamping: Stamping | None = None
        self._largest_burst = 0.0
        # Where the next stamp is expected, how much longer a period seems than the nominal one,
        # and by how much the earliest stamps lie before the line.
        self._line = self._slope = self._early = 0.0

    @property
    def unseen_seconds(self) -> float | None:
        """The longest loss in seconds that jittering stamps would hide; None if none is hidden."""
        return None if self._stamping is None else self._stamping.tolerance

    @property
    def in_bursts(self) -> bool:
        """Return whether samples arrive in bursts, and are dated by a line through their stamps."""
        return self._stamping is not None and self._stamping.in_bursts

    def distrust(self) -> None:
        """End the segment before the next sample, and forget what irregular steps showed."""
        self._broken = self._last is not None
        self._evidence.clear()

    def split(self, stamps: NDArray[np.float64], *, jumped: bool = False) -> Iterator[Run]:
        """Split a chunk at its gaps, and keep its stamps run by run as they are consumed.

        If the source's clock has `jumped`, the number of samples missing in the chunk's gaps
        cannot be known.
        """
        start = 0
        while start < len(stamps):
            missing = self._missing_before(float(stamps[start]))
            if jumped and missing is not None:
                missing = 0
            if missing is not None:
                self._count = 0
            # The first sample is checked above; from there the run extends to the next gap.
            if self._stamping is None:
                stop = self._next_step(stamps, start)
                kept = stamps[start:stop]
            else:
                kept = self._until_departure(stamps, start, self._stamping)
                stop = start + len(kept)
            self._keep(kept)
            self._last = float(stamps[stop - 1])
            self._total += stop - start
            yield Run(start, stop, missing)
            start = stop

    def stamp(self, sample: int) -> float:
        """Return the stamp of a sample of the running segment, counted from its first.

        Of a sender that sends in bursts it is the time by the line through the bursts' ends.
        """
        if not max(0, self._count - len(self._ring)) <= sample < self._count:
            raise IndexError(
                f"found sample {sample}, expected one of the last {len(self._ring)} "
                f"before {self._count}"
            )
        return float(self._ring[sample % len(self._ring)])

    def _missing_before(self, stamp: float) -> int | None:
        """Return how many samples are missing before this one; None if there is no gap."""
        if self._last is None:
            self._start_line(stamp)
            return None
        if self._broken:
            self._broken = False
            self._start_line(stamp)
            return 0
        if self._stamping is None:
            return self._missing_by_step(stamp, self._last)
        return self._missing_by_line(stamp, self._last, self._stamping)

    def _missing_by_step(self, stamp: float, last: float) -> int | None:
        step = stamp - last
        # A stamp that is not finite compares false and so breaks the segment too.
        if 0 < step <= GAP_PERIODS * self._period:
            if step < self._evidence.short:
                self._evidence.make_up(self._period - step)
            return None
        self._stamping = self._evidence.add(self._total, stamp, step - self._period)
        if self._stamping is not None:
            self._slope = _bounded(self._stamping.slope)
            if self._stamping.in_bursts:
                self._widen(self._stamping)
        self._start_line(stamp)
        return self._samples_in(step - self._period)

    def _missing_by_line(self, stamp: float, last: float, stamping: Stamping) -> int | None:
        if not np.isfinite(stamp):
            return 0
        departure = stamp - self._line
        if abs(departure) <= stamping.tolerance:
            return None if np.isfinite(last) else 0
        if stamping.in_bursts:
            # A loss, or bursts of another length: the next ones show which.
            self._stamping = None
            self._evidence.clear()
        elif abs(departure) < LARGEST_JITTER_SECONDS:
            wider = min(LARGEST_JITTER_SECONDS, 1.5 * abs(departure))
            self._stamping = Stamping(wider, stamping.slope)
        self._start_line(stamp)
        return self._samples_in(departure)

    def _widen(self, stamping: Stamping) -> None:
        """Keep the widest tolerance for bursts, so that bursts of many lengths are learnt."""
        self._largest_burst = max(self._largest_burst, stamping.tolerance)
        self._stamping = Stamping(self._largest_burst, stamping.slope)

    def _samples_in(self, seconds: float) -> int:
        periods = seconds / self._period  # infinite for what is nearly so
        return max(0, round(periods)) if np.isfinite(periods) else 0

    def _start_line(self, stamp: float) -> None:
        self._line, self._early = stamp, 0.0

    def _advance(self, stamp: float) -> None:
        """Move the line to where the next stamp is expected."""
        departure = stamp - self._line
        share = self._period / _TRACKING_SECONDS
        self._early = min(self._early + _EARLIER_A_SECOND * self._period, departure, 0.0)
        self._slope = _bounded(self._slope + departure * share / _TRACKING_SECONDS)
        self._line += self._period * (1.0 + self._slope) + departure * min(1.0, 2.0 * share)

    def _next_step(self, stamps: NDArray[np.float64], start: int) -> int:
        """Find where steps stop being one sample period."""
        with np.errstate(invalid="ignore", over="ignore"):  # stamps may be anything
            steps = np.diff(stamps[start:])
        whole = (steps > 0) & (steps <= GAP_PERIODS * self._period)
        breaks = np.flatnonzero(~whole)
        regular = steps[: breaks[0]] if len(breaks) else steps
        if len(regular) and regular.min() < self._evidence.short:
            short = regular[regular < self._evidence.short]
            self._evidence.make_up(float(np.sum(self._period - short)))
        return start + 1 + len(regular)

    def _until_departure(
        self, stamps: NDArray[np.float64], start: int, stamping: Stamping
    ) -> NDArray[np.float64]:
        """Move the line along the stamps until one leaves it; return their times to be kept."""
        if not np.isfinite(stamps[start]):
            return stamps[start : start + 1]
        times: list[float] = []
        tolerance = stamping.tolerance
        for stamp in stamps[start:].tolist():
            if times and not abs(stamp - self._line) <= tolerance:
                break
            line = self._line
            self._advance(stamp)
            times.append(line + self._early)
        return np.array(times) if stamping.in_bursts else stamps[start : start + len(times)]

    def _keep(self, stamps: NDArray[np.float64]) -> None:
        places = (self._count + np.arange(len(stamps))) % len(self._ring)
        self._ring[places[-len(self._ring) :]] = stamps[-len(self._ring) :]
        self._count += len(stamps)


def _bounded(slope: float) -> float:
    return min(_LARGEST_SLOPE, max(-_LARGEST_SLOPE, slope))
