"""Which EEG streams are there, looked for continuously in the background."""

from __future__ import annotations

import pylsl

_FORGET_SECONDS = 3.0  # a stream that stops answering leaves the results after this


class Discovery:
    """Looks for EEG streams within the configured scope and session."""

    def __init__(self) -> None:
        self._resolver = pylsl.ContinuousResolver(pred="type='EEG'", forget_after=_FORGET_SECONDS)

    def visible(self) -> list[pylsl.StreamInfo]:
        """Give the streams that answer, without their descriptions. This does not wait."""
        return list(self._resolver.results())
