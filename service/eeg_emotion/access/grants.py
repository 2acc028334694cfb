"""What a credential allows: scopes, each for an action, some limited to certain headsets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from eeg_emotion.errors import EegEmotionError


class ScopeError(EegEmotionError):
    """A text is not a valid scope."""


class Action(StrEnum):
    """What a scope allows. No interface exposes raw EEG, so there is no scope for it."""

    READ = "read"
    """Predictions, states, quality, history and events of the headsets that match."""
    CONTROL = "control"
    """Collect, apply and cancel rest baselines of the headsets that match."""
    PROFILES = "profiles"
    """List and delete people's stored baselines, and use or replace one."""
    PREDICT = "predict"
    """Predict from windows that the client sends."""
    METRICS = "metrics"
    """Read the Prometheus metrics."""


_FOR_HEADSETS = (Action.READ, Action.CONTROL)


@dataclass(frozen=True, slots=True)
class Scope:
    """One thing that is allowed, such as ``read:ward-*`` or ``predict``.

    Attributes
    ----------
    action
        The action.
    headsets
        The headset ids it applies to, as a shell pattern; ``*`` for an action without headsets.
    """

    action: Action
    headsets: str = "*"

    @classmethod
    def parse(cls, text: str) -> Scope:
        """Read a scope.

        Raises
        ------
        ScopeError
            If its action is unknown, or a pattern is missing or not allowed.
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
        The identity for the audit: a key's name, a token's subject, or ``anonymous``.
    scopes
        Everything that is allowed.
    expires
        Unix seconds; None for never.
    """

    subject: str
    scopes: tuple[Scope, ...]
    expires: float | None = None

    def allows(self, action: Action, headset: str | None = None) -> bool:
        """Return whether an action is allowed, on the given headset if there is one."""
        return any(
            scope.action is action and (headset is None or fnmatchcase(headset, scope.headsets))
            for scope in self.scopes
        )


EVERYTHING = Grant("anonymous", tuple(Scope(action) for action in Action))
"""What an open service grants to everyone."""
