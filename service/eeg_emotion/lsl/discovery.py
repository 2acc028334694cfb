"""Discovers EEG and marker streams, continuously in the background."""

from __future__ import annotations

import pylsl

EEG_TYPE = "EEG"
"""The LSL type of headset streams."""

MARKERS_TYPE = "Markers"
"""The LSL type of marker streams."""

_FORGET_SECONDS = 3.0  # a stream that stops answering leaves the results after this
# In parentheses: liblsl joins its session id and this with "and", which binds more closely.
_WANTED = f"(type='{EEG_TYPE}' or type='{MARKERS_TYPE}')"


class Discovery:
    """Discovers both types of streams within the configured scope and session."""

    def __init__(self) -> None:
        self._resolver = pylsl.ContinuousResolver(pred=_WANTED, forget_after=_FORGET_SECONDS)

    def visible(self) -> list[pylsl.StreamInfo]:
        """Return the visible streams, without their descriptions. This does not block."""
        return list(self._resolver.results())
