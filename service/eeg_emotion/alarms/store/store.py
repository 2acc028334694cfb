"""Stores the events of alarms, pending deliveries, and rules added over REST.

An event and its deliveries are written in one transaction, so none is lost between the decision
and the delivery (the transactional outbox pattern).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Select,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from eeg_emotion.alarms.store import schema
from eeg_emotion.alarms.store.database import StoreError, open_database, use_journal
from eeg_emotion.alarms.store.locks import InstanceLock, lock_instance, lock_tables, opening
from eeg_emotion.alarms.store.purging import OVER, Purged, purge
from eeg_emotion.publish.alarms import Alarm, AlarmChange

__all__ = ["Delivery", "EventStore", "StoreError", "Stored"]

_BATCH = 500  # events fetched at once while searching for those that the caller may read

_event = schema.event.c
_delivery = schema.delivery.c
_owned = schema.event.alias("owned").c


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored event and its number, which grows with each event."""

    number: int
    event: Alarm


@dataclass(frozen=True, slots=True)
class Delivery:
    """A pending delivery.

    Attributes
    ----------
    number
        The event's number.
    event
        The event.
    attempts
        The number of failed attempts.
    due
        The time of the next attempt, Unix seconds.
    """

    number: int
    event: Alarm
    attempts: int
    due: float


