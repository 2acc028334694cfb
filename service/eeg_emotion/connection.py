"""One connection to one stream: its state in words, and its line once it is accepted."""

from __future__ import annotations

from dataclasses import dataclass

import pylsl

from eeg_emotion.eeg.layout import Layout
from eeg_emotion.headset.inlet import HeadsetInlet, headset_id
from eeg_emotion.headset.link import Link, State
from eeg_emotion.monitor import Counts, Monitor
from eeg_emotion.publish.messages import Headset

_DETAILS = {
    State.CONNECTING: "opening the stream and checking its metadata",
    State.STALE: "connected, but no sample has come for 2 s",
    State.LOST: "gone: the connection closed, or no sample has come for 10 s",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What an accepted connection runs on."""

    inlet: HeadsetInlet
    layout: Layout
    monitor: Monitor


class Connection:
    """Stands for the stream or streams that were found under one headset id.

    Attributes
    ----------
    uids
        The streams' uids: one, or several where they contend for the id.
    quarantine
        Why no line is run for it, with the remedy; None where nothing speaks against it.
    gone
        True where the streams are no longer in sight.
    trouble
        Why the last attempt to open the stream failed.
    line
        Set once the stream was opened and its metadata accepted.
    """

    def __init__(self, streams: list[pylsl.StreamInfo], now: float) -> None:
        first = streams[0]
        self.id = headset_id(first)
        self.uids = frozenset(info.uid() for info in streams)
        self.info = first
        self.link = Link(now)
        self.quarantine: str | None = None
        self.line: Line | None = None
        self.simulated = False
        self.trouble: str | None = None
        self.gone = False

    def state(self, now: float) -> State:
        """Tell where it stands."""
        if self.gone:
            return State.LOST
        if self.quarantine is not None:
            return State.QUARANTINED
        return State.CONNECTING if self.line is None else self.link.state(now)

    def describe(self, now: float) -> Headset:
        """Say all that subscribers may know of it."""
        state = self.state(now)
        layout = self.line.layout if self.line else None
        counts = self.line.monitor.counts if self.line else Counts()
        if self.quarantine is not None:
            detail = f"gone; while it was here: {self.quarantine}" if self.gone else self.quarantine
        elif state is State.LIVE and self.line is not None:
            detail = self.line.layout.describe()
            if (unseen := self.line.monitor.unseen_seconds) is not None:
                detail += (
                    "; its stamps jitter, as if made on sending: a loss of less than "
                    f"{unseen * 1e3:.0f} ms cannot be seen"
                )
        elif self.line is None and self.trouble is not None:
            detail = self.trouble
        else:
            detail = _DETAILS[state]
        return Headset(
            id=self.id,
            name=self.info.name(),
            state=state,
            detail=detail,
            simulated=self.simulated,
            epoch=self.line.monitor.epoch if self.line else None,
            sfreq=self.info.nominal_srate(),
            channels_used=layout.measured if layout else (),
            interpolated=layout.interpolated if layout else (),
            dropped=layout.dropped if layout else (),
            samples_received=counts.received,
            samples_missing=counts.missing,
            gaps=counts.gaps,
            windows_superseded=counts.superseded,
        )
