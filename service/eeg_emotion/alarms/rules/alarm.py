"""The state of one rule on one headset: pure, driven by answers and the time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from eeg_emotion.alarms.rules.rule import Rule
from eeg_emotion.publish.alarms import AlarmChange

_UNKNOWN_SECONDS = 10.0
"""How long windows without an answer may interrupt a dwell. Equal to the time after which a silent
headset is `lost`; a blink affects a single window."""


class Phase(StrEnum):
    """The state of a rule on a headset."""

    QUIET = "quiet"
    DWELLING = "dwelling"
    """Its conditions hold, but not yet for long enough."""
    RAISED = "raised"
    RELEASING = "releasing"
    """Its conditions no longer hold, but not yet for long enough."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An alarm that was raised or cleared.

    Attributes
    ----------
    alarm
        Its id: the same when raised and when cleared, and in a second run over the same signal.
    change
        Raised or cleared.
    time
        Unix seconds.
    """

    alarm: str
    change: AlarmChange
    time: float


class Alarm:
    """Whether a rule's alarm is raised for a headset.

    Only known answers count. While the answer is unknown, a dwell pauses and a raised alarm stays
    raised: silence does not show that a person has calmed down.

    Parameters
    ----------
    rule
        The rule.
    headset
        The headset's id.
    alarm
        The id of an alarm still raised from before a restart.
    instance
        The service's name: two that evaluate one rule on one headset raise two alarms.
    """

    def __init__(
        self, rule: Rule, headset: str, alarm: str | None = None, *, instance: str = ""
    ) -> None:
        self.rule = rule
        self._instance = instance
        self.headset = headset
        self.phase = Phase.QUIET if alarm is None else Phase.RAISED
        self.alarm = alarm
        """Its id while it is raised."""
        self.known = False
        """Whether the last answer was yes or no."""
        self._counted = 0.0
        self._answered: float | None = None
        self._quiet_until = float("-inf")

    def answer(self, holds: bool | None, time: float) -> Changed | None:
        """Advance by one answer.

        Parameters
        ----------
        holds
            Whether the rule's conditions hold; None if unknown.
        time
            The answer's time, Unix seconds; if it lies before the last one, no time has passed.

        Returns
        -------
        The change of the alarm, if there is one.
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
        # Time during which the answer was unknown is not counted.
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
        """How long the conditions have held so far; 0 unless the rule is dwelling."""
        return self._counted if self.phase is Phase.DWELLING else 0.0

    def _raise(self, time: float) -> Changed | None:
        if self._counted < self.rule.dwell_seconds or time < self._quiet_until:
            return None
        self.phase = Phase.RAISED
        text = f"{self._instance} {self.rule.name} {self.headset} {time:.6f}".lstrip()
        self.alarm = hashlib.sha256(text.encode()).hexdigest()[:32]
        return Changed(self.alarm, AlarmChange.RAISED, time)

    def _clear(self, time: float) -> Changed | None:
        if self._counted < self.rule.release_seconds:
            return None
        assert self.alarm is not None  # noqa: S101 - a raised alarm has an id
        over = Changed(self.alarm, AlarmChange.CLEARED, time)
        self.phase, self.alarm = Phase.QUIET, None
        self._quiet_until = time + self.rule.cooldown_seconds
        return over
