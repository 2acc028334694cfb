"""Maps the source's stamps to this machine's clock, whichever clock the source uses.

Lab Streaming Layer expects stamps of its own clock and reports the offset to ours. Some programs
stamp with Unix time instead, and clocks may be set while they run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from eeg_emotion.errors import EegEmotionError

_FUTURE_SECONDS = 0.5  # two clocks that LSL compares are within milliseconds of each other
_FIRST_FUTURE_SECONDS = 5.0  # the first offset is one measurement over an unknown network
_UNIX_SECONDS = 60.0  # within which a stamp of Unix time is recognised
_REPORTED_SECONDS = 0.001
_BACK_SECONDS = 1.0  # a step back beyond this is not jitter
_BEHIND_SECONDS = 60.0  # no network holds samples back for so long, and goes on doing so
_BEHIND_FOR_SECONDS = 10.0
_LARGEST_SECONDS = 1e13  # not a time, and a correction by it would lose the milliseconds
_EXPECTED = (
    "expected the time at which the samples were taken, by LSL's local_clock or in Unix seconds; "
    "correct this in the program that makes the outlet, or set the clock of its machine"
)


class ClockError(EegEmotionError):
    """The stream's stamps are from no known clock."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """What to add to a chunk's stamps.

    Attributes
    ----------
    seconds
        From the source's clock to this machine's LSL clock.
    jumped
        True if the source's clock was set since the previous chunk, so that the time between the
        two is unknown.
    """

    seconds: float
    jumped: bool


class SourceClock:
    """Follows the clock of one connection.

    Parameters
    ----------
    ahead
        True if the stamps are meant to run ahead of the clock: a recording replayed fast.
    """

    def __init__(self, *, ahead: bool) -> None:
        self._ahead = ahead
        self._unix: bool | None = None
        self._correction = 0.0
        self._last: float | None = None
        self._lag = 0.0
        self._behind: tuple[float, float] | None = None  # since when, and by how much at least

    def describe(self) -> str | None:
        """Return how the stamps had to be corrected; None if they did not."""
        if abs(self._correction) >= _REPORTED_SECONDS:
            return (
                f"its clock has jumped by {-self._correction:+.1f} s in total; since then its "
                "windows are dated by their arrival"
            )
        return "its stamps are in Unix time, not by LSL's clock" if self._unix else None

    def map(self, last: float, clock_offset: float, arrived: float, utc: float) -> Mapping:
        """Return what to add to a chunk's stamps.

        Parameters
        ----------
        last
            The chunk's last stamp, seconds by the source's clock.
        clock_offset
            Seconds to add for this machine's LSL clock, as LSL estimates them.
        arrived
            When the chunk arrived, seconds by that clock.
        utc
            Seconds to add to that clock for Unix time.

        Raises
        ------
        ClockError
            If the first stamps lie in the future, and are not Unix time; or if stamps lie a minute
            or more in the past, and go on doing so.
        """
        if self._ahead:
            return Mapping(clock_offset, jumped=False)
        if self._unix is None and math.isfinite(last):
            self._unix = self._begin(last, clock_offset, arrived, utc)
        offset = (-utc if self._unix else clock_offset) + self._correction
        if not abs(last) <= _LARGEST_SECONDS:
            return Mapping(offset, jumped=False)
        lag = arrived - last - offset
        back = self._last is not None and last < self._last - _BACK_SECONDS
        jumped = self._last is not None and (back or lag < -_FUTURE_SECONDS)
        if jumped:
            self._correction += lag - self._lag
            offset += lag - self._lag
            lag = self._lag
        elif self._correction and lag < 0.0:
            # No sample arrives before it was measured, so those at the jump had arrived late.
            self._correction += lag
            offset += lag
            lag = 0.0
        self._last, self._lag = last, max(lag, 0.0)
        self._check_behind(lag, arrived)
        return Mapping(offset, jumped)

    def _check_behind(self, lag: float, arrived: float) -> None:
        """Refuse stamps that stay in the past: a backlog would be caught up with."""
        if lag < _BEHIND_SECONDS:
            self._behind = None
        elif self._behind is None or lag < self._behind[1] - _BACK_SECONDS:
            self._behind = arrived, lag
        elif arrived - self._behind[0] >= _BEHIND_FOR_SECONDS:
            raise ClockError(
                f"found time stamps {lag:.0f} s behind this machine's LSL clock, although samples "
                f"keep arriving, {_EXPECTED}"
            )

    def _begin(self, last: float, clock_offset: float, arrived: float, utc: float) -> bool:
        ahead = last + clock_offset - arrived
        if ahead <= _FIRST_FUTURE_SECONDS:
            return False
        if abs(last - arrived - utc) <= _UNIX_SECONDS:
            return True
        raise ClockError(
            f"found time stamps {ahead:.0f} s ahead of this machine's LSL clock, {_EXPECTED}"
        )
