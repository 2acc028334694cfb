"""The formats of log lines.

Apart from `logs`, so that the commands' options can name them without importing a logging library.
"""

from __future__ import annotations

from enum import StrEnum


class LogFormat(StrEnum):
    """How events are written."""

    AUTO = "auto"
    """`console` if standard error is a terminal, else `json`."""
    CONSOLE = "console"
    """For people: time, level, event, then `key=value`."""
    JSON = "json"
    """For machines: one JSON object per line."""
