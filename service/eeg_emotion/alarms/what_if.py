"""What rules would have done on a recording: the live path's windows through the live engine.

A recording never goes stale and is never lost, so conditions on the headset's state see "live" from
beginning to end; it cannot show an alarm about a lost signal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from eeg_emotion.alarms.rules.alarm import Phase
from eeg_emotion.alarms.rules.engine import RuleEngine
from eeg_emotion.alarms.rules.rule import Rule, Rules
from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import AlarmChange
from eeg_emotion.publish.messages import Headset, Prediction, Status


@dataclass(slots=True)
class Raised:
    """An alarm that would have been raised.

    Attributes
    ----------
    rule
        The rule that raises it.
    at, cleared
        Seconds since the recording's first sample; `cleared` is None if it is still raised at the
        end.
    seen
        The window that raised it, if one did.
    """

    rule: Rule
    at: float
    seen: Prediction | None
    cleared: float | None = None


@dataclass(slots=True)
class Tally:
    """Statistics of a rule.

    Attributes
    ----------
    rule
        The rule.
    held, did_not, unknown
        The number of windows in which its conditions held, did not hold, or were unknown.
    longest_dwell_seconds
        The longest dwell; at `rule.dwell_seconds` the alarm is raised.
    """

    rule: Rule
    held: int = 0
    did_not: int = 0
    unknown: int = 0
    longest_dwell_seconds: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What the rules would have done.

    Attributes
    ----------
    windows
        All windows, in order.
    raised
        The alarms, in order.
    tallies
        One for each rule that applies to the headset.
    """

    windows: list[Prediction] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)

    @property
    def alarms(self) -> Counter[str]:
        """Count the alarms by the rule's name."""
        return Counter(raised.rule.name for raised in self.raised)


def what_if(rules: Rules, headset: str, sfreq: float, predictions: Iterable[Prediction]) -> Outcome:
    """Evaluate rules on windows.

    Parameters
    ----------
    rules
        The rules.
    headset
        The headset id that the rules' patterns are matched against.
    sfreq
        The recording's sampling rate, Hz.
    predictions
        The windows in order, times in seconds since the first sample.
    """
    engine = RuleEngine(rules)
    live = Headset(
        id=headset, name=headset, state=State.LIVE, detail="a recording", simulated=None,
        epoch=None, sfreq=sfreq,
    )  # fmt: skip
    engine.on_message(Status(headset=live), 0.0)
    outcome = Outcome(tallies=[Tally(alarm.rule) for alarm in engine.alarms(headset)])
    open_alarms: dict[str, Raised] = {}
    for prediction in predictions:
        outcome.windows.append(prediction)
        for event in engine.on_message(prediction, prediction.window.end):
            if event.change is AlarmChange.RAISED:
                raised = Raised(event.rule, event.time, event.seen.prediction)
                open_alarms[event.alarm] = raised
                outcome.raised.append(raised)
            else:
                open_alarms.pop(event.alarm).cleared = event.time
        for alarm, tally in zip(engine.alarms(headset), outcome.tallies, strict=True):
            if not alarm.known:
                tally.unknown += 1
            elif alarm.phase in (Phase.DWELLING, Phase.RAISED):
                tally.held += 1
            else:
                tally.did_not += 1
            dwelt = alarm.rule.dwell_seconds if alarm.is_raised else alarm.dwelt_seconds
            tally.longest_dwell_seconds = max(tally.longest_dwell_seconds, dwelt)
    return outcome
