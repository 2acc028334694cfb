"""What a credential allows: scopes, each for an action and most for some headsets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from eeg_emotion.errors import EegEmotionError


class ScopeError(EegEmotionError):
    """A scope is not of the form that is known."""


class Action(StrEnum):
    """What a scope allows. Raw EEG leaves the process by no interface, so no scope names it."""

    READ = "read"
    """Predictions, states, quality, history and events of the headsets that match."""
    CONTROL = "control"
    """Collect, apply and cancel rest baselines of the headsets that match."""
    PROFILES = "profiles"
    """List and delete people's stored baselines, and use or replace one."""
    PREDICT = "predict"
    """Have windows judged that the client sends."""
    METRICS = "metrics"
    """The numbers for Prometheus."""


_FOR_HEADSETS = (Action.READ, Action.CONTROL)


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that is allowed, such as ``read:ward-*`` or ``predict``.

    Attributes
    ----------
    action
        What.
    headsets
        For which headset ids, as a shell pattern; ``*`` for an action that is for none.
    """

    action: Action
    headsets: str = "*"

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope.

        Raises
        ------
        ScopeError
            If its action is unknown, or a pattern is missing or stands where none belongs.
        """
        name, colon, headsets = text.partition(":")
        if name not in set(Action):
            raise ScopeError(
                f"found the scope {text!r}, expected one of {', '.join(Action)}; "
                "'read' and 'control' with headsets, such as read:* or read:ward-7"
            )
        action = Action(name)
        if action in _FOR_HEADSETS and not headsets:
            raise ScopeError(
                f"found the scope {text!r}, expected headsets after it, such as {name}:* for all "
                f"or {name}:ward-*"
            )
        if action not in _FOR_HEADSETS and colon:
            raise ScopeError(f"found the scope {text!r}, expected {name!r} alone")
        return cls(action, headsets or "*")

    def __str__(self) -> str:
        return f"{self.action}:{self.headsets}" if self.action in _FOR_HEADSETS else self.action


@dataclass(frozen=True, slots=True)
class Grant:
    """What one subscriber or caller may do.

    Attributes
    ----------
    subject
        Who, for the audit: a key's name, a token's subject, or ``anonymous``.
    scopes
        All that is allowed.
    expires
        Unix seconds; None for never.
    """

    subject: str
    scopes: tuple[Scope, ...]
    expires: float | None = None

    def allows(self, action: Action, headset: str | None = None) -> bool:
        """Return whether an action is allowed, for a headset where it is for one."""
        return any(
            scope.action is action and (headset is None or fnmatchcase(headset, scope.headsets))
            for scope in self.scopes
        )


EVERYTHING = Grant("anonymous", tuple(Scope(action) for action in Action))
"""What an open service grants to whoever asks."""
