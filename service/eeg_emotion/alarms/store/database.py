"""The event store's database, opened so that every commit is durable."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from eeg_emotion.errors import EegEmotionError

_BUSY_SECONDS = 5  # how long another process may lock an SQLite file
_CONNECT_SECONDS = 5


class StoreError(EegEmotionError):
    """The event store cannot be read or written."""


def open_database(url: str) -> Engine:
    """Return the engine for a URL, without connecting yet.

    Raises
    ------
    StoreError
        If the URL is for neither SQLite nor PostgreSQL, or the SQLite file cannot be created.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Its message contains the URL, which may hold a password.
        raise _no_url("no URL") from None
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,  # survives a restart of the server without an error
                connect_args={"connect_timeout": _CONNECT_SECONDS},
            )
        case other:
            raise _no_url(f"a URL of {other!r}")


def _no_url(found: str) -> StoreError:
    return StoreError(
        f"the event store: found {found}, expected sqlite:///PATH or "
        "postgresql://USER:PASSWORD@HOST/NAME; set 'event_store'"
    )


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise _no_url("an SQLite URL without a file")
    file = Path(url.database)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created before SQLite does it, because events are personal data that nobody else may
        # read. The journal takes the same mode.
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(
            f"the event store {file}: found {error.strerror}, expected a folder in which the file "
            "can be created; choose another place, or change the folder's owner or mode"
        ) from error
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def use_journal(engine: Engine) -> None:
    """Set an SQLite file's journal such that readers do not block a writer; the file keeps it."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode = WAL"))


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "synchronous = FULL",  # a commit survives a power cut
        "foreign_keys = ON",
        "secure_delete = ON",  # purged rows do not stay readable in the file
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
