"""What is told of alarms: their changes as they happen, and those that are raised."""

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
    """What became of an alarm."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    """Somebody has seen it; it is still raised."""
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
    """What was known of the headset when an alarm changed."""

    state: State | None
    epoch: str | None
    seq: Annotated[int, Field(ge=0)] | None
    """Of the window that was judged; null where none was."""
    arousal: float | None
    """The probability of "high"; null where the window has no score."""
    valence: float | None
    quality: float | None
    reasons: tuple[str, ...]


class Alarm(Message):
    """A change of an alarm: the same on the WebSocket, to webhooks, by MQTT and in the store.

    It may come twice, after a crash between its sending and the receipt; `id` tells.
    """

    type: Literal["alarm"] = "alarm"
    id: str
    """Of this change: `alarm` and the change."""
    alarm: str
    """Of the alarm: the same from its beginning to its end."""
    headset: str
    rule: str
    severity: Severity
    text: str
    """What the alarm says to a person."""
    change: AlarmChange
    time: float
    """Unix seconds, UTC: the end of the window that decided it, or when it was told."""
    by: str | None
    """Who acknowledged it; null for the others."""
    note: str | None
    """What they noted, or why it was cleared if not by its rule."""
    evidence: Evidence | None
    """Null for an acknowledgement."""
    simulated: bool
    """Whether the signal or the people the model was trained on are simulated."""
