"""Logging of the commands: one line an event on standard error."""

from __future__ import annotations

import logging
import sys


def configure_logging(*, verbose: bool) -> None:
    """Log this project's events from INFO on, and others' warnings."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("eeg_emotion").setLevel(logging.INFO if verbose else logging.WARNING)
