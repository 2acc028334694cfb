"""What subscribers say. The models below are the one definition of the client's side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter

EVERY_HEADSET = "*"
"""Stands for all headsets that the subscriber may read, those to come included."""

MAX_SUBSCRIPTIONS = 256
"""More headsets than one page can show. Who needs more subscribes to all."""

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Names = Annotated[tuple[_Name, ...], Field(max_length=MAX_SUBSCRIPTIONS)]


class Request(BaseModel):
    """Base of all that comes in: immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Resume(Request):
    """The last prediction of a headset that the subscriber has."""

    epoch: Annotated[str, Field(max_length=64)]
    seq: Annotated[int, Field(ge=0)]


class Hello(Request):
    """The first message, where there is anything to say: who one is and how one listens."""

    type: Literal["hello"]
    token: SecretStr | None = None
    """A key or token; nothing else may carry one but the `Authorization` header."""
    acknowledges: bool = False
    """Whether `ack` messages will come: then no more than the credits are sent without one."""
    subscribe: _Names = ()
    """Ids of headsets; `*` for all."""
    detail: _Names = ()
    """Headsets whose `detail` messages are wanted too; `*` for all that are subscribed to."""
    resume: dict[_Name, Resume] = {}
    """For headsets that were subscribed to before: where to go on."""


class Subscribe(Request):
    """Add headsets to those that are followed."""

    type: Literal["subscribe"]
    headsets: _Names
    detail: _Names = ()
    resume: dict[_Name, Resume] = {}


class Unsubscribe(Request):
    """Take headsets from those that are followed, with their details."""

    type: Literal["unsubscribe"]
    headsets: _Names


class Ack(Request):
    """How many messages after the welcome were dealt with, all kinds together."""

    type: Literal["ack"]
    received: Annotated[int, Field(ge=0)]


class Ping(Request):
    """Ask for a `pong`: the one way for a page to tell a silent service from a dead connection."""

    type: Literal["ping"]


AnyRequest = Annotated[Hello | Subscribe | Unsubscribe | Ack | Ping, Field(discriminator="type")]
REQUESTS: TypeAdapter[Hello | Subscribe | Unsubscribe | Ack | Ping] = TypeAdapter(AnyRequest)
