"""The requests of subscribers. The models below are the single definition of the client's side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter

EVERY_HEADSET = "*"
"""All headsets that the subscriber may read, including future ones."""

MAX_SUBSCRIPTIONS = 256
"""More headsets than one page can show. A client that needs more subscribes to all."""

_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Names = Annotated[tuple[_Name, ...], Field(max_length=MAX_SUBSCRIPTIONS)]


class Request(BaseModel):
    """Base of all incoming messages: immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Resume(Request):
    """The position of the subscriber's last prediction of a headset."""

    epoch: Annotated[str, Field(max_length=64)]
    """The prediction's `epoch`."""
    seq: Annotated[int, Field(ge=0)]
    """The prediction's `seq`."""


class Hello(Request):
    """The first message, if the client sends one: who it is and what it subscribes to."""

    type: Literal["hello"]
    token: SecretStr | None = None
    """A key or token; besides this, only the `Authorization` header may carry one."""
    acknowledges: bool = False
    """Whether the client will send `ack`: then no more than the credits are sent without one."""
    subscribe: _Names = ()
    """Ids of headsets; `*` for all."""
    detail: _Names = ()
    """Headsets whose `detail` messages are wanted too; `*` for all that are subscribed to."""
    resume: dict[_Name, Resume] = {}
    """For headsets that were subscribed to before, where to resume."""


class Subscribe(Request):
    """Subscribes to further headsets."""

    type: Literal["subscribe"]
    headsets: _Names
    """Ids of headsets; `*` for all."""
    detail: _Names = ()
    """Headsets whose `detail` messages are wanted too; `*` for all that are subscribed to."""
    resume: dict[_Name, Resume] = {}
    """For headsets that were subscribed to before, where to resume."""


class Unsubscribe(Request):
    """Unsubscribes from headsets and their details."""

    type: Literal["unsubscribe"]
    headsets: _Names
    """Ids of headsets; `*` for all."""


class Ack(Request):
    """The number of messages processed since the welcome, all kinds together."""

    type: Literal["ack"]
    received: Annotated[int, Field(ge=0)]
    """How many messages after `welcome` were processed."""


class Ping(Request):
    """Requests a `pong`: the only way for a page to detect a dead connection."""

    type: Literal["ping"]


AnyRequest = Annotated[Hello | Subscribe | Unsubscribe | Ack | Ping, Field(discriminator="type")]
REQUESTS: TypeAdapter[Hello | Subscribe | Unsubscribe | Ack | Ping] = TypeAdapter(AnyRequest)
