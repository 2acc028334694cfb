"""Parses the service's messages, for a client that may be older than the service."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.publish.messages import PROTOCOL, TypedMessage

_MESSAGES: TypeAdapter[TypedMessage] = TypeAdapter(
    Annotated[TypedMessage, Field(discriminator="type")]
)


class MessageError(EegEmotionError):
    """The service sent a message that this client does not understand."""


def parse(data: bytes) -> TypedMessage | None:
    """Parse a message, ignoring unknown fields, reasons, faults and troubles.

    Returns
    -------
    The message; None for one of an unknown type.

    Raises
    ------
    MessageError
        If it is not a message of the protocol.
    """
    try:
        return _MESSAGES.validate_json(data, extra="ignore")
    except ValidationError as error:
        kinds = {item["type"] for item in error.errors()}
        if kinds == {"union_tag_invalid"}:
            return None
        if kinds != {"enum"}:
            raise _unknown(error) from error
        known = _without(json.loads(data), error)
    try:
        return _MESSAGES.validate_python(known, extra="ignore")
    except ValidationError as error:
        raise _unknown(error) from error


def _without(message: Any, error: ValidationError) -> Any:
    """Remove the values that this client does not know."""
    for item in reversed(error.errors()):
        _, *way, last = item["loc"]  # the first is the message's type
        place = message
        for step in way:
            place = place[step]
        if isinstance(place, list):
            del place[last]
        else:
            place[last] = None
    return message


def _unknown(error: ValidationError) -> MessageError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return MessageError(
        f"found a message that is not part of {PROTOCOL} ({place}: {first['msg']}); use a client "
        "of the service's version"
    )
