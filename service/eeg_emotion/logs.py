"""Logging: each call is one event with fields, and each event is one line on standard error.

No data about a person, neither EEG nor scores, is logged at INFO, and fields that could hold a
credential or a signal never are. Tracebacks omit local variables, which would be samples here.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import BoundLogger, ProcessorFormatter, filter_by_level
from structlog.typing import EventDict, Processor, WrappedLogger

from eeg_emotion.log_format import LogFormat

NEVER_LOGGED = frozenset({"token", "authorization", "secret", "data", "samples"})
"""Fields whose values are redacted, at any depth."""

_REDACTED = "[redacted]"


def get_logger(name: str) -> BoundLogger:
    """Return a module's logger: ``logger.info("headset state", headset=..., state=...)``."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        # A processor chain of its own: commands, tests and embedding programs need no setup.
        processors=[filter_by_level, _redact, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=BoundLogger,
    )
    return cast(BoundLogger, logger)


def configure_logging(log_format: LogFormat, *, verbose: bool) -> None:
    """Log to standard error: our own events from INFO or WARNING up, and others' warnings."""
    if log_format is LogFormat.AUTO:
        log_format = LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    handler = logging.StreamHandler(sys.stderr)
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")  # no-color.org
    handler.setFormatter(formatter(log_format, colours=colours))
    # The handler's level, not the logger's, so that a log file may receive what is not shown.
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("eeg_emotion").setLevel(logging.INFO)


def formatter(log_format: LogFormat, *, colours: bool = False) -> logging.Formatter:
    """Return a formatter that writes each event as one line.

    Parameters
    ----------
    log_format
        `CONSOLE` or `JSON`.
    colours
        Whether `CONSOLE` uses colours.
    """
    renderers: list[Processor]
    if log_format is LogFormat.CONSOLE:
        # Its default tracebacks show local variables if rich is installed.
        renderers = [
            ConsoleRenderer(
                0,  # columns to pad an event to; structlog's versions name it differently
                colors=colours,
                sort_keys=False,
                exception_formatter=plain_traceback,
            )
        ]
    else:
        renderers = [format_exc_info, JSONRenderer(default=str, ensure_ascii=False)]
    return ProcessorFormatter(
        processors=[_from_record, ProcessorFormatter.remove_processors_meta, *renderers]
    )


def _from_record(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the fields common to our own events and other packages' messages."""
    record: logging.LogRecord = event["_record"]
    stamp = datetime.fromtimestamp(record.created, UTC)
    return {
        "timestamp": stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        **event,
    }


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: _clean(name, value) for name, value in event.items()}


def _clean(name: object, value: Any) -> Any:
    if isinstance(name, str) and name.lower() in NEVER_LOGGED:
        return _REDACTED
    if isinstance(value, Mapping):
        return {key: _clean(key, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and name != "exc_info":
        return [_clean(None, item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON cannot represent it
    return value
