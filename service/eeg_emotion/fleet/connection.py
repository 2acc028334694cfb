"""One connection to one stream: its state in words, and its pipeline once it is accepted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pylsl

from eeg_emotion.codes import Check, Reason, State
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.lsl.inlet import HeadsetInlet, StreamDescription, headset_id
from eeg_emotion.publish.alarms import RaisedAlarm
from eeg_emotion.publish.messages import Headset
from eeg_emotion.stream.link import STALE_SECONDS, WARNED_SECONDS, Link
from eeg_emotion.stream.pipeline import Counts, StreamPipeline
from eeg_emotion.stream.result_watch import ResultWatch
from eeg_emotion.stream.scoring import PredictionSequence

_DETAILS = {
    State.CONNECTING: "opening the stream and checking its metadata",
    State.STALE: "connected, but no sample has arrived for 2 s",
    State.LOST: "gone: no sample has arrived for 10 s",
}
_INFERRING_UNIT = "inferring the unit, which the stream does not state, from the signal's amplitude"


@dataclass(frozen=True, slots=True)
class ActiveStream:
    """An accepted stream: its inlet, its pipeline, and the sequence of its predictions."""

    inlet: HeadsetInlet
    pipeline: StreamPipeline
    sequence: PredictionSequence


class HeadsetConnection:
    """The stream or streams that were found under one headset id.

    Attributes
    ----------
    uids
        The streams' uids: one, or several where they contend for the id.
    stream
        The metadata as read through the open connection; None before.
    changes
        How the metadata differ from those of the headset's previous connection.
    quarantine
        Why the headset is not followed, with the remedy; None if it is not quarantined.
    gone
        True once the streams are no longer visible.
    review_at
        When a quarantine is reviewed by opening the stream once more; never, if infinite.
    trouble
        Why the last attempt to open the stream failed.
    active
        Set once the stream is open and its metadata accepted.
    """

    def __init__(self, streams: list[pylsl.StreamInfo], now: float) -> None:
        first = streams[0]
        self.id = headset_id(first)
        self.uids = frozenset(info.uid() for info in streams)
        self.info = first
        # Read every round, and each read is a call into liblsl.
        self.name = first.name()
        self.source_id = first.source_id()
        self.sfreq = first.nominal_srate()
        self.link = Link(now)
        self.watch = ResultWatch(now)
        self.stream: StreamDescription | None = None
        self.changes: tuple[str, ...] = ()
        self.quarantine: str | None = None
        self.review_at = math.inf
        self.active: ActiveStream | None = None
        self.trouble: str | None = None
        self.gone = False

    @property
    def layout(self) -> Layout | None:
        """How the channels become the model's, where that is known."""
        return (
            None
            if self.active is None or self.active.pipeline.is_inferring_unit
            else self.active.pipeline.layout
        )

    def state(self, now: float) -> State:
        """Return the headset's state."""
        if self.gone:
            return State.LOST
        if self.quarantine is not None:
            return State.QUARANTINED
        if self.active is None:
            return State.CONNECTING
        state = self.link.state(now)
        return State.CONNECTING if state is State.LIVE and self.layout is None else state

    def on_samples(self, now: float, reasons: tuple[Reason, ...] | None) -> None:
        """Record that samples arrived, and the reasons of the window that they completed."""
        if self.layout is None or self.link.silent_seconds(now) >= STALE_SECONDS:
            self.watch.restart(now)
        self.link.on_samples(now)
        if reasons is not None:
            self.watch.on_window(reasons, now)

    def overloaded(self, now: float) -> bool:
        """Return whether this process reads its stream too late."""
        return self.active is not None and self.active.pipeline.overloaded(now)

    def without_score(self, now: float) -> bool:
        """Return whether it is live, but had no valid window for too long."""
        return self.state(now) is State.LIVE and self.watch.without_score(now)

    def describe(self, now: float, alarms: tuple[RaisedAlarm, ...]) -> Headset:
        """Return everything that subscribers may know; `alarms` are those that are raised."""
        layout, pipeline = self.layout, self.active.pipeline if self.active else None
        counts = pipeline.counts if pipeline else Counts()
        measured = pipeline.measured_sfreq if pipeline else None
        return Headset(
            id=self.id,
            name=self.name,
            state=self.state(now),
            detail=self.detail(now),
            check=self._check(),
            changes=self.changes,
            simulated=None if self.stream is None else self.stream.simulated,
            epoch=self.active.sequence.epoch if self.active else None,
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
            overloaded=self.overloaded(now),
            without_score=self.without_score(now),
            alarms=alarms,
        )

    def _why_without_score(self, now: float, pipeline: StreamPipeline) -> str | None:
        reported, newest = self.watch.describe(now), pipeline.newest
        if reported is None or newest is None or self.watch.main_reason is not Reason.STALE:
            return reported
        return (
            f"{reported} Its samples are {newest.arrival:.0f} s old when they arrive, by their own "
            "stamps: they are held back on the way, or the program that makes the outlet does not "
            "stamp them with the time at which they were taken"
        )

    def _check(self) -> Check | None:
        if self.quarantine is not None:
            return Check.QUARANTINED
        if self.layout is None:
            return None
        return Check.INTERPOLATED if self.layout.interpolated else Check.ACCEPTED

    def detail(self, now: float) -> str:
        """Return the state in words."""
        state = self.state(now)
        if self.quarantine is not None:
            return f"gone; before that: {self.quarantine}" if self.gone else self.quarantine
        if self.active is None:
            return self.trouble or ("gone: no longer visible" if self.gone else _DETAILS[state])
        if self.link.closed:
            return "gone: its source closed the connection"
        if state is State.CONNECTING and self.link.state(now) is State.LIVE:
            return _INFERRING_UNIT
        if state is not State.LIVE or self.layout is None:
            return _DETAILS[state]
        parts = [self.layout.describe(), self.active.pipeline.describe_time()]
        if (assessed := self.active.pipeline.newest) is not None:
            filled = [n for n in assessed.window.interpolated if n not in self.layout.interpolated]
            if filled:
                parts.append(f"currently interpolated: {', '.join(filled)}")
            if assessed.window.quality.faults and not self.watch.without_score(now):
                parts.append(f"currently no score: {', '.join(assessed.window.quality.faults)}")
        if self.overloaded(now):
            parts.append(f"overloaded: {Reason.OVERLOADED.sentence} {Reason.OVERLOADED.remedy}")
        parts.append(self._why_without_score(now, self.active.pipeline))
        if self.changes:
            parts.append(f"changed since its last connection: {'; '.join(self.changes)}")
        if self.link.silent_seconds(now) >= WARNED_SECONDS:
            parts.append(f"no sample has arrived for {WARNED_SECONDS:.0f} s")
        return "; ".join(part for part in parts if part)


def changes_between(before: StreamDescription, after: StreamDescription) -> tuple[str, ...]:
    """Return how the metadata of a headset changed between two connections; empty if they match."""
    found = []
    if before.sfreq != after.sfreq:
        found.append(f"rate {before.sfreq:g} Hz, now {after.sfreq:g} Hz")
    units, now = dict.fromkeys(before.units), dict.fromkeys(after.units)
    if units != now:
        found.append(f"unit {_join(units)}, now {_join(now)}")
    gone = [label for label in before.labels if label not in after.labels]
    new = [label for label in after.labels if label not in before.labels]
    if gone:
        found.append(f"channels removed: {', '.join(gone)}")
    if new:
        found.append(f"channels added: {', '.join(new)}")
    kept = [label for label in before.labels if label in after.labels]
    if kept != [label for label in after.labels if label in before.labels]:
        found.append("its channels are in a different order and are matched by label")
    if before.simulated != after.simulated:
        found.append("now simulated" if after.simulated else "no longer simulated")
    return tuple(found)


def _join(units: dict[str, None]) -> str:
    return " and ".join(unit or "not stated" for unit in units) or "not stated"
