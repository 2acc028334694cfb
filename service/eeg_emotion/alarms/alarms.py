"""The alarms of all headsets: judged, kept, then told and delivered.

An alarm's change is written to the event store, with what is to be delivered where, in one
transaction, before anybody is told. So what anybody was told is never lost, and a delivery that a
crash interrupts is made again, under the same id. Where the store fails, subscribers are told all
the same, and the writing is tried again until it succeeds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from eeg_emotion.alarms.rulebook import Rulebook, RuleStore
from eeg_emotion.alarms.rules.condition import Seen
from eeg_emotion.alarms.rules.engine import RuleEngine, RuleEvent
from eeg_emotion.alarms.rules.rule import Rule, Rules
from eeg_emotion.alarms.store.store import StoreError
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.alarms import Alarm, AlarmChange, Evidence, RaisedAlarm
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Prediction, Status

logger = get_logger(__name__)

_TICK_SECONDS = 0.5  # a dwell on a state ends this late at most

UNWRITTEN_SECONDS = 1.0
"""After which a change is sent although it is not written: an alarm must not wait for a disk."""
_RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # until a store that failed is tried again
_MOST_UNWRITTEN = 10_000  # some 10 MB, should the store fail for hours; the oldest give way


class AlarmRefused(EegEmotionError):
    """An alarm cannot be acknowledged."""


class UnknownAlarm(AlarmRefused):
    """No alarm of this id is raised.

    Parameters
    ----------
    alarm
        The id.
    """

    def __init__(self, alarm: str) -> None:
        super().__init__(
            f"found no alarm {alarm!r} that is raised; /v1/alarms?raised=true lists them"
        )


class EventSink(RuleStore, Protocol):
    """Keeps events and what is to be delivered; `store.store.EventStore` says what fails."""

    def record(self, events: Sequence[Alarm], targets: Sequence[str], time: float) -> object:
        """Write events, each to be delivered to these targets, in one transaction."""
        ...

    def raised(self) -> list[tuple[Alarm, Alarm | None]]:
        """Return the alarms that are raised, with their acknowledgements."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where events are delivered.

    Attributes
    ----------
    name
        As the outbox names it.
    wants
        Tells whether an event is for it.
    wake
        Called when something new is to be delivered.
    """

    name: str
    wants: Callable[[Alarm], bool]
    wake: Callable[[], None]


class Alarms:
    """Judges what the bus carries, and tells what follows.

    Parameters
    ----------
    written
        The rules of files.
    keeper
        Keeps the events.
    bus
        What is judged, and where alarms are told.
    targets
        Where they are delivered.
    model_simulated
        Whether the model was trained on simulated people.
    observe
        Called with each change that is told.
    utc
        Unix seconds.
    clock
        Tells how long the store takes; seconds.

    Attributes
    ----------
    trouble
        Why the store cannot be written; None where it can.
    """

    def __init__(
        self,
        written: Rules,
        keeper: EventSink,
        bus: Bus,
        *,
        targets: Sequence[Target],
        model_simulated: bool,
        observe: Callable[[Alarm], None],
        utc: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.trouble: str | None = None
        self._keeper = keeper
        self._bus = bus
        self._targets = targets
        self._model_simulated = model_simulated
        self._observe = observe
        self._utc = utc
        self._clock = clock
        self._book = Rulebook(written, keeper)
        self._raised = {
            raised.alarm: (raised, _as_raised(raised, acknowledged))
            for raised, acknowledged in keeper.raised()
        }
        self._simulated: dict[str, bool] = {}
        self._unwritten: deque[_Unwritten] = deque()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._engine = RuleEngine(
            Rules(),
            {(raised.headset, raised.rule): alarm for alarm, (raised, _) in self._raised.items()},
        )
        self._use()
        bus.listen(self.on_message)

    async def run(self) -> None:
        """Watch the time, and write and return what was decided, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick())
            tasks.create_task(self._write())

    # What is judged

    def on_message(self, message: Prediction | Status) -> None:
        """Judge a message of the bus."""
        if isinstance(message, Status) and message.headset.simulated is not None:
            self._simulated[message.headset.id] = message.headset.simulated
        self._decide(self._engine.on_message(message, self._utc()))

    def forget(self, headset: str) -> None:
        """Drop what is known of a headset that is no longer listed; its alarms stay raised."""
        self._engine.forget(headset)

    def raised(self, headset: str) -> tuple[RaisedAlarm, ...]:
        """Return a headset's raised alarms, by when they were."""
        found = (alarm for first, alarm in self._raised.values() if first.headset == headset)
        return tuple(sorted(found, key=lambda alarm: alarm.since))

    @property
    def unwritten(self) -> int:
        """How many events the store does not have yet."""
        return len(self._unwritten)

    # What people do

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return self._book

    async def put_rule(self, rule: Rule) -> None:
        """Put a rule in force, in place of one of its name, whose alarms are cleared.

        Raises
        ------
        RuleRefused, StoreError
        """
        await asyncio.to_thread(self._book.put, rule)
        self._use()

    async def delete_rule(self, name: str) -> bool:
        """Delete a rule, and clear its alarms; return whether there was one.

        Raises
        ------
        RuleRefused, StoreError
        """
        there = await asyncio.to_thread(self._book.delete, name)
        self._use()
        return there

    def headset_of(self, alarm: str) -> str:
        """Tell whose alarm it is.

        Raises
        ------
        UnknownAlarm
            If it is not raised.
        """
        return self._find(alarm)[0].headset

    async def acknowledge(self, alarm: str, by: str, note: str | None) -> Alarm:
        """Note that somebody has seen an alarm; it stays raised.

        Returns
        -------
        What everybody is told.

        Raises
        ------
        UnknownAlarm
            If it is not raised.
        AlarmRefused
            If somebody has acknowledged it already.
        StoreError
            If it cannot be written; then it is not acknowledged.
        """
        async with self._writing:
            raised, now = self._find(alarm)
            if now.acknowledged_by is not None:
                raise AlarmRefused(
                    f"found the alarm {alarm} acknowledged by {now.acknowledged_by}, expected one "
                    "that is not"
                )
            for unwritten in [item.event for item in self._unwritten]:
                # Its beginning comes first in the store. Twice written it is there once.
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
            # It may have been cleared meanwhile.
            if alarm in self._raised:
                self._raised[alarm] = raised, now.model_copy(update={"acknowledged_by": by})
            self._tell(event)
            for target in self._targets:
                target.wake()
        return event

    def _find(self, alarm: str) -> tuple[Alarm, RaisedAlarm]:
        found = self._raised.get(alarm)
        if found is None:
            raise UnknownAlarm(alarm)
        return found

    # What follows

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
                    self._tell_once(item)

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
                self._tell_once(item)
                for target in self._targets:
                    target.wake()

    def _record(self, event: Alarm) -> None:
        targets = [target.name for target in self._targets if target.wants(event)]
        self._keeper.record([event], targets, self._utc())

    def _tell_once(self, item: _Unwritten) -> None:
        if not item.told:
            item.told = True
            self._tell(item.event)

    def _tell(self, event: Alarm) -> None:
        # Without the rule, whose name says how a person seems to be: no state of theirs is logged.
        logger.info("alarm told", id=event.id, headset=event.headset)
        self._observe(event)
        self._bus.publish(event)


@dataclass(slots=True)
class _Unwritten:
    """An event that the store does not have yet."""

    event: Alarm
    since: float
    told: bool = False


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
        reasons=() if window is None else window.reasons,
    )
