"""Measures the rate at which samples arrive, and compares it with the nominal rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from operator import itemgetter

from eeg_emotion.errors import EegEmotionError

_STEP_SECONDS = 0.25  # resolution of the kept past
_HORIZONS_SECONDS = (1.0, 4.0, 16.0, 60.0, 240.0)  # a large error shows soon, a small one later
_LATE_SECONDS = 60.0  # within which samples that were missing may yet arrive
_CAUGHT_UP_SECONDS = 2.0  # within which a sender that was held up has sent what seemed missing
_GAPS_KEPT = 32  # a stream may have a gap at every sample
_CAUGHT_UP = 0.5  # the share of them that must have come: a single stamp may be late
_MEASURED_SECONDS = 60.0
_TOLERANCE = 0.02  # devices keep their rate to a few parts in a thousand
_SHORT_SECONDS, _SHORT_TOLERANCE = 4.0, 0.25  # a repeated chunk is a large part of one second
JITTER_SECONDS = 0.1
"""How late a single stamp may be."""

_SURE_SECONDS = 10.0
# If the stream is broken into this many pieces shorter than this, for this long, and this far from
# the stated rate, then not just some samples are lost: they arrive at another rate, or most are
# lost.
_PIECE_SECONDS, _PIECES, _BROKEN_SECONDS, _BROKEN_ERROR = 0.5, 8, 4.0, 0.2

_stamp_of = itemgetter(0)


class RateError(EegEmotionError):
    """Samples arrive at a different rate than the stream states."""


class RateMeter:
    """Counts the samples of one connection against their stamps.

    Stamps of single samples reveal little, since many programs derive them from the nominal rate.
    The stamps of the last samples of chunks cannot be wrong for long.

    Parameters
    ----------
    sfreq
        The nominal rate in Hz.
    """

    def __init__(self, sfreq: float) -> None:
        self._sfreq = sfreq
        self._past: deque[tuple[float, int, int]] = deque()  # stamp, samples, and those missing
        self._count = self._missing = 0
        self._late: deque[tuple[float, float]] = deque()  # stamp of a gap, and its seconds
        # The past before each gap, and the samples that it seems to lack.
        self._held_up: deque[tuple[float, int, int, int]] = deque(maxlen=_GAPS_KEPT)
        # Gaps that were none: stamp and seconds.
        self._caught_up: deque[tuple[float, float]] = deque(maxlen=_GAPS_KEPT)
        self._newest: tuple[float, int, int] | None = None
        self._begun: float | None = None  # stamp of the current piece's first chunk
        self._broken_since: float | None = None
        self._pieces = self._in_pieces = 0  # since then, and their samples

    @property
    def measured(self) -> float | None:
        """The rate in Hz over the last minute; None until there is enough of it."""
        if self._newest is None or not self._past:
            return None
        since = self._newest[0] - _MEASURED_SECONDS
        index = max(0, bisect_right(self._past, since, key=_stamp_of) - 1)
        stamp, count, missing = self._past[index]
        elapsed = self._newest[0] - stamp
        came = self._newest[1] - count + self._newest[2] - missing
        return came / elapsed if elapsed >= _SURE_SECONDS else None

    def gap(self, missing: int) -> None:
        """Record that `missing` samples are missing before the chunk that is fed next.

        They may only be late: then more arrive afterwards than the rate allows, which is no error.
        """
        self._missing += missing
        self._begun = None
        if missing and self._newest is not None:
            self._late.append((self._newest[0], missing / self._sfreq))
            self._held_up.append((*self._newest[:2], self._missing - missing, missing))

    def restart(self) -> None:
        """Start over: the clock has jumped."""
        self._past.clear()
        self._late.clear()
        self._held_up.clear()
        self._caught_up.clear()
        self._newest = self._begun = None
        self._count = self._missing = 0

    def forget(self) -> None:
        """Start over, and hold no broken pieces against the stream either: it sent more."""
        self.restart()
        self._broken_since = None
        self._pieces = self._in_pieces = 0

    def feed(self, count: int, last_stamp: float, *, jitter: float = JITTER_SECONDS) -> None:
        """Count a chunk.

        Parameters
        ----------
        count
            The chunk's number of samples.
        last_stamp
            The stamp of its last sample, seconds.
        jitter
            How late or early a single stamp may be, seconds.

        Raises
        ------
        RateError
            If the samples over one of the horizons do not match the nominal rate.
        """
        self._count += count
        if not math.isfinite(last_stamp):
            return
        self._take_off_what_was_late(last_stamp)
        self._newest = last_stamp, self._count, self._missing
        self._look_for_pieces(count, last_stamp)
        if not self._past or last_stamp - self._past[-1][0] >= _STEP_SECONDS:
            self._past.append(self._newest)
        # The last horizon needs an entry that old.
        while len(self._past) > 1 and last_stamp - self._past[1][0] >= _HORIZONS_SECONDS[-1]:
            self._past.popleft()
        for horizon in _HORIZONS_SECONDS:
            index = bisect_right(self._past, last_stamp - horizon, key=_stamp_of) - 1
            if index < 0:
                return
            stamp, count, missing = self._past[index]
            self._check(self._count - count, self._missing - missing, stamp, last_stamp, jitter)

    def _take_off_what_was_late(self, last_stamp: float) -> None:
        """Count no sample twice, as missing and as it arrives: that would hide too low a rate."""
        for since, count, before, gap in tuple(self._held_up):
            if last_stamp - since > gap / self._sfreq + _CAUGHT_UP_SECONDS:
                continue
            seemed = self._missing - before
            surplus = self._count - count + seemed - self._sfreq * (last_stamp - since)
            late = min(seemed, round(surplus))
            if late > 0 and gap - seemed + late > _CAUGHT_UP * gap:
                self._take_off(late, since, before)
                self._caught_up.append((last_stamp, gap / self._sfreq))

    def _take_off(self, late: int, since: float, before: int) -> None:
        """Count samples as not missing after all, there too where they were noted since."""
        self._missing -= late
        for index, (stamp, had, gone) in enumerate(self._past):
            if stamp > since:
                self._past[index] = stamp, had, max(before, gone - late)
        for index, (stamp, had, gone, gap) in enumerate(self._held_up):
            if stamp > since:
                self._held_up[index] = stamp, had, max(before, gone - late), gap

    def _look_for_pieces(self, count: int, last_stamp: float) -> None:
        if self._begun is None:
            self._begun = last_stamp
            self._pieces += 1
        whole = last_stamp - self._begun >= _PIECE_SECONDS
        if whole or self._broken_since is None or last_stamp < self._broken_since:
            self._broken_since = last_stamp
            self._pieces = self._in_pieces = 0
            return
        self._in_pieces += count
        elapsed = last_stamp - self._broken_since
        if (
            self._pieces >= _PIECES
            and elapsed >= _BROKEN_SECONDS
            and abs(self._in_pieces / elapsed / self._sfreq - 1.0) > _BROKEN_ERROR
        ):
            raise self._error(self._in_pieces, elapsed)

    def _check(self, count: int, missing: int, since: float, now: float, jitter: float) -> None:
        """Compare a count with the rate: too many even if some were late, or too few."""
        elapsed = now - since
        late = _largest_within(self._late, now, jitter)
        held_up = _largest_within(self._caught_up, now, jitter)
        expected = self._sfreq * elapsed
        tolerance = (_SHORT_TOLERANCE if elapsed < _SHORT_SECONDS else _TOLERANCE) * expected
        too_many = count > expected + tolerance + late * self._sfreq
        too_few = count + missing < expected - tolerance - held_up * self._sfreq
        if too_many or too_few:
            raise self._error(count, elapsed)

    def _error(self, count: int, elapsed: float) -> RateError:
        return RateError(
            f"found {count / elapsed:.1f} samples a second over {elapsed:.0f} s of the source's "
            f"own stamps, expected the {self._sfreq:g} Hz that the stream states; set the nominal "
            "rate in the program that makes the outlet, and restart it"
        )


def _largest_within(gaps: deque[tuple[float, float]], now: float, least: float) -> float:
    """Drop the gaps that are too long ago; return the seconds of the longest of the others."""
    while gaps and now - gaps[0][0] > _LATE_SECONDS:
        gaps.popleft()
    return max([least, *(seconds for _, seconds in gaps)])
