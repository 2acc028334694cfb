"""Discovers EEG and marker streams, continuously in the background."""

from __future__ import annotations

from collections.abc import Sequence

import pylsl

from eeg_emotion.lsl.stream_types import EEG_TYPE, MARKERS_TYPE, predicate

_FORGET_SECONDS = 3.0  # a stream that stops answering leaves the results after this


class Discovery:
    """Discovers streams of headsets and markers within the configured scope and session.

    Parameters
    ----------
    types
        The types of headset streams; see `stream_types.is_of_type`.
    """

    def __init__(self, types: Sequence[str] = (EEG_TYPE,)) -> None:
        self._resolver = pylsl.ContinuousResolver(
            pred=predicate((*types, MARKERS_TYPE)), forget_after=_FORGET_SECONDS
        )

    def visible(self) -> list[pylsl.StreamInfo]:
        """Return the visible streams, without their descriptions. This does not block."""
        return list(self._resolver.results())
