"""What structured log records hold."""

from __future__ import annotations

import logging
from typing import Any, cast


def event_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record's event and its fields, which stand in the place of a message."""
    return cast(dict[str, Any], record.msg)