class EventStore:
    """Stores events in SQLite or PostgreSQL; each method is one transaction and may block.

    Safe to use from several threads. Services may share a database: an event belongs to the
    instance that records it, and so do its deliveries.

    Parameters
    ----------
    url
        `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`. Missing tables are created; an
        SQLite file is created readable by its owner only.
    instance
        The service's name, which no other process on the same store may have until `close`. Without
        one, events can be read and purged; those recorded are claimed by the next instance.

    Raises
    ------
    InstanceTaken
        If another process has the name.
    StoreError
        If the store cannot be opened, or another release created it.
    """

    def __init__(self, url: str, instance: str | None = None) -> None:
        self._engine = open_database(url)
        self._instance = instance
        self._lock: InstanceLock | None = None
        # Without the password.
        self._name = self._engine.url.render_as_string(hide_password=True)
        try:
            with opening(self._engine, self._name), self._as_store_errors():
                use_journal(self._engine)
                with self._begin() as connection:
                    lock_tables(connection)
                    schema.metadata.create_all(connection)
                    self._upgrade(connection)
            if instance is not None:
                self._claim(instance)
        except BaseException:
            self.close()
            raise

    def _upgrade(self, connection: Connection) -> None:
        found = connection.scalars(select(schema.version.c.version)).all()
        if not found:
            connection.execute(insert(schema.version).values(version=schema.VERSION))
        elif found == [1]:
            connection.execute(text("ALTER TABLE eeg_emotion_event ADD COLUMN instance TEXT"))
            connection.execute(update(schema.version).values(version=schema.VERSION))
        elif found != [schema.VERSION]:
            raise StoreError(
                f"the event store {self._name}: found tables of version "
                f"{', '.join(map(str, found))}, expected {schema.VERSION}; use the release "
                "that created it, or another database"
            )

    def _claim(self, instance: str) -> None:
        self._lock = lock_instance(self._engine, instance, self._name)
        with self._begin() as connection:
            # Of a release that did not distinguish them.
            unclaimed = update(schema.event).where(_event.instance.is_(None))
            connection.execute(unclaimed.values(instance=instance))

    def close(self) -> None:
        """Release the instance's name, and close all connections."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._engine.dispose()

    def renew(self) -> None:
        """Make sure that this instance still has its name, after a restart of the server.

        Raises
        ------
        StoreError
        """
        if self._lock is not None:
            self._lock.renew()

    def check(self) -> None:
        """Check that the store can be read.

        Raises
        ------
        StoreError
        """
        with self._begin() as connection:
            connection.execute(select(schema.version.c.version)).one()

    # Events

    def record(self, events: Sequence[Alarm], targets: Sequence[str], time: float) -> list[Stored]:
        """Store events, each with a pending delivery to every one of these targets.

        Parameters
        ----------
        events
            Those whose id is stored already are skipped.
        targets
            The names of the targets.
        time
            The current time, Unix seconds.

        Returns
        -------
        The events that were new.
        """
        by_id = {event.id: event for event in events}
        new: list[Stored] = []
        with self._begin() as connection:
            known = set(connection.scalars(select(_event.id).where(_event.id.in_(by_id))))
            for event in by_id.values():
                if event.id in known:
                    continue
                number = connection.scalars(
                    insert(schema.event)
                    .values(
                        id=event.id,
                        alarm=event.alarm,
                        headset=event.headset,
                        change=event.change.value,
                        time=event.time,
                        json=event.encode(),
                        instance=self._instance,
                    )
                    .returning(_event.number)
                ).one()
                new.append(Stored(number, event))
            rows = [
                {"number": stored.number, "target": target, "attempts": 0, "due": time}
                for stored in new
                for target in targets
            ]
            if rows:
                connection.execute(insert(schema.delivery), rows)
        return new

    def raised(self) -> list[tuple[Alarm, Alarm | None]]:
        """Return this instance's raised alarms, oldest first, each with any acknowledgement."""
        of_raised = select(_event.number, _event.json).order_by(_event.number)
        of_raised = of_raised.where(~OVER, _event.instance.is_not_distinct_from(self._instance))
        first: dict[str, Alarm] = {}
        acknowledged: dict[str, Alarm] = {}
        for stored in self._read(of_raised):
            into = first if stored.event.change is AlarmChange.RAISED else acknowledged
            into[stored.event.alarm] = stored.event
        return [(event, acknowledged.get(alarm)) for alarm, event in first.items()]

    def events(
        self,
        *,
        may_read: Callable[[str], bool],
        headset: str | None,
        raised: bool,
        before: int | None,
        limit: int,
    ) -> list[Stored]:
        """Return events, newest first.

        Parameters
        ----------
        may_read
            Returns whether the caller may read the events of a headset.
        headset
            Restricts them to this headset; None for all.
        raised
            Restricts them to alarms that are raised.
        before
            Restricts them to lower numbers; None for no bound.
        limit
            The most events to return.
        """
        wanted = select(_event.number, _event.json).order_by(_event.number.desc()).limit(_BATCH)
        if headset is not None:
            wanted = wanted.where(_event.headset == headset)
        if raised:
            wanted = wanted.where(~OVER)
        found: list[Stored] = []
        while len(found) < limit:
            batch = self._read(wanted if before is None else wanted.where(_event.number < before))
            found += [stored for stored in batch if may_read(stored.event.headset)]
            if len(batch) < _BATCH:
                break
            before = batch[-1].number
        return found[:limit]

    def purge(self, before: float | None, headset: str | None) -> Purged:
        """Delete events and their pending deliveries.

        Parameters
        ----------
        before
            Delete events older than this, Unix seconds; None for any age.
        headset
            Delete events of this headset only, sparing those of alarms that a running service has
            raised; None for all headsets, sparing the events of all raised alarms.
        """
        with self._as_store_errors():
            return purge(self._engine, self._name, before, headset)

    # Deliveries

    def next_delivery(self, target: str) -> Delivery | None:
        """Return this instance's oldest pending delivery to a target; None if there is none."""
        with self._begin() as connection:
            row = connection.execute(
                select(_event.number, _event.json, _delivery.attempts, _delivery.due)
                .join_from(schema.delivery, schema.event)
                .where(_delivery.target == target, _delivery.outcome.is_(None), self._own())
                .order_by(_delivery.number)
                .limit(1)
            ).one_or_none()
        if row is None:
            return None
        return Delivery(row.number, self._parse(row.json), row.attempts, row.due)

    def delivered(self, target: str, number: int, time: float) -> None:
        """Record that an event was delivered."""
        self._end(target, number, time, "delivered", None)

    def given_up(self, target: str, number: int, time: float, why: str) -> None:
        """Record that a delivery was given up, and why."""
        self._end(target, number, time, "given up", why)

    def postponed(self, target: str, number: int, due: float, why: str) -> None:
        """Record a failed attempt and why it failed; the next one is due at `due`."""
        with self._begin() as connection:
            connection.execute(
                update(schema.delivery)
                .where(_delivery.target == target, _delivery.number == number)
                .values(attempts=_delivery.attempts + 1, due=due, why=why)
            )

    def waiting(self) -> dict[str, int]:
        """Return the number of this instance's pending deliveries, by target."""
        with self._begin() as connection:
            rows = connection.execute(
                select(_delivery.target, func.count().label("waiting"))
                .where(_delivery.outcome.is_(None), self._own())
                .group_by(_delivery.target)
            )
            return {row.target: row.waiting for row in rows}

    def keep_targets(self, targets: Collection[str], time: float) -> int:
        """Abandon this instance's pending deliveries to any other target; return how many."""
        with self._begin() as connection:
            return _changed(
                connection.execute(
                    update(schema.delivery)
                    .where(_delivery.outcome.is_(None), _delivery.target.not_in(targets))
                    .where(self._own())
                    .values(outcome="given up", why="the target is no longer set", over=time)
                )
            )

    def _own(self) -> ColumnElement[bool]:
        """Select deliveries of this instance's events."""
        own = _owned.instance.is_not_distinct_from(self._instance)
        return exists().where(_owned.number == _delivery.number, own).correlate(schema.delivery)

    def _end(self, target: str, number: int, time: float, outcome: str, why: str | None) -> None:
        with self._begin() as connection:
            connection.execute(
                update(schema.delivery)
                .where(_delivery.target == target, _delivery.number == number)
                .values(attempts=_delivery.attempts + 1, outcome=outcome, why=why, over=time)
            )

    # Rules

    def rules(self) -> dict[str, str]:
        """Return each rule's JSON by its name."""
        with self._begin() as connection:
            rows = connection.execute(select(schema.rule).order_by(schema.rule.c.name))
            return {row.name: row.json for row in rows}

    def put_rule(self, name: str, text: str) -> None:
        """Store a rule, replacing any rule of the same name."""
        with self._begin() as connection:
            connection.execute(delete(schema.rule).where(schema.rule.c.name == name))
            connection.execute(insert(schema.rule).values(name=name, json=text))

    def delete_rule(self, name: str) -> bool:
        """Delete a rule; return whether it existed."""
        with self._begin() as connection:
            gone = delete(schema.rule).where(schema.rule.c.name == name)
            return _changed(connection.execute(gone)) > 0

    # Shared

    def _read(self, wanted: Select[Any]) -> list[Stored]:
        with self._begin() as connection:
            rows = connection.execute(wanted).all()
        return [Stored(row.number, self._parse(row.json)) for row in rows]

    def _parse(self, json: str) -> Alarm:
        try:
            return Alarm.model_validate_json(json, extra="ignore")
        except ValidationError as error:
            raise StoreError(
                f"the event store {self._name}: found an event that this release cannot read "
                f"({error.error_count()} errors), expected one that it can; use the release that "
                "wrote it, or another database"
            ) from error

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._as_store_errors(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _as_store_errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            # The driver's own message; SQLAlchemy's contains the statement and its values.
            why = str(getattr(error, "orig", None) or type(error).__name__).strip()
            raise StoreError(
                f"the event store {self._name}: found {' '.join(why.split())}, expected a database "
                "that can be read and written; check that the server runs, that the file and its "
                "folder are writable, and that 'event_store' names the right database"
            ) from error


def _changed(result: CursorResult[Any]) -> int:
    return result.rowcount
