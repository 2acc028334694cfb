"""Replays a recording over Lab Streaming Layer as if a headset were sending it now.

Configure LSL before (`eeg_emotion.lsl.configuration.configure`): anyone on the network within the
session's scope can receive the signal.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.eeg.units import microvolts_per
from eeg_emotion.recordings.recording import Recording, RecordingError, Stretch
from eeg_emotion.replay.actions import Action, Connect, Disconnect, Form, Send, TimedMarker
from eeg_emotion.replay.chunks import CHUNK_SECONDS, GAP_SECONDS, Chunk, cut_into_chunks
from eeg_emotion.replay.faults import Fault
from eeg_emotion.replay.injector import Injector
from eeg_emotion.replay.marker_outlet import MarkerOutlet
from eeg_emotion.stream.stamping import GAP_PERIODS

# How late a stop is noticed while there is no consumer, since liblsl cannot be interrupted; on
# Windows also during a gap.
_STOP_POLL_SECONDS = 0.25
# How long the outlet stays open after its last sample. LSL does not report when everything has
# arrived, and a reader that detects the loss of the stream never gets samples that it had not
# pulled by then; one that pulls at least once in this time gets all of them.
_LINGER_SECONDS = 1.0
_LINGER_POLL_SECONDS = 0.05
# Nobody waits longer for a gap of the recording's own.
_LONGEST_GAP_SECONDS = 60.0
# How long a reconnecting headset is away: the time its readers need for its last samples, plus the
# half second that liblsl needs to close an outlet.
_RECONNECT_SECONDS = 1.0


def _wait_a_turn(stop: threading.Event, seconds: float) -> bool:
    """Wait for a stop, in short steps: on Windows, Ctrl-C does not interrupt a wait."""
    return stop.wait(min(seconds, _STOP_POLL_SECONDS))


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A summary of what a replay has sent.

    Attributes
    ----------
    samples
        Samples per channel.
    stretches
        Contiguous stretches by their stamps: one more than the gaps and new connections.
    seconds
        Seconds of signal sent, by the recording's clock and without the gaps.
    stopped
        True if it was stopped before its last sample.
    connections
        The number of successive outlets.
    killed
        True if a fault ended it before its last sample.
    unreached
        The faults that did not happen because the signal ended before.
    """

    samples: int
    stretches: int
    seconds: float
    stopped: bool
    connections: int = 1
    killed: bool = False
    unreached: tuple[str, ...] = ()


class _Tally:
    """Counts what is sent."""

    def __init__(self) -> None:
        self._samples: Counter[float] = Counter()
        self._stretches = 0
        self._connections = 1
        self._last: tuple[float, float] | None = None

    def connected(self) -> None:
        self._connections += 1
        self._last = None

    def sent(self, stamps: NDArray[np.float64], sfreq: float) -> None:
        if self._last is None:
            self._stretches += 1
        else:
            last, slower = self._last[0], min(self._last[1], sfreq)
            if not 0 < stamps[0] - last <= GAP_PERIODS / slower:
                self._stretches += 1
        self._last = float(stamps[-1]), sfreq
        self._samples[sfreq] += len(stamps)

    def report(
        self, injector: Injector, *, stopped: bool = False, killed: bool = False
    ) -> ReplayReport:
        return ReplayReport(
            samples=self._samples.total(),
            stretches=self._stretches,
            seconds=sum((count / sfreq for sfreq, count in self._samples.items()), 0.0),
            stopped=stopped,
            connections=self._connections,
            killed=killed,
            unreached=tuple(fault.text for fault in injector.unreached),
        )


