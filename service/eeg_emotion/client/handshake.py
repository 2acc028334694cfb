"""What a client says first: who it is, what it follows, and where it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eeg_emotion.publish.history import Position
from eeg_emotion.publish.requests import EVERY_HEADSET, MAX_SUBSCRIPTIONS

LARGEST_MESSAGE = 4096
"""Bytes that the service takes in one message."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The first messages of a connection.

    Attributes
    ----------
    texts
        As JSON, in their order; the first is `hello`.
    names
        What is subscribed to: each gets one answer.
    """

    texts: tuple[str, ...]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is asked for in one message, or a part of it that is not to be divided."""

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
    """Write the first messages of a connection, none longer than the service takes.

    Parameters
    ----------
    token
        A key or token, where credentials are asked for.
    headsets
        Ids; ``*`` for all.
    detail
        Headsets whose details are wanted; ``*`` for all that are followed.
    positions
        The last prediction of each headset that one has.
    """
    asked = list(dict.fromkeys(headsets))
    named = [name for name in asked if name != EVERY_HEADSET]
    parts = [_resumed(name, positions) for name in named]
    if EVERY_HEADSET in asked:
        # The service goes on only where it begins to follow, so no resume may come after the `*`.
        # Those that do not fit beside it are subscribed to by name before.
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
    """Add positions to a part as long as it fits a message; return it, and the names left over."""
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
