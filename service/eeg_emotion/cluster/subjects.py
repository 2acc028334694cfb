"""Names on the broker.

A headset's messages are at ``emotion.v1.<site>.<headset>.<kind>``, so that a consumer of any kind
may choose by site, by headset, or by what it is told. Names that begin with an underscore, which
no headset's id does, are for the parts of this service among themselves.
"""

from __future__ import annotations

PREFIX = "emotion.v1"
NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
"""Of a site or an ingest: as headsets' ids, safe in a subject."""

EVERY_SITE = "*"

_ROLL, _INGEST, _INTEREST = "_roll", "_ingest", "_interest"


def message(site: str, headset: str, kind: str) -> str:
    """Return the subject of a headset's messages of one kind."""
    return f"{PREFIX}.{site}.{headset}.{kind}"


def roll(site: str) -> str:
    """Return the subject at which the ingests of a site say what they follow."""
    return f"{PREFIX}.{site}.{_ROLL}"


def ask(site: str, ingest: str) -> str:
    """Return the subject at which one ingest is asked."""
    return f"{PREFIX}.{site}.{_INGEST}.{ingest}.ask"


def interest(site: str) -> str:
    """Return the subject at which gateways say what is looked at."""
    return f"{PREFIX}.{site}.{_INTEREST}"


def everything(site: str) -> list[str]:
    """Return the subjects of all that a gateway hears of a site, questions not among it."""
    return [f"{PREFIX}.{site}.*.*", roll(site)]


def is_message(subject: str) -> bool:
    """Return whether it is a headset's message, and not a question to an ingest."""
    return not subject.removeprefix(f"{PREFIX}.").split(".")[1].startswith("_")
