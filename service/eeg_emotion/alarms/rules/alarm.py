"""One rule on one headset: pure, fed with answers and with the time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from eeg_emotion.alarms.rules.rule import Rule
from eeg_emotion.publish.alarms import AlarmChange

_UNKNOWN_SECONDS = 10.0
"""How long a dwell may be interrupted by windows that say nothing. As long as a silent headset
takes to be `lost`; a blink is over in one window."""


class Phase(StrEnum):
    """Where a rule stands with a headset."""

    QUIET = "quiet"
    DWELLING = "dwelling"
    """It holds, but not yet for long enough."""
    RAISED = "raised"
    RELEASING = "releasing"
    """It no longer holds, but not yet for long enough."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An alarm that was raised or is over.

    Attributes
    ----------
    alarm
        The same for its beginning and its end, and for a second run over the same signal.
    time
        Unix seconds.
    """

    alarm: str
    change: AlarmChange
    time: float


class Alarm:
    """Whether a rule's alarm is raised for a headset.

    Only what is seen counts. While the answer is unknown a dwell stands still, and an alarm that
    was raised stays: silence is no proof that a person has calmed down.

    Parameters
    ----------
    rule
        The rule.
    headset
        The headset's id.
    alarm
        The id of one that is raised already, since before a restart.
    """

    def __init__(self, rule: Rule, headset: str, alarm: str | None = None) -> None:
        self.rule = rule
        self.headset = headset
        self.phase = Phase.QUIET if alarm is None else Phase.RAISED
        self.alarm = alarm
        """Its id while it is raised."""
        self.known = False
        """Whether the last answer was one."""
        self._counted = 0.0
        self._answered: float | None = None
        self._quiet_until = float("-inf")

    def answer(self, holds: bool | None, time: float) -> Changed | None:
        """Take an answer.

        Parameters
        ----------
        holds
            Whether the rule's conditions hold; None where that cannot be told.
        time
            When, Unix seconds; one before the last counts as no time.

        Returns
        -------
        What became of the alarm, if anything.
        """
        before, was_known = self._answered, self.known
        self.known = holds is not None
        if holds is None:
            interrupted = before is not None and time - before > _UNKNOWN_SECONDS
            if self.phase is Phase.DWELLING and interrupted:
                self.phase = Phase.QUIET
            elif self.phase is Phase.RELEASING and interrupted:
                self.phase = Phase.RAISED
            return None
        # Time in which nothing was known is not counted.
        passed = max(0.0, time - before) if before is not None and was_known else 0.0
        self._answered = time if before is None else max(before, time)
        raised = self.phase in (Phase.RAISED, Phase.RELEASING)
        if holds is raised:
            self.phase = Phase.RAISED if raised else Phase.QUIET
            return None
        if self.phase in (Phase.QUIET, Phase.RAISED):
            self.phase = Phase.RELEASING if raised else Phase.DWELLING
            self._counted = 0.0
        else:
            self._counted += passed
        return self._clear(time) if raised else self._raise(time)

    @property
    def is_raised(self) -> bool:
        """Return whether the alarm is raised."""
        return self.alarm is not None

    @property
    def dwelt_seconds(self) -> float:
        """For how long it has held towards an alarm; 0 where it does not or one is raised."""
        return self._counted if self.phase is Phase.DWELLING else 0.0

    def _raise(self, time: float) -> Changed | None:
        if self._counted < self.rule.dwell_seconds or time < self._quiet_until:
            return None
        self.phase = Phase.RAISED
        text = f"{self.rule.name} {self.headset} {time:.6f}"
        self.alarm = hashlib.sha256(text.encode()).hexdigest()[:32]
        return Changed(self.alarm, AlarmChange.RAISED, time)

    def _clear(self, time: float) -> Changed | None:
        if self._counted < self.rule.release_seconds:
            return None
        assert self.alarm is not None  # noqa: S101 - it is raised
        over = Changed(self.alarm, AlarmChange.CLEARED, time)
        self.phase, self.alarm = Phase.QUIET, None
        self._quiet_until = time + self.rule.cooldown_seconds
        return over
