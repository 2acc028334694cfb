"""Checks that stamps increase, in the order in which the samples were taken."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError

_COUNTED_SECONDS = 4.0
_LARGEST_SHARE = 0.25  # of repeated stamps: a few chunks with a wrong stamp are gaps
_LONG_PERIODS, _BEHIND_PERIODS = 1.5, 0.5
_DISORDERS, _DISORDER_SECONDS = 5, 10.0


class StampError(EegEmotionError):
    """The stamps do not say when the samples were taken."""


class StampOrder:
    """Counts the stamps of one connection that do not increase.

    Parameters
    ----------
    sfreq
        The nominal rate in Hz.
    """

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._long = _LONG_PERIODS / sfreq
        self._last = self._newest = -np.inf
        self._behind = False
        self._total = self._counted = self._repeated = 0
        self._disorders: deque[int] = deque(maxlen=_DISORDERS)

    def restart(self) -> None:
        """Start over: the clock has jumped."""
        self._last = self._newest = -np.inf
        self._behind = False

    def feed(self, stamps: NDArray[np.float64]) -> bool:
        """Count a chunk's stamps; return whether samples are out of order.

        Parameters
        ----------
        stamps
            `(samples,)` seconds by the source's clock.

        Raises
        ------
        StampError
            If many stamps repeat, or chunks come out of order again and again.
        """
        first = float(stamps[0]) - self._last
        with np.errstate(invalid="ignore", over="ignore"):  # stamps may be anything
            steps = np.diff(stamps)
            regular = 0.0 < first <= self._long and (
                not len(steps) or (steps.min() > 0.0 and steps.max() <= self._long)
            )
        disordered = False
        if regular:
            self._pass(float(stamps[-1]))
        else:
            steps = np.concatenate([[first], steps])
            self._repeated += int(np.count_nonzero(~(steps > 0.0) & ~(steps < 0.0)))
            disordered = self._find_disorder(stamps, steps)
        self._counted += len(stamps)
        self._check_repeated()
        self._total += len(stamps)
        self._last = float(stamps[-1])
        return disordered

    def _check_repeated(self) -> None:
        if self._counted < _COUNTED_SECONDS * self._sfreq:
            return
        counted, repeated = self._counted, self._repeated
        self._counted = self._repeated = 0
        if repeated > _LARGEST_SHARE * counted:
            raise StampError(
                f"found {repeated} of {counted} time stamps the same as the one before, or no "
                "number, expected each sample's own, increasing; in the program that makes the "
                "outlet, push a chunk with the stamp of its last sample alone, not with one stamp "
                "repeated for all, and restart it"
            )

    def _find_disorder(self, stamps: NDArray[np.float64], steps: NDArray[np.float64]) -> bool:
        """Return whether a piece ended that lies wholly before what had arrived already.

        A sender that dates chunks back from when it sends them may step back by its jitter, but
        each of its chunks ends later than the one before.
        """
        places = np.flatnonzero(~(steps >= 0.0) | (steps > self._long))
        found = False
        for place in places.tolist():
            last = float(stamps[place - 1]) if place else self._last
            self._pass(last)
            if self._behind and last < self._newest - _BEHIND_PERIODS / self._sfreq:
                if steps[place] > 0.0:
                    found, self._behind = True, False
                    self._note_disorder(self._total + place)
            elif steps[place] < 0.0:
                self._behind = True
        self._pass(float(stamps[-1]))
        return found

    def _pass(self, stamp: float) -> None:
        if stamp >= self._newest and np.isfinite(stamp):
            self._newest, self._behind = stamp, False

    def _note_disorder(self, sample: int) -> None:
        self._disorders.append(sample)
        samples = sample - self._disorders[0]
        if len(self._disorders) == _DISORDERS and samples <= _DISORDER_SECONDS * self._sfreq:
            raise StampError(
                f"found {_DISORDERS} chunks within {samples / self._sfreq:.1f} s whose time stamps "
                "lie before those of chunks that had already arrived, expected samples in the "
                "order in which they were taken; in the program that makes the outlet, push what "
                "arrives from the headset in the order of its packets' numbers, and restart it"
            )
