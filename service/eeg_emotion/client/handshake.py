"""A client's first messages: who it is, what it follows, and where it resumes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eeg_emotion.publish.history import Position
from eeg_emotion.publish.requests import EVERY_HEADSET, MAX_SUBSCRIPTIONS

LARGEST_MESSAGE = 4096
"""The largest message that the service accepts, in bytes."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The first messages of a connection.

    Attributes
    ----------
    texts
        The messages as JSON, in order; the first is `hello`.
    names
        The subscriptions: each gets one answer.
    """

    texts: tuple[str, ...]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """The requests in one message, or an indivisible part of it."""

    names: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    resume: dict[str, Position] = field(default_factory=dict)

    def __add__(self, other: _Part) -> _Part:
        return _Part(
            self.names + other.names, self.detail + other.detail, self.resume | other.resume
        )


def make_opening(
    token: str | None,
    headsets: Iterable[str],
    detail: Iterable[str],
    positions: Mapping[str, Position],
) -> Opening:
    """Return the first messages of a connection, none larger than the service accepts.

    Parameters
    ----------
    token
        A key or token, if credentials are required.
    headsets
        Ids; ``*`` for all.
    detail
        Headsets whose details are wanted; ``*`` for all that are followed.
    positions
        The position of the last prediction of each headset.
    """
    asked = list(dict.fromkeys(headsets))
    named = [name for name in asked if name != EVERY_HEADSET]
    parts = [_resumed(name, positions) for name in named]
    if EVERY_HEADSET in asked:
        # The service resumes a headset only when the client starts to follow it, so no resume may
        # come after the `*`. Those that do not fit next to it are subscribed to by name before.
        others = [name for name in positions if name not in named]
        everything, left = _fill(_Part((EVERY_HEADSET,)), others, positions)
        room = max(0, MAX_SUBSCRIPTIONS - 1 - len(named))
        parts += [_resumed(name, positions) for name in left[:room]]
        parts.append(everything)
    parts += [_Part(detail=(name,)) for name in dict.fromkeys(detail)]

    texts: list[str] = []
    message = _Part()
    for part in parts:
        grown = message + part
        if _fits(_write(grown, token, first=not texts)):
            message = grown
        else:
            texts.append(_write(message, token, first=not texts))
            message = part
    texts.append(_write(message, token, first=not texts))
    return Opening(tuple(texts), frozenset(name for part in parts for name in part.names))


def _resumed(name: str, positions: Mapping[str, Position]) -> _Part:
    return _Part((name,), resume={name: positions[name]} if name in positions else {})


def _fill(
    part: _Part, names: list[str], positions: Mapping[str, Position]
) -> tuple[_Part, list[str]]:
    """Add positions to a part while it fits a message; return it, and the remaining names."""
    for index, name in enumerate(names):
        grown = part + _Part(resume={name: positions[name]})
        if not _fits(_write(grown, None, first=False)):
            return part, names[index:]
        part = grown
    return part, []


def _write(part: _Part, token: str | None, *, first: bool) -> str:
    message: dict[str, Any] = {"type": "hello" if first else "subscribe"}
    if first:
        message |= {"acknowledges": True} | ({} if token is None else {"token": token})
    message["subscribe" if first else "headsets"] = part.names
    if part.detail:
        message["detail"] = part.detail
    if part.resume:
        message["resume"] = {
            name: {"epoch": position.epoch, "seq": position.seq}
            for name, position in part.resume.items()
        }
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _fits(text: str) -> bool:
    return len(text.encode()) <= LARGEST_MESSAGE
