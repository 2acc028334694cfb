"""All rules over all headsets: pure, driven by messages and the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from eeg_emotion.alarms.rules.alarm import Alarm
from eeg_emotion.alarms.rules.condition import Seen, all_hold
from eeg_emotion.alarms.rules.rule import Rule, Rules
from eeg_emotion.codes import State
from eeg_emotion.publish.alarms import AlarmChange
from eeg_emotion.publish.messages import Prediction, Status


@dataclass(frozen=True, slots=True)
class RuleEvent:
    """An alarm that was raised or cleared, and the evidence.

    Attributes
    ----------
    alarm
        Its id, the same when raised and when cleared.
    rule, headset
        The rule, and the headset's id.
    change
        Raised or cleared.
    time
        Unix seconds: the end of the window that decided it, or the time of the status.
    seen
        What was known about the headset then.
    """

    alarm: str
    rule: Rule
    headset: str
    change: AlarmChange
    time: float
    seen: Seen


@dataclass(frozen=True, slots=True)
class StillRaised:
    """A raised alarm, and what raised it.

    Attributes
    ----------
    alarm
        Its id.
    digest
        Of the rule that raised it; None if a release raised it that did not keep this. Then the
        rule is taken to be unchanged: an upgrade by itself clears no alarm.
    """

    alarm: str
    digest: str | None = None


class RuleEngine:
    """Evaluates each message against the rules that apply to its headset.

    Parameters
    ----------
    rules
        The rules.
    raised
        The alarms still raised from before a restart, by headset and rule.
    instance
        The service's name, which makes its alarms' ids differ from those of others.
    """

    def __init__(
        self,
        rules: Rules,
        raised: Mapping[tuple[str, str], StillRaised] | None = None,
        *,
        instance: str = "",
    ) -> None:
        self._instance = instance
        self._rules = rules.rule
        self._raised = dict(raised or {})  # outlives `_alarms`: the headset may return
        self._seen: dict[str, Seen] = {}
        self._alarms: dict[str, list[Alarm]] = {}
        self._held: dict[tuple[str, str, int], bool] = {}

    def on_message(self, message: Prediction | Status, time: float) -> list[RuleEvent]:
        """Process a message, and return the changes of alarms that follow from it.

        Parameters
        ----------
        message
            A headset's prediction or status.
        time
            The time of a status, Unix seconds; for a prediction its window's end is used instead.
        """
        if isinstance(message, Status):
            headset, state = message.headset.id, message.headset.state
            seen = self._seen.get(headset, Seen())
            live = state is State.LIVE
            seen = Seen(state, seen.prediction if live else None, message.headset.overloaded)
        else:
            headset, time = message.headset, message.window.end
            seen = replace(self._seen.get(headset, Seen()), prediction=message)
        self._seen[headset] = seen
        return list(self._evaluate(headset, time))

    def tick(self, time: float) -> list[RuleEvent]:
        """Evaluate the rules on headsets that send nothing or are not read, by the time alone."""
        return [
            event
            for headset, seen in self._seen.items()
            if seen.state is not State.LIVE or seen.overloaded
            for event in self._evaluate(headset, time)
        ]

    def alarms(self, headset: str) -> list[Alarm]:
        """Return the state of each rule that applies to a headset."""
        if headset not in self._alarms:
            self._alarms[headset] = [
                Alarm(
                    rule,
                    headset,
                    None if kept is None else kept.alarm,
                    instance=self._instance,
                )
                for rule in self._rules
                if rule.concerns(headset)
                for kept in [self._raised.get((headset, rule.name))]
            ]
        return self._alarms[headset]

    def use(self, rules: Rules) -> list[tuple[str, str, str]]:
        """Replace the rules, or put the first ones in force; unchanged rules keep their state.

        Returns
        -------
        Raised alarms left without the rule that raised them: headset, rule and id of each.
        """
        before = {rule.name: rule for rule in self._rules}
        after = {rule.name: rule for rule in rules.rule}
        changed = {name for name in before if before[name] != after.get(name)}
        self._rules = rules.rule
        for headset, alarms in self._alarms.items():
            same = {alarm.rule.name: alarm for alarm in alarms if alarm.rule.name not in changed}
            self._alarms[headset] = [
                same.get(rule.name) or Alarm(rule, headset, instance=self._instance)
                for rule in rules.rule
                if rule.concerns(headset)
            ]
        self._held = {key: held for key, held in self._held.items() if key[1] not in changed}
        orphans = []
        for (headset, name), kept in list(self._raised.items()):
            rule = after.get(name)
            digest = None if rule is None or not rule.concerns(headset) else rule.digest
            if digest is None or kept.digest not in (None, digest):
                orphans.append((headset, name, kept.alarm))
                del self._raised[headset, name]
            else:
                self._raised[headset, name] = StillRaised(kept.alarm, digest)
        return orphans

    def forget(self, headset: str) -> None:
        """Drop the state of a headset that is no longer listed; its alarms stay raised."""
        self._seen.pop(headset, None)
        self._alarms.pop(headset, None)
        for key in [key for key in self._held if key[0] == headset]:
            del self._held[key]

    def _evaluate(self, headset: str, time: float) -> Iterator[RuleEvent]:
        seen = self._seen[headset]
        for alarm in self.alarms(headset):
            rule = alarm.rule
            changed = alarm.answer(self._holds(rule, headset, seen), time)
            if changed is None:
                continue
            if alarm.alarm is None:
                self._raised.pop((headset, rule.name), None)
            else:
                self._raised[headset, rule.name] = StillRaised(alarm.alarm, rule.digest)
            yield RuleEvent(changed.alarm, rule, headset, changed.change, changed.time, seen)

    def _holds(self, rule: Rule, headset: str, seen: Seen) -> bool | None:
        window = seen.prediction
        poor = window is not None and window.quality < rule.quality_at_least
        answers = []
        for place, condition in enumerate(rule.when):
            key = headset, rule.name, place
            unknown = poor and condition.on_score
            answer = None if unknown else condition.holds(seen, self._held.get(key, False))
            if answer is not None:
                self._held[key] = answer
            answers.append(answer)
        return all_hold(answers)
