"""The event store's tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

VERSION = 2
"""Incremented whenever a table changes; `EventStore` upgrades older ones."""

# A database may be shared with other programs, hence the prefix of each table's name. SQLite
# assigns row numbers by itself only if the key's type is INTEGER.
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

version = Table(
    "eeg_emotion_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

event = Table(
    "eeg_emotion_event",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("alarm", Text, nullable=False, index=True),
    Column("headset", Text, nullable=False, index=True),
    Column("change", Text, nullable=False),
    Column("time", Double, nullable=False, index=True),
    # The whole message as sent, so that fields added by a later release are not lost.
    Column("json", Text, nullable=False),
    # The service that raised the alarm; null if no service has claimed it yet.
    Column("instance", Text),
    sqlite_autoincrement=True,  # a purged event's number is never reused
)

delivery = Table(
    "eeg_emotion_delivery",
    metadata,
    Column("number", _NUMBER, ForeignKey(event.c.number, ondelete="CASCADE"), primary_key=True),
    Column("target", Text, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("due", Double, nullable=False),
    # Null while pending; then "delivered" or "given up", with the reason in `why`.
    Column("outcome", Text),
    Column("why", Text),
    Column("over", Double),
)

Index(
    "eeg_emotion_delivery_waiting",
    delivery.c.target,
    delivery.c.number,
    sqlite_where=delivery.c.outcome.is_(None),
    postgresql_where=delivery.c.outcome.is_(None),
)

rule = Table(
    "eeg_emotion_rule",
    metadata,
    Column("name", Text, primary_key=True),
    Column("json", Text, nullable=False),
)
