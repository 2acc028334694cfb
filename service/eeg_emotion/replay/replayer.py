"""Plays a recording into Lab Streaming Layer as if a headset were sending it now.

LSL must be configured before (`eeg_emotion.lsl.configuration.configure`): whoever listens on the
same network within the session's scope receives the signal.
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
from eeg_emotion.replay.actions import Action, Connect, Disconnect, Form, Note, Send
from eeg_emotion.replay.chunks import CHUNK_SECONDS, GAP_SECONDS, cut_into_chunks
from eeg_emotion.replay.faults import Fault
from eeg_emotion.replay.injector import Injector
from eeg_emotion.replay.marker_outlet import NoteOutlet
from eeg_emotion.stream.timeline import GAP_PERIODS

# A stop is noticed this late while no consumer is there, since liblsl cannot be woken from outside;
# and on Windows in a gap too.
_STOP_POLL_SECONDS = 0.25
# How long the outlet stays after its last sample. LSL does not tell when everything has arrived,
# and a reader that learns that the stream is lost never sees what it had not pulled by then; one
# that pulls at least once in this time has all.
_LINGER_SECONDS = 1.0
_LINGER_POLL_SECONDS = 0.05
# How long a headset is away that reconnects: as long as its readers need for its last samples, and
# as long again as liblsl needs to take an outlet down, which is half a second.
_RECONNECT_SECONDS = 1.0


def _wait_a_turn(stop: threading.Event, seconds: float) -> bool:
    """Wait for a stop, so long or less: Ctrl-C interrupts no wait for an event on Windows."""
    return stop.wait(min(seconds, _STOP_POLL_SECONDS))


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay has sent.

    Attributes
    ----------
    samples
        Samples per channel.
    stretches
        Contiguous stretches by their stamps, so one more than there were gaps and new connections.
    seconds
        Signal sent, by the recording's clock and without the gaps.
    stopped
        True where it was stopped before its last sample.
    connections
        Outlets, one after the other.
    killed
        True where a fault ended it before its last sample.
    unreached
        The faults that did not happen, since the signal ended before.
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
    """A headset made of a recording.

    Sample `k` carries the stamp ``t0 + k / sfreq``, plus `gap_seconds` for each gap before it,
    whenever the sending thread woke: `t0` is the clock's reading as the replay begins. A chunk
    is sent when its last sample is due, as an amplifier cannot send the future. At another speed
    only the sending is faster or slower: stamps and gaps stay in the recording's time, so that
    at a speed above 1 stamps run ahead of the clock. The stream's description says so, as
    ``<replay><speed>``.

    Markers go out as text on a stream of their own, ``<source_id>-markers``, each with its
    sample's stamp. The replay waits for no consumer of it, but a marker does for some seconds.

    Faults happen at their times on the stamps' scale, once, also where the recording loops. An
    outlet that returns waits for no consumer, as no headset does. The stream of markers stays
    while the signal's is away.

    Parameters
    ----------
    recording
        What to play.
    speed
        How many times faster than it was recorded.
    loop
        Begin again at the end, after a gap, until stopped.
    gap_seconds
        How much longer than one sample period the hole is where a stretch does not follow.
    chunk_seconds
        How much is sent at once, rounded to samples.
    wait_for_consumer
        Send nothing until someone reads, so that the first sample is not lost.
    faults
        What goes wrong on purpose, in order of time.
    clock
        LSL's clock, seconds.
    unix_clock
        Unix time, seconds.
    wait
        Wait for the event at most so many seconds, and return whether it is set.

    Raises
    ------
    RecordingError
        If a setting cannot be played.
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
        # Readers call a jump of more than 1.5 periods a gap.
        if not (gap_seconds * recording.sfreq >= 1 and math.isfinite(gap_seconds)):
            raise RecordingError(
                f"found gap_seconds {gap_seconds}, expected at least one sample period of "
                f"{recording.name} ({1 / recording.sfreq:g} s): a shorter gap cannot be seen"
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
        self._injector()  # refuses what cannot be, before anyone waits

    def run(self, stop: threading.Event) -> ReplayReport:
        """Play to the end, or until `stop` is set.

        Raises
        ------
        RecordingError
            If a stretch does not fit the recording's channels or holds a marker beyond its end, or
            if the recording holds no sample.
        """
        injector = self._injector()
        # First, so that whoever finds the signal has found the markers: the first sample may have
        # one.
        notes = NoteOutlet(self._marker_info(), self._clock)
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
                    # liblsl takes the outlet down when the last reference goes.
                    outlet = None
                    if killed:
                        return tally.report(injector, killed=True)
                case Connect(form=form):
                    outlet = pylsl.StreamOutlet(self._signal_info(form))
                    tally.connected()
                case Send() as sent:
                    zero = unix_begin if sent.unix else begin
                    for note in sent.notes:
                        notes.push(note.text, zero + note.seconds)
                    notes.flush()
                    if outlet is not None and len(sent.stamps):
                        # A stamp for every sample: with one for the chunk, the receiver adds up
                        # periods and its rounding errors.
                        outlet.push_chunk(
                            np.ascontiguousarray(sent.samples.T, dtype=np.float32),
                            zero + sent.stamps,
                        )
                        tally.sent(zero + sent.stamps, sent.sfreq)
        self._linger([notes] if outlet is None else [outlet, notes], stop)
        return tally.report(injector)

    def _injector(self) -> Injector:
        return Injector(
            self._form, self._faults, reconnect_seconds=_RECONNECT_SECONDS * self._speed
        )

    def _actions(self, injector: Injector) -> Iterator[Action]:
        """Plan the sending, chunk by chunk."""
        chunk = None
        for chunk in cut_into_chunks(self._stretches(), self._size):
            times = (
                chunk.gaps * self._gap_seconds
                + np.arange(chunk.first, chunk.first + chunk.samples.shape[1])
                / self._recording.sfreq
            )
            notes = [Note(float(times[marker.sample]), marker.text) for marker in chunk.markers]
            yield from injector.process(chunk.samples, times, notes)
        if chunk is None:
            raise RecordingError(
                f"{self._recording.name}: found no sample, expected some; choose another file"
            )
        yield from injector.finish()

    def _stretches(self) -> Iterator[Stretch]:
        """Return the recording's stretches, over and over where it loops."""
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
        """Wait until the clock reads `due`; return whether to go on."""
        while not stop.is_set():
            left = due - self._clock()
            if left <= 0:
                return True
            self._wait(stop, left)
        return False

    def _linger(
        self, outlets: Iterable[pylsl.StreamOutlet | NoteOutlet], stop: threading.Event
    ) -> None:
        """Keep the outlets until their consumers have left, or had time for the last samples."""
        until = self._clock() + _LINGER_SECONDS
        while self._clock() < until and any(outlet.have_consumers() for outlet in outlets):
            if self._wait(stop, _LINGER_POLL_SECONDS):
                return

    def _signal_info(self, form: Form) -> pylsl.StreamInfo:
        recording = self._recording
        # float32 whatever the unit is: it keeps 24 significant bits of volts as of microvolts,
        # as many as the best converters have, and it is what headsets send.
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
