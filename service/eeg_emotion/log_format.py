"""The forms of log lines, apart from what writes them: a command's options name them.

Help and wrong usage then wait for no logging library.
"""

from __future__ import annotations

from enum import StrEnum


class LogFormat(StrEnum):
    """How events are written."""

    AUTO = "auto"
    """`console` where standard error is a terminal, else `json`."""
    CONSOLE = "console"
    """For people: time, level, event, then `key=value`."""
    JSON = "json"
    """For machines: one JSON object a line."""
