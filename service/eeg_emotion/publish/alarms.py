"""Messages about alarms: their changes as they happen, and those that are raised."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from eeg_emotion.codes import State
from eeg_emotion.publish.message import Message


class Severity(StrEnum):
    """How urgent an alarm is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlarmChange(StrEnum):
    """How an alarm changed."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    """Someone has seen it; it is still raised."""
    CLEARED = "cleared"


class RaisedAlarm(Message):
    """An alarm that is raised."""

    alarm: str
    """Identifies the alarm from its raising to its clearing."""
    rule: str
    """The rule's name."""
    severity: Severity
    """How urgent it is."""
    text: str
    """The alarm's text, for people."""
    since: float
    """Unix seconds, UTC."""
    acknowledged_by: str | None = None
    """Who acknowledged it; null if nobody has."""


class Evidence(Message):
    """The state of the headset when an alarm changed."""

    state: State | None
    """The state of its connection; null if it is not known."""
    epoch: str | None
    """The headset's connection."""
    seq: Annotated[int, Field(ge=0)] | None
    """Of the window that was evaluated; null if there was none."""
    arousal: float | None
    """The probability of "high"; null if the window has no score."""
    valence: float | None
    """The same."""
    quality: float | None
    """Of the window, from 1, good, to 0."""
    reasons: tuple[str, ...]
    """Why the window has no scores."""


class Alarm(Message):
    """A change of an alarm: the same on the WebSocket, to webhooks, by MQTT and in the store.

    It may arrive twice, after a crash between sending and receipt; use `id` to detect that.
    """

    type: Literal["alarm"] = "alarm"
    id: str
    """Identifies this change: `alarm` and the change."""
    alarm: str
    """Identifies the alarm from its raising to its clearing."""
    headset: str
    """The headset's id."""
    rule: str
    """The rule's name."""
    rule_digest: str | None = None
    """Identifies the content of the rule that raised it, which an edit changes; null if unknown."""
    severity: Severity
    """How urgent it is."""
    text: str
    """The alarm's text, for people."""
    change: AlarmChange
    """How it changed."""
    time: float
    """Unix seconds, UTC: the end of the window that caused it, or when it was published."""
    by: str | None
    """Who acknowledged it; null for other changes."""
    note: str | None
    """Their note, or why the alarm was cleared if not by its rule."""
    evidence: Evidence | None
    """Null for an acknowledgement."""
    simulated: bool
    """Whether the signal or the people the model was trained on are simulated."""
