"""An inlet that no stream is behind."""

from __future__ import annotations

from eeg_emotion.lsl.inlet import HeadsetInlet, StreamDescription


class FakeInlet(HeadsetInlet):
    """What an active stream needs of its inlet; nothing can be pulled from it."""

    def __init__(self, description: StreamDescription, clock_offset: float = 0.0) -> None:
        self.description = description
        self._offset = clock_offset
