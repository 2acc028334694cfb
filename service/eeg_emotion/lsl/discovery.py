"""Which streams of EEG and of markers are there, looked for continuously in the background."""

from __future__ import annotations

import pylsl

EEG_TYPE = "EEG"
"""The LSL type of headsets' signals."""

MARKERS_TYPE = "Markers"
"""The LSL type of markers."""

_FORGET_SECONDS = 3.0  # a stream that stops answering leaves the results after this
# In brackets: liblsl puts "and" between its session id and this, and that binds more closely.
_WANTED = f"(type='{EEG_TYPE}' or type='{MARKERS_TYPE}')"


class Discovery:
    """Looks for both kinds of streams within the configured scope and session."""

    def __init__(self) -> None:
        self._resolver = pylsl.ContinuousResolver(pred=_WANTED, forget_after=_FORGET_SECONDS)

    def visible(self) -> list[pylsl.StreamInfo]:
        """Return the streams that answer, without their descriptions. This does not wait."""
        return list(self._resolver.results())
