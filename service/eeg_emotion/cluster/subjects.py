"""Subjects on the broker.

A headset's messages have the subject ``emotion.v1.<site>.<headset>.<kind>``, so that any consumer
can select by site, headset or kind of message. Names that begin with an underscore, which no
headset's id does, are internal to this service.
"""

from __future__ import annotations

from collections.abc import Mapping

from eeg_emotion.publish.history import Position

PREFIX = "emotion.v1"
NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""The pattern of a site's or an ingest's name: like a headset's id, safe in a subject."""

EVERY_SITE = "*"

_ANNOUNCE, _INGEST, _INTEREST = "_roll", "_ingest", "_interest"
_NOTICE = "Emotion-Notice"


def message(site: str, headset: str, kind: str) -> str:
    """Return the subject of a headset's messages of one kind."""
    return f"{PREFIX}.{site}.{headset}.{kind}"


def announce(site: str) -> str:
    """Return the subject on which the ingests of a site announce the headsets they follow."""
    return f"{PREFIX}.{site}.{_ANNOUNCE}"


def ask(site: str, ingest: str) -> str:
    """Return the subject on which one ingest receives questions."""
    return f"{PREFIX}.{site}.{_INGEST}.{ingest}.ask"


def interest(site: str) -> str:
    """Return the subject on which gateways publish their subscriptions to details."""
    return f"{PREFIX}.{site}.{_INTEREST}"


def numbered(notice: Position) -> dict[str, str]:
    """Return the headers of a notice: the run of its ingest, and its number there."""
    return {_NOTICE: f"{notice.epoch} {notice.seq}"}


def number(headers: Mapping[str, str] | None) -> Position | None:
    """Return the run and number of a notice; None if the message has none.

    Raises
    ------
    ValueError
        If it is not understood.
    """
    if headers is None or (value := headers.get(_NOTICE)) is None:
        return None
    run, _, seq = value.partition(" ")
    return Position(run, int(seq))


def everything(site: str) -> list[str]:
    """Return the subjects that a gateway subscribes to for a site."""
    return [f"{PREFIX}.{site}.*.*", announce(site)]


def is_message(subject: str) -> bool:
    """Return whether a subject is that of a headset's message, not an internal one."""
    return not subject.removeprefix(f"{PREFIX}.").split(".")[1].startswith("_")
