"""Deletes events, except those of alarms that a running service has raised.

That service has such an alarm in memory: with its events deleted, the store would say that nothing
is raised, the page that it is, and its rule could not raise another.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, delete, exists, func, or_, select, text

from eeg_emotion.alarms.store import schema
from eeg_emotion.alarms.store.locks import InstanceTaken, lock_instance
from eeg_emotion.publish.alarms import AlarmChange

_event = schema.event.c
_other = schema.event.alias("other")


def _has(change: AlarmChange) -> ColumnElement[bool]:
    return exists().where(_other.c.alarm == _event.alarm, _other.c.change == change)


OVER = or_(_has(AlarmChange.CLEARED), ~_has(AlarmChange.RAISED))
"""Selects the events of alarms that are not raised, including those whose beginning is purged."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did.

    Attributes
    ----------
    deleted
        The number of deleted events.
    kept
        The number of events of a headset that were to be deleted but belong to raised alarms of
        running services, by the service's name.
    """

    deleted: int
    kept: Mapping[str, int]


def purge(engine: Engine, store: str, before: float | None, headset: str | None) -> Purged:
    """Delete events and their pending deliveries.

    Parameters
    ----------
    engine, store
        The store's database and its name.
    before
        Delete events older than this, Unix seconds; None for any age.
    headset
        Delete events of this headset only, including those of alarms that a service raised which
        does not run now. None for all headsets, sparing the events of raised alarms.

    Raises
    ------
    StoreError, SQLAlchemyError
    """
    chosen = [] if before is None else [_event.time < before]
    may_go: ColumnElement[bool] = OVER
    kept: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        if headset is not None:
            chosen.append(_event.headset == headset)
            stopped = _stopped(engine, store, chosen, held)
            may_go = or_(OVER, _event.instance.is_(None), _event.instance.in_(stopped))
        with engine.begin() as connection:
            deleted = connection.execute(delete(schema.event).where(*chosen, may_go)).rowcount
            if headset is not None:
                left = select(_event.instance, func.count()).where(*chosen)
                rows = connection.execute(left.group_by(_event.instance).order_by(_event.instance))
                kept = {name: count for name, count in rows if name is not None}
    if deleted and engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            # Otherwise they would stay readable in the journal.
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return Purged(deleted, kept)


def _stopped(
    engine: Engine,
    store: str,
    chosen: Sequence[ColumnElement[bool]],
    held: contextlib.ExitStack,
) -> list[str]:
    """Return the services that raised these alarms and do not run, nor start until `held` ends."""
    wanted = select(_event.instance).where(and_(_event.instance.is_not(None), ~OVER, *chosen))
    with engine.begin() as connection:
        owners = connection.scalars(wanted.distinct()).all()
    stopped = []
    for owner in owners:
        with contextlib.suppress(InstanceTaken):
            held.callback(lock_instance(engine, owner, store).release)
            stopped.append(owner)
    return stopped