class Replayer:
    """A headset that replays a recording.

    Sample `k` has the stamp ``t0 + k / sfreq``, plus the length of each gap before it, no matter
    when the sending thread woke: `t0` is the clock's reading at the start of the replay. A
    chunk is sent when its last sample is due, since an amplifier cannot send the future. At another
    speed only the sending is faster or slower: stamps and gaps keep the recording's time, so that
    at a speed above 1 the stamps run ahead of the clock. The stream's description states this as
    ``<replay><speed>``.

    Markers are sent as text on a separate stream, ``<source_id>-markers``, each with its sample's
    stamp. The replay does not wait for its consumers, but each marker waits for some seconds.

    Faults happen at their times by the stamps, once, even if the recording loops. An outlet that
    returns does not wait for consumers, as no headset does. The marker stream stays open while the
    signal's stream is away.

    Parameters
    ----------
    recording
        The recording to replay.
    speed
        How many times faster than real time.
    loop
        Restart at the end, after a gap, until stopped.
    gap_seconds
        By how much a gap exceeds one sample period, where a stretch does not follow. A gap of up to
        a minute that the recording has measured keeps its own length.
    chunk_seconds
        The length of a chunk, rounded to samples.
    wait_for_consumer
        Send nothing until there is a reader, so that the first sample is not lost.
    faults
        Deliberate faults, in order of time.
    clock
        LSL's clock, seconds.
    unix_clock
        Unix time, seconds.
    wait
        Waits for the event at most that many seconds, and returns whether it is set.

    Raises
    ------
    RecordingError
        If a setting cannot be used.
    FaultError
        If a fault cannot happen to this recording, or not at its time.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float = 1.0,
        loop: bool = False,
        gap_seconds: float = GAP_SECONDS,
        chunk_seconds: float = CHUNK_SECONDS,
        wait_for_consumer: bool = True,
        faults: Sequence[Fault] = (),
        clock: Callable[[], float] = pylsl.local_clock,
        unix_clock: Callable[[], float] = time.time,
        wait: Callable[[threading.Event, float], bool] = _wait_a_turn,
    ) -> None:
        for name, value in (("speed", speed), ("chunk_seconds", chunk_seconds)):
            if not (value > 0 and math.isfinite(value)):
                raise RecordingError(f"found {name} {value}, expected a number above 0")
        # Readers consider a jump of more than 1.5 periods a gap.
        if not (gap_seconds * recording.sfreq >= 1 and math.isfinite(gap_seconds)):
            raise RecordingError(
                f"found gap_seconds {gap_seconds}, expected at least one sample period of "
                f"{recording.name} ({1 / recording.sfreq:g} s): a shorter gap cannot be detected"
            )
        self._recording = recording
        self._speed = speed
        self._loop = loop
        self._gap_seconds = gap_seconds
        self._size = max(1, round(recording.sfreq * chunk_seconds))
        self._wait_for_consumer = wait_for_consumer
        self._clock = clock
        self._unix_clock = unix_clock
        self._wait = wait
        self._form = Form(recording.channels, recording.units, recording.sfreq)
        self._faults = faults
        self._injector()  # checks the faults before anything is sent

    def run(self, stop: threading.Event) -> ReplayReport:
        """Replay to the end, or until `stop` is set.

        Raises
        ------
        RecordingError
            If a stretch does not fit the recording's channels or has a marker beyond its end, or
            if the recording has no samples.
        """
        injector = self._injector()
        # First, so that a reader that finds the signal has found the markers: the first sample may
        # have one.
        marker_outlet = MarkerOutlet(self._marker_info(), self._clock)
        outlet = pylsl.StreamOutlet(self._signal_info(self._form))
        tally = _Tally()
        while self._wait_for_consumer and not outlet.wait_for_consumers(_STOP_POLL_SECONDS):
            if stop.is_set():
                return tally.report(injector, stopped=True)
        begin, unix_begin = self._clock(), self._unix_clock()
        for action in self._actions(injector):
            if not self._wait_until(begin + action.due / self._speed, stop):
                return tally.report(injector, stopped=True)
            match action:
                case Disconnect(killed=killed):
                    # liblsl closes the outlet when its last reference is dropped.
                    outlet = None
                    if killed:
                        return tally.report(injector, killed=True)
                case Connect(form=form):
                    outlet = pylsl.StreamOutlet(self._signal_info(form))
                    tally.connected()
                case Send() as sent:
                    zero = unix_begin if sent.unix else begin
                    for marker in sent.markers:
                        marker_outlet.push(marker.text, zero + marker.seconds)
                    marker_outlet.flush()
                    if outlet is not None and len(sent.stamps):
                        # One stamp per sample: with one per chunk, the receiver would add up
                        # periods and their rounding errors.
                        outlet.push_chunk(
                            np.ascontiguousarray(sent.samples.T, dtype=np.float32),
                            zero + sent.stamps,
                        )
                        tally.sent(zero + sent.stamps, sent.sfreq)
        self._linger([marker_outlet] if outlet is None else [outlet, marker_outlet], stop)
        return tally.report(injector)

    def _injector(self) -> Injector:
        return Injector(
            self._form, self._faults, reconnect_seconds=_RECONNECT_SECONDS * self._speed
        )

    def _actions(self, injector: Injector) -> Iterator[Action]:
        """Yield the actions, chunk by chunk."""
        chunk = before = None
        away = 0.0
        for chunk in cut_into_chunks(self._stretches(), self._size):
            if before is not None and chunk.gaps > before.gaps:
                away += self._seconds_between(before, chunk)
            before = chunk
            times = (
                away
                + np.arange(chunk.first, chunk.first + chunk.samples.shape[1])
                / self._recording.sfreq
            )
            markers = [
                TimedMarker(float(times[marker.sample]), marker.text) for marker in chunk.markers
            ]
            yield from injector.process(chunk.samples, times, markers)
        if chunk is None:
            raise RecordingError(
                f"{self._recording.name}: found no samples, expected some; choose another file"
            )
        yield from injector.finish()

    def _seconds_between(self, before: Chunk, after: Chunk) -> float:
        """Return the length of a gap: its own, in whole periods, if the recording measured it."""
        if before.stamps is None or after.stamps is None:
            return self._gap_seconds
        sfreq = self._recording.sfreq
        missing = float(after.stamps[0] - before.stamps[-1]) * sfreq - 1.0
        # Less is no gap to a reader; anything else is a long pause, or a clock that was set.
        if not 0.5 < missing <= _LONGEST_GAP_SECONDS * sfreq:
            return self._gap_seconds
        return max(1, round(missing)) / sfreq

    def _stretches(self) -> Iterator[Stretch]:
        """Yield the recording's stretches, repeatedly if it loops."""
        count = len(self._recording.channels)
        while True:
            samples = 0
            for index, stretch in enumerate(self._recording.stretches()):
                if stretch.samples.ndim != 2 or stretch.samples.shape[0] != count:
                    raise RecordingError(
                        f"{self._recording.name}: found a stretch of shape "
                        f"{stretch.samples.shape}, expected ({count}, samples)"
                    )
                length = stretch.samples.shape[1]
                for marker in stretch.markers:
                    if not 0 <= marker.sample < length:
                        raise RecordingError(
                            f"{self._recording.name}: found a marker ({marker.text!r}) at sample "
                            f"{marker.sample} of a stretch, expected one of its {length} samples"
                        )
                samples += length
                yield stretch if index else replace(stretch, follows=False)
            if not (self._loop and samples):
                return

    def _wait_until(self, due: float, stop: threading.Event) -> bool:
        """Wait until the clock reads `due`; return whether to continue."""
        while not stop.is_set():
            left = due - self._clock()
            if left <= 0:
                return True
            self._wait(stop, left)
        return False

    def _linger(
        self, outlets: Iterable[pylsl.StreamOutlet | MarkerOutlet], stop: threading.Event
    ) -> None:
        """Keep the outlets open until their consumers left or had time to read the last samples."""
        until = self._clock() + _LINGER_SECONDS
        while self._clock() < until and any(outlet.have_consumers() for outlet in outlets):
            if self._wait(stop, _LINGER_POLL_SECONDS):
                return

    def _signal_info(self, form: Form) -> pylsl.StreamInfo:
        recording = self._recording
        # float32 whatever the unit: it has 24 significant bits in volts as in microvolts, as many
        # as the best converters, and it is what headsets send.
        info = pylsl.StreamInfo(
            recording.name,
            "EEG",
            len(form.channels),
            form.sfreq,
            "float32",
            recording.source_id,
        )
        desc = info.desc()
        desc.append_child_value("manufacturer", recording.manufacturer)
        desc.append_child_value("simulated", "true" if recording.simulated else "false")
        desc.append_child("replay").append_child_value("speed", f"{self._speed:g}")
        channels = desc.append_child("channels")
        for label, unit in zip(form.channels, form.units, strict=True):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
            kind = "misc" if microvolts_per(unit) is None else "EEG"
            channel.append_child_value("type", kind)
        return info

    def _marker_info(self) -> pylsl.StreamInfo:
        return pylsl.StreamInfo(
            f"{self._recording.name} markers",
            "Markers",
            1,
            pylsl.IRREGULAR_RATE,
            "string",
            f"{self._recording.source_id}-markers",
        )
