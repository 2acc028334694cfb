"""Locks on an event store: one process at a time makes its tables, and each name is used once.

The operating system or the server frees a lock whose process has ended, however it ended. The lock
files beside an SQLite file are empty.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from eeg_emotion.alarms.store.database import StoreError
from eeg_emotion.slug import slug

_OPENING_SECONDS = 30.0  # of another process; making the tables takes 0.1 s
# So that the server notices within 25 s that a machine with a lock has lost its power.
_KEEPALIVE = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")


class InstanceTaken(StoreError):
    """Another process uses the same name on the same event store.

    Parameters
    ----------
    instance, store
        The names.
    """

    def __init__(self, instance: str, store: str) -> None:
        super().__init__(
            f"the event store {store}: found it in use by another service named {instance!r}, "
            "expected one service of each name, since both would clear the same alarms. Stop the "
            "other service, give this one another name with --ingest (of 'eeg-emotion ingest': "
            "--name), or give it an event store of its own with --event-store"
        )


class InstanceLock(Protocol):
    """Holds an instance's name until it is released."""

    def renew(self) -> None:
        """Lock again if the connection to the server was lost.

        Raises
        ------
        InstanceTaken
            If another process has taken it in the meantime.
        StoreError
            If the server cannot be reached.
        """
        ...

    def release(self) -> None:
        """Release the lock."""
        ...


@contextlib.contextmanager
def opening(engine: Engine, store: str) -> Iterator[None]:
    """Keep other processes from opening the same SQLite file meanwhile.

    Two at once would fail: each changes the journal's mode, and makes tables that the other misses.
    For PostgreSQL, `lock_tables` does the same within the transaction.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    lock = _file_lock(engine, "opening")
    try:
        lock.acquire(timeout=_OPENING_SECONDS)
    except Timeout as error:
        raise StoreError(
            f"the event store {store}: found it being opened by another process for more than "
            f"{_OPENING_SECONDS:.0f} s, expected 0.1 s; end that process, and start again"
        ) from error
    except OSError as error:
        raise _unusable(store, error) from error
    try:
        yield
    finally:
        lock.release()


def lock_tables(connection: Connection) -> None:
    """Keep others from making the tables until the end of this transaction; on PostgreSQL alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("tables")})


def lock_instance(engine: Engine, instance: str, store: str) -> InstanceLock:
    """Reserve an instance's name on a store, or raise.

    Raises
    ------
    InstanceTaken
        If another process has it.
    StoreError
        If the lock cannot be used.
    """
    if engine.dialect.name == "sqlite":
        return _FileLock(engine, instance, store)
    return _ServerLock(engine, instance, store)


class _FileLock:
    """The lock of an instance on an SQLite file."""

    def __init__(self, engine: Engine, instance: str, store: str) -> None:
        self._lock = _file_lock(engine, slug(instance, "instance"))
        try:
            self._lock.acquire(blocking=False)
        except Timeout as error:
            raise InstanceTaken(instance, store) from error
        except OSError as error:
            raise _unusable(store, error) from error

    def renew(self) -> None:
        """Do nothing: no connection can be lost."""

    def release(self) -> None:
        self._lock.release()


class _ServerLock:
    """The lock of an instance on a PostgreSQL database, held by a connection of its own."""

    def __init__(self, engine: Engine, instance: str, store: str) -> None:
        self._engine = engine
        self._instance = instance
        self._store = store
        self._connection: Connection | None = None
        self.renew()

    def renew(self) -> None:
        if self._connection is not None:
            try:
                self._connection.execute(text("SELECT 1"))
            except SQLAlchemyError:
                self.release()
            else:
                return
        with _as_store_error(self._store):
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with _as_store_error(self._store):
                for setting in _KEEPALIVE:
                    connection.execute(text(f"SET {setting}"))
                wanted = text("SELECT pg_try_advisory_lock(:key)")
                taken = connection.scalar(wanted, {"key": _key(f"instance {self._instance}")})
            if not taken:
                raise InstanceTaken(self._instance, self._store)
        except StoreError:
            connection.invalidate()
            connection.close()
            raise
        self._connection = connection

    def release(self) -> None:
        if self._connection is not None:
            # Not back to the pool, which would keep the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def _as_store_error(store: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        why = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        raise StoreError(
            f"the event store {store}: found {why}, expected a database in which a name can be "
            "locked; check that the server runs and can be reached"
        ) from error


def _unusable(store: str, error: OSError) -> StoreError:
    return StoreError(
        f"the event store {store}: found {error.strerror or error} for a lock file beside it, "
        "expected a folder in which files can be created; choose another place, or change the "
        "folder's owner or mode"
    )


def _file_lock(engine: Engine, name: str) -> FileLock:
    file = Path(engine.url.database or "")
    # A lock object for each use: one that is shared could be taken twice by one process.
    return FileLock(file.with_name(f".{file.name}.{name}.lock"), mode=0o600, is_singleton=False)


def _key(name: str) -> int:
    """Return a lock's number on a server that other programs use, too."""
    digest = hashlib.sha256(f"eeg-emotion {name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
