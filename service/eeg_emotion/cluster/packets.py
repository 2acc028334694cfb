"""The packets that ingests and gateways exchange, besides the headsets' own messages."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.bus import Published
from eeg_emotion.publish.history import Position
from eeg_emotion.publish.messages import Prediction, Status

Place = tuple[str, str]
"""A site, and an ingest there."""

PUBLISHED: TypeAdapter[Published] = TypeAdapter(Annotated[Published, Field(discriminator="type")])
"""The messages that are published on a bus."""


class IngestUnreachable(EegEmotionError):
    """An ingest does not answer."""


class Packet(BaseModel):
    """Base of the packets; those of a later release may have more fields."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="null", use_attribute_docstrings=True)

    def encode(self) -> bytes:
        """Return the packet as JSON."""
        return self.model_dump_json().encode()


class Announcement(Packet):
    """The headsets that an ingest follows, sent every second or two and on changes."""

    site: str
    ingest: str
    run: str
    """A random name, new at each start: another run knows nothing of this one's predictions."""
    model_sha256: str
    hop_seconds: float
    headsets: dict[str, tuple[str, int] | None]
    """The epoch and number of each headset's newest prediction; null before the first."""
    notices: int = 0
    """How many notices this run has published: what is neither a prediction nor a state."""


class HistoryWanted(Packet):
    """Requests the predictions of a headset after a position, or all that are kept."""

    type: Literal["history"] = "history"
    headset: str
    epoch: str | None = None
    seq: int | None = None

    @classmethod
    def after(cls, headset: str, position: Position | None) -> Self:
        """Return a request for the predictions after a position, or for all if it is None."""
        if position is None:
            return cls(headset=headset)
        return cls(headset=headset, epoch=position.epoch, seq=position.seq)

    @property
    def position(self) -> Position | None:
        """The last known position; None for all."""
        if self.epoch is None or self.seq is None:
            return None
        return Position(self.epoch, self.seq)


class StatesWanted(Packet):
    """Requests the states of all headsets of an ingest."""

    type: Literal["states"] = "states"


class NoticesWanted(Packet):
    """Requests the notices of an ingest's run after a number."""

    type: Literal["notices"] = "notices"
    run: str
    after: int


class Call(Packet):
    """A request, forwarded to the ingest that can answer it; the caller is authenticated."""

    type: Literal["call"] = "call"
    method: str
    path: str
    query: str
    body: str
    client: str
    """The caller's network address, for the audit."""
    subject: str
    scopes: tuple[str, ...]
    """What the caller may do; the ingest checks that it is enough."""
    root_path: str = ""
    """The path that the gateway's proxy has for it, for links in the answer."""


class Reply(Packet):
    """The answer to a call."""

    status: int
    headers: dict[str, str]
    body: str


Question = HistoryWanted | StatesWanted | NoticesWanted | Call

QUESTIONS: TypeAdapter[Question] = TypeAdapter(Annotated[Question, Field(discriminator="type")])


class HistoryFound(Packet):
    """Predictions, oldest first."""

    found: bool
    """False if the position is not, or no longer, known, so that what followed it is unknown."""
    predictions: tuple[Prediction, ...]
    ages: tuple[float, ...]
    """How long ago each was made, seconds."""
    more: bool
    """Whether there are more, to be requested with the last one's position."""


class StatesFound(Packet):
    """The states of an ingest's headsets."""

    statuses: tuple[Status, ...]


class NoticesFound(Packet):
    """Notices with their numbers, oldest first, as far as the ingest still keeps them."""

    notices: tuple[tuple[int, Published], ...]


Answer = HistoryFound | StatesFound | NoticesFound


class Interest(Packet):
    """The subscriptions to details at a gateway, sent repeatedly while they last."""

    details: tuple[str, ...]
    """Headsets whose `detail` messages are subscribed to; `*` for all."""
