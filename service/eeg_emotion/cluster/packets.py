"""What ingests and gateways tell each other, beside the headsets' own messages."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.bus import Published
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Prediction, Status

PUBLISHED: TypeAdapter[Published] = TypeAdapter(Annotated[Published, Field(discriminator="type")])
"""The messages that are published on a bus."""


class IngestUnreachable(EegEmotionError):
    """An ingest does not answer."""


class Packet(BaseModel):
    """Base of what ingests and gateways tell each other; a later one's may hold more."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", use_attribute_docstrings=True)

    def encode(self) -> bytes:
        """Write it as JSON."""
        return self.model_dump_json().encode()


class Roll(Packet):
    """What an ingest follows, sent every second or two and when that changes."""

    site: str
    ingest: str
    run: str
    """Drawn when the ingest starts: another one knows nothing of what this one said."""
    model_sha256: str
    hop_seconds: float
    headsets: dict[str, tuple[str, int] | None]
    """Of each the epoch and number of its newest prediction; null before the first."""


class HistoryWanted(Packet):
    """Asks for the predictions of a headset after a position, or for all that are kept."""

    type: Literal["history"] = "history"
    headset: str
    epoch: str | None = None
    seq: int | None = None

    @classmethod
    def after(cls, headset: str, position: Position | None) -> Self:
        """Ask for what came after a position, or for all."""
        if position is None:
            return cls(headset=headset)
        return cls(headset=headset, epoch=position.epoch, seq=position.seq)

    @property
    def position(self) -> Position | None:
        """The last one that is known."""
        if self.epoch is None or self.seq is None:
            return None
        return Position(self.epoch, self.seq)


class StatesWanted(Packet):
    """Asks for the states of all headsets of an ingest."""

    type: Literal["states"] = "states"


class Call(Packet):
    """A caller's request, for the ingest that can answer it. The gateway has let the caller in."""

    type: Literal["call"] = "call"
    method: str
    path: str
    query: str
    body: str
    client: str
    """The caller's network address, for the audit."""
    subject: str
    scopes: tuple[str, ...]
    """What the caller may do; the ingest looks whether that is enough."""


class Reply(Packet):
    """The answer to a call."""

    status: int
    headers: dict[str, str]
    body: str


Question = HistoryWanted | StatesWanted | Call

QUESTIONS: TypeAdapter[Question] = TypeAdapter(Annotated[Question, Field(discriminator="type")])


class HistoryFound(Packet):
    """Predictions, oldest first."""

    found: bool
    """False where the position is not known, or no longer: what came after it cannot be told."""
    predictions: tuple[Prediction, ...]
    ages: tuple[float, ...]
    """How long ago each was made, seconds."""
    more: bool
    """Whether others follow, to be asked for by the last one's position."""


class StatesFound(Packet):
    """The states of an ingest's headsets."""

    statuses: tuple[Status, ...]


class Interest(Packet):
    """What somebody at a gateway looks at, sent again and again while they do."""

    details: tuple[str, ...]
    """Headsets of which `detail` messages are wanted; `*` for all."""
