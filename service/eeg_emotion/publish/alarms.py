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
    rule: str
    severity: Severity
    text: str
    since: float
    """Unix seconds, UTC."""
    acknowledged_by: str | None = None


class Evidence(Message):
    """The state of the headset when an alarm changed."""

    state: State | None
    epoch: str | None
    seq: Annotated[int, Field(ge=0)] | None
    """Of the window that was evaluated; null if there was none."""
    arousal: float | None
    """The probability of "high"; null if the window has no score."""
    valence: float | None
    quality: float | None
    reasons: tuple[str, ...]


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
    rule: str
    severity: Severity
    text: str
    """The alarm's text, for people."""
    change: AlarmChange
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
