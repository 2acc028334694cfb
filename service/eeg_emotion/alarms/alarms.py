"""The alarms of all headsets: evaluated, stored, then published and delivered.

A change of an alarm is written to the event store, together with its pending deliveries, in one
transaction, before it is published. So no published change is lost, and a delivery interrupted by
a crash is repeated under the same id. If the store fails, the change is published nevertheless,
and writing is retried until it succeeds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eeg_emotion.alarms.event_sink import EventSink, Target
from eeg_emotion.alarms.rulebook import Rulebook
from eeg_emotion.alarms.rules.condition import Seen
from eeg_emotion.alarms.rules.engine import RuleEngine, RuleEvent, StillRaised
from eeg_emotion.alarms.rules.rule import Rule, Rules
from eeg_emotion.alarms.store.store import StoreError
from eeg_emotion.codes import Reason
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.alarms import Alarm, AlarmChange, Evidence, RaisedAlarm
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Prediction, Status

logger = get_logger(__name__)

_TICK_SECONDS = 0.5  # the most by which a dwell on a state ends late

UNWRITTEN_SECONDS = 1.0
"""After which a change is sent although it is not written: an alarm must not wait for a disk."""
_RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # between attempts to write to a failed store
_MOST_UNWRITTEN = 10_000  # about 10 MB if the store fails for hours; the oldest are dropped


class AlarmRefused(EegEmotionError):
    """An alarm cannot be acknowledged."""


class UnknownAlarm(AlarmRefused):
    """No raised alarm has this id.

    Parameters
    ----------
    alarm
        The id.
    """

    def __init__(self, alarm: str) -> None:
        super().__init__(
            f"found no raised alarm {alarm!r} of this service; /v1/alarms?raised=true lists the "
            "raised ones, and where services share an event store, acknowledge an alarm at the one "
            "that raised it"
        )


class Alarms:
    """Evaluates the rules on the bus's messages, and publishes changes of alarms to the bus.

    Parameters
    ----------
    written
        The rules read from files.
    sink
        Stores the events.
    bus
        The source of predictions and states, and where changes of alarms are published.
    targets
        Where changes are delivered.
    model_simulated
        Whether the model was trained on simulated people.
    observe
        Called with each change that is published.
    utc
        Returns the time, Unix seconds.
    clock
        A monotonic clock, seconds; measures how long the store takes.
    instance
        The service's name, part of its alarms' ids.

    Attributes
    ----------
    trouble
        Why the store cannot be written; None while it can.
    """

    def __init__(
        self,
        written: Rules,
        sink: EventSink,
        bus: Bus,
        *,
        targets: Sequence[Target],
        model_simulated: bool,
        observe: Callable[[Alarm], None],
        utc: Callable[[], float],
        clock: Callable[[], float],
        instance: str = "",
    ) -> None:
        self.trouble: str | None = None
        self._sink = sink
        self._bus = bus
        self._targets = targets
        self._model_simulated = model_simulated
        self._observe = observe
        self._utc = utc
        self._clock = clock
        self._book = Rulebook(written, sink)
        self._raised = {
            raised.alarm: (raised, _as_raised(raised, acknowledged))
            for raised, acknowledged in sink.raised()
        }
        self._simulated: dict[str, bool] = {}
        self._unwritten: deque[_Unwritten] = deque()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._engine = RuleEngine(
            Rules(),
            {
                (raised.headset, raised.rule): StillRaised(alarm, raised.rule_digest)
                for alarm, (raised, _) in self._raised.items()
            },
            instance=instance,
        )
        self._use()
        bus.listen(self.on_message)

    async def run(self) -> None:
        """Evaluate rules as time passes, and write and publish changes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            tasks.create_task(self._write())

    # Input

    def on_message(self, message: Prediction | Status) -> None:
        """Judge a message of the bus."""
        if isinstance(message, Status) and message.headset.simulated is not None:
            self._simulated[message.headset.id] = message.headset.simulated
        self._decide(self._engine.on_message(message, self._utc()))

    def forget(self, headset: str) -> None:
        """Drop the state of a headset that is no longer listed; its alarms stay raised."""
        self._engine.forget(headset)

    def raised(self, headset: str) -> tuple[RaisedAlarm, ...]:
        """Return a headset's raised alarms, oldest first."""
        found = (alarm for first, alarm in self._raised.values() if first.headset == headset)
        return tuple(sorted(found, key=lambda alarm: alarm.since))

    @property
    def unwritten(self) -> int:
        """The number of events not yet in the store."""
        return len(self._unwritten)

    # Requests

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return self._book

    async def put_rule(self, rule: Rule) -> None:
        """Put a rule in force; the alarms of a rule that it replaces are cleared.

        Raises
        ------
        RuleRefused, StoreError
        """
        await asyncio.to_thread(self._book.put, rule)
        self._use()

    async def delete_rule(self, name: str) -> bool:
        """Delete a rule and clear its alarms; return whether it existed.

        Raises
        ------
        RuleRefused, StoreError
        """
        existed = await asyncio.to_thread(self._book.delete, name)
        self._use()
        return existed

    def headset_of(self, alarm: str) -> str:
        """Return the id of the headset that an alarm belongs to.

        Raises
        ------
        UnknownAlarm
            If the alarm is not raised.
        """
        return self._find(alarm)[0].headset

    async def acknowledge(self, alarm: str, by: str, note: str | None) -> Alarm:
        """Acknowledge an alarm; it stays raised.

        Parameters
        ----------
        alarm
            Its id.
        by
            Who acknowledges it.
        note
            A remark of theirs, if any.

        Returns
        -------
        The change that is published.

        Raises
        ------
        UnknownAlarm
            If the alarm is not raised.
        AlarmRefused
            If it has been acknowledged already.
        StoreError
            If the acknowledgement cannot be written; then the alarm is not acknowledged.
        """
        async with self._writing:
            raised, now = self._find(alarm)
            if now.acknowledged_by is not None:
                raise AlarmRefused(
                    f"found the alarm {alarm} already acknowledged by {now.acknowledged_by}, "
                    "expected one that is not; there is nothing left to do"
                )
            for unwritten in [item.event for item in self._unwritten]:
                # The store must have its beginning first. Writing an event twice stores it once.
                await asyncio.to_thread(self._record, unwritten)
            event = raised.model_copy(
                update={
                    "id": f"{alarm}.{AlarmChange.ACKNOWLEDGED}",
                    "change": AlarmChange.ACKNOWLEDGED,
                    "time": self._utc(),
                    "by": by,
                    "note": note,
                    "evidence": None,
                }
            )
            await asyncio.to_thread(self._record, event)
            # It may have been cleared in the meantime.
            if alarm in self._raised:
                self._raised[alarm] = raised, now.model_copy(update={"acknowledged_by": by})
            self._publish(event)
            for target in self._targets:
                target.wake()
        return event

    def _find(self, alarm: str) -> tuple[Alarm, RaisedAlarm]:
        found = self._raised.get(alarm)
        if found is None:
            raise UnknownAlarm(alarm)
        return found

    # Output

    def _use(self) -> None:
        orphans = self._engine.use(self._book.rules)
        for _, _, alarm in orphans:
            raised, _ = self._raised[alarm]
            self._note(
                raised.model_copy(
                    update={
                        "id": f"{alarm}.{AlarmChange.CLEARED}",
                        "change": AlarmChange.CLEARED,
                        "time": self._utc(),
                        "note": "its rule was changed or is no longer in force",
                        "evidence": None,
                    }
                )
            )

    def _decide(self, events: Sequence[RuleEvent]) -> None:
        for event in events:
            rule = event.rule
            self._note(
                Alarm(
                    id=f"{event.alarm}.{event.change}",
                    alarm=event.alarm,
                    headset=event.headset,
                    rule=rule.name,
                    rule_digest=rule.digest,
                    severity=rule.severity,
                    text=rule.text,
                    change=event.change,
                    time=event.time,
                    by=None,
                    note=None,
                    evidence=_evidence(event.seen),
                    simulated=self._model_simulated or self._simulated.get(event.headset, False),
                )
            )

    def _note(self, event: Alarm) -> None:
        if event.change is AlarmChange.RAISED:
            self._raised[event.alarm] = event, _as_raised(event, None)
        else:
            self._raised.pop(event.alarm, None)
        if len(self._unwritten) == _MOST_UNWRITTEN:
            lost = self._unwritten.popleft().event
            logger.error("event lost: the event store fails", id=lost.id)
        self._unwritten.append(_Unwritten(event, self._clock()))
        self._wake.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._decide(self._engine.tick(self._utc()))
            late = self._clock() - UNWRITTEN_SECONDS
            for item in self._unwritten:
                if item.since <= late:
                    self._publish_once(item)

    async def _write(self) -> None:
        failed = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write_all()
            except StoreError as error:
                self.trouble = str(error)
                logger.error("events not written yet", waiting=len(self._unwritten), why=str(error))
                await asyncio.sleep(_RETRY_SECONDS[min(failed, len(_RETRY_SECONDS) - 1)])
                failed += 1
                self._wake.set()
            else:
                self.trouble = None
                failed = 0

    async def _write_all(self) -> None:
        while self._unwritten:
            async with self._writing:
                item = self._unwritten[0]
                await asyncio.to_thread(self._record, item.event)
                if self._unwritten and self._unwritten[0] is item:
                    self._unwritten.popleft()
                self._publish_once(item)
                for target in self._targets:
                    target.wake()

    def _record(self, event: Alarm) -> None:
        targets = [target.name for target in self._targets if target.wants(event)]
        self._sink.record([event], targets, self._utc())

    def _publish_once(self, item: _Unwritten) -> None:
        if not item.published:
            item.published = True
            self._publish(item.event)

    def _publish(self, event: Alarm) -> None:
        # Without the rule's name, which reveals how a person seems to feel: that is never logged.
        logger.info("alarm told", id=event.id, headset=event.headset)
        self._observe(event)
        self._bus.publish(event)


@dataclass(slots=True)
class _Unwritten:
    """An event not yet in the store."""

    event: Alarm
    since: float
    published: bool = False


def _as_raised(raised: Alarm, acknowledged: Alarm | None) -> RaisedAlarm:
    return RaisedAlarm(
        alarm=raised.alarm,
        rule=raised.rule,
        severity=raised.severity,
        text=raised.text,
        since=raised.time,
        acknowledged_by=None if acknowledged is None else acknowledged.by,
    )


def _evidence(seen: Seen) -> Evidence:
    window = seen.prediction
    return Evidence(
        state=seen.state,
        epoch=None if window is None else window.epoch,
        seq=None if window is None else window.seq,
        arousal=None if window is None else window.arousal.probability,
        valence=None if window is None else window.valence.probability,
        quality=None if window is None else window.quality,
        reasons=_reasons(seen),
    )


def _reasons(seen: Seen) -> tuple[Reason, ...]:
    """Return why the newest window has no score; overload is a cause even without a window."""
    reasons = () if seen.prediction is None else seen.prediction.reasons
    if not seen.overloaded or Reason.OVERLOADED in reasons:
        return reasons
    return (Reason.OVERLOADED, *reasons)
