"""What every message has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """Base of all outgoing messages: immutable, and strict about its fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="null", use_attribute_docstrings=True
    )

    def encode(self) -> str:
        """Return the message as JSON text."""
        return self.model_dump_json()
