"""One connection to one stream: its state in words, and its line once it is accepted."""

from __future__ import annotations

from dataclasses import dataclass

import pylsl

from eeg_emotion.codes import Check, State
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.lsl.inlet import HeadsetInlet, StreamDescription, headset_id
from eeg_emotion.publish.alarms import RaisedAlarm
from eeg_emotion.publish.messages import Headset
from eeg_emotion.stream.link import WARNED_SECONDS, Link
from eeg_emotion.stream.pipeline import Counts, StreamPipeline
from eeg_emotion.stream.scoring import PredictionSequence

_DETAILS = {
    State.CONNECTING: "opening the stream and checking its metadata",
    State.STALE: "connected, but no sample has come for 2 s",
    State.LOST: "gone: no sample has come for 10 s",
}
_WEIGHING = "judging the unit, which the stream does not state, by the signal's amplitude"


@dataclass(frozen=True, slots=True)
class Line:
    """What an accepted connection runs on."""

    inlet: HeadsetInlet
    monitor: StreamPipeline
    numbered: PredictionSequence


class Connection:
    """Stands for the stream or streams that were found under one headset id.

    Attributes
    ----------
    uids
        The streams' uids: one, or several where they contend for the id.
    stream
        The metadata as read through the open connection; None before.
    changes
        In what they differ from those of the headset's connection before.
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
        # Asked for at every turn, and each time a call into liblsl.
        self.name = first.name()
        self.source_id = first.source_id()
        self.sfreq = first.nominal_srate()
        self.link = Link(now)
        self.stream: StreamDescription | None = None
        self.changes: tuple[str, ...] = ()
        self.quarantine: str | None = None
        self.line: Line | None = None
        self.trouble: str | None = None
        self.gone = False

    @property
    def layout(self) -> Layout | None:
        """How the channels become the model's, where that is known."""
        return None if self.line is None or self.line.monitor.weighing else self.line.monitor.layout

    def state(self, now: float) -> State:
        """Return where it stands."""
        if self.gone:
            return State.LOST
        if self.quarantine is not None:
            return State.QUARANTINED
        if self.line is None:
            return State.CONNECTING
        state = self.link.state(now)
        return State.CONNECTING if state is State.LIVE and self.layout is None else state

    def describe(self, now: float, alarms: tuple[RaisedAlarm, ...]) -> Headset:
        """Say all that subscribers may know of it; `alarms` are those that are raised."""
        layout, monitor = self.layout, self.line.monitor if self.line else None
        counts = monitor.counts if monitor else Counts()
        measured = monitor.measured_sfreq if monitor else None
        return Headset(
            id=self.id,
            name=self.name,
            state=self.state(now),
            detail=self.detail(now),
            check=self._check(),
            changes=self.changes,
            simulated=None if self.stream is None else self.stream.simulated,
            epoch=self.line.numbered.epoch if self.line else None,
            sfreq=self.sfreq,
            sfreq_measured=None if measured is None else round(measured, 2),
            unit=layout.unit if layout else None,
            channels_used=layout.measured if layout else (),
            interpolated=layout.interpolated if layout else (),
            dropped=layout.dropped if layout else (),
            samples_received=counts.received,
            samples_missing=counts.missing,
            gaps=counts.gaps,
            windows_superseded=counts.superseded,
            alarms=alarms,
        )

    def _check(self) -> Check | None:
        if self.quarantine is not None:
            return Check.QUARANTINED
        if self.layout is None:
            return None
        return Check.INTERPOLATED if self.layout.interpolated else Check.ACCEPTED

    def detail(self, now: float) -> str:
        """Say the state in words."""
        state = self.state(now)
        if self.quarantine is not None:
            return f"gone; while it was here: {self.quarantine}" if self.gone else self.quarantine
        if self.line is None:
            return self.trouble or ("gone: no longer in sight" if self.gone else _DETAILS[state])
        if self.link.closed:
            return "gone: its source closed the connection"
        if state is State.CONNECTING and self.link.state(now) is State.LIVE:
            return _WEIGHING
        if state is not State.LIVE or self.layout is None:
            return _DETAILS[state]
        parts = [self.layout.describe(), self.line.monitor.describe_time()]
        if (judged := self.line.monitor.newest) is not None:
            filled = [n for n in judged.window.interpolated if n not in self.layout.interpolated]
            if filled:
                parts.append(f"filled in at present: {', '.join(filled)}")
            if judged.window.quality.faults:
                parts.append(f"no score at present: {', '.join(judged.window.quality.faults)}")
        if self.changes:
            parts.append(f"changed since its last connection: {'; '.join(self.changes)}")
        if self.link.silent_seconds(now) >= WARNED_SECONDS:
            parts.append(f"no sample has come for {WARNED_SECONDS:.0f} s")
        return "; ".join(part for part in parts if part)


def changes_between(before: StreamDescription, after: StreamDescription) -> tuple[str, ...]:
    """Say in what the metadata of a headset that returned differ; empty for nothing."""
    found = []
    if before.sfreq != after.sfreq:
        found.append(f"rate {before.sfreq:g} Hz, now {after.sfreq:g} Hz")
    units, now = dict.fromkeys(before.units), dict.fromkeys(after.units)
    if units != now:
        found.append(f"unit {_join(units)}, now {_join(now)}")
    gone = [label for label in before.labels if label not in after.labels]
    new = [label for label in after.labels if label not in before.labels]
    if gone:
        found.append(f"channels gone: {', '.join(gone)}")
    if new:
        found.append(f"channels new: {', '.join(new)}")
    kept = [label for label in before.labels if label in after.labels]
    if kept != [label for label in after.labels if label in before.labels]:
        found.append("its channels come in another order and are matched by label")
    if before.simulated != after.simulated:
        found.append("now simulated" if after.simulated else "no longer simulated")
    return tuple(found)


def _join(units: dict[str, None]) -> str:
    return " and ".join(unit or "not stated" for unit in units) or "not stated"
