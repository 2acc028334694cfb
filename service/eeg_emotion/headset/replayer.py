"""Plays a recording into Lab Streaming Layer as if a headset were sending it now.

LSL must be configured before (`eeg_emotion.headset.lsl.configure`): whoever listens on the same
network within the session's scope receives the signal.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.eeg.units import microvolts_per
from eeg_emotion.recordings.recording import Marker, Recording, RecordingError, Stretch

# A stop is noticed this late while no consumer is there; liblsl cannot be woken from outside.
_CONSUMER_POLL_SECONDS = 0.25
# How long the outlet stays after its last sample. LSL does not tell when everything has arrived,
# and a reader that learns that the stream is lost never sees what it had not pulled by then; one
# that pulls at least once in this time has all.
_LINGER_SECONDS = 1.0
_LINGER_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay has sent.

    Attributes
    ----------
    samples
        Samples per channel.
    stretches
        Contiguous stretches, so one more than there were gaps.
    seconds
        Signal sent, by the recording's clock and without the gaps.
    stopped
        True where it was stopped before its last sample.
    """

    samples: int
    stretches: int
    seconds: float
    stopped: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is pushed at once.

    Attributes
    ----------
    samples
        `(channels, samples)` in the recording's units.
    markers
        Notes on its samples, counted from the chunk's first.
    first
        How many samples came before it.
    gaps
        How many gaps came before it.
    """

    samples: NDArray[np.floating]
    markers: tuple[Marker, ...]
    first: int
    gaps: int


def cut_into_chunks(stretches: Iterable[Stretch], size: int) -> Iterator[Chunk]:
    """Cut stretches into chunks of `size` samples, counted from each gap.

    A stretch that follows the last one continues its grid; before a gap and at the end a chunk
    may be shorter. No chunk spans a gap.
    """
    rest: Stretch | None = None
    first = gaps = 0
    gap = False
    for stretch in stretches:
        gap = gap or not stretch.follows
        if not stretch.samples.shape[1]:
            continue
        block = stretch
        if rest is not None:
            if gap:
                yield Chunk(rest.samples, rest.markers, first, gaps)
                first += rest.samples.shape[1]
            else:
                block = _join(rest, stretch)
        if gap and first:
            gaps += 1
        gap = False
        whole = block.samples.shape[1] // size * size
        for start in range(0, whole, size):
            part = _part(block, start, start + size)
            yield Chunk(part.samples, part.markers, first, gaps)
            first += size
        rest = _part(block, whole, block.samples.shape[1])
        if not rest.samples.shape[1]:
            rest = None
    if rest is not None:
        yield Chunk(rest.samples, rest.markers, first, gaps)


def _join(left: Stretch, right: Stretch) -> Stretch:
    offset = left.samples.shape[1]
    moved = (Marker(marker.sample + offset, marker.text) for marker in right.markers)
    return Stretch(
        np.concatenate([left.samples, right.samples], axis=1), markers=(*left.markers, *moved)
    )


def _part(stretch: Stretch, start: int, stop: int) -> Stretch:
    return Stretch(
        stretch.samples[:, start:stop],
        markers=tuple(
            Marker(marker.sample - start, marker.text)
            for marker in stretch.markers
            if start <= marker.sample < stop
        ),
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
    sample's stamp. Nothing waits for a consumer of it.

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
    clock
        LSL's clock, seconds.
    wait
        Wait for the event at most so many seconds, and tell whether it is set.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float = 1.0,
        loop: bool = False,
        gap_seconds: float = 2.0,
        chunk_seconds: float = 1 / 16,
        wait_for_consumer: bool = True,
        clock: Callable[[], float] = pylsl.local_clock,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
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
        self._wait = wait

    def run(self, stop: threading.Event) -> ReplayReport:
        """Play to the end, or until `stop` is set.

        Raises
        ------
        RecordingError
            If a stretch does not fit the recording's channels or holds a marker beyond its end, or
            if the recording holds no sample.
        """
        outlet = pylsl.StreamOutlet(self._signal_info())
        notes = pylsl.StreamOutlet(self._marker_info())
        sent: Chunk | None = None
        while self._wait_for_consumer and not outlet.wait_for_consumers(_CONSUMER_POLL_SECONDS):
            if stop.is_set():
                return self._report(sent, stopped=True)
        begin = self._clock()
        for chunk in cut_into_chunks(self._stretches(), self._size):
            offsets = (
                chunk.gaps * self._gap_seconds
                + np.arange(chunk.first, chunk.first + chunk.samples.shape[1])
                / self._recording.sfreq
            )
            if not self._wait_until(begin + offsets[-1] / self._speed, stop):
                return self._report(sent, stopped=True)
            stamps = begin + offsets
            for marker in chunk.markers:
                notes.push_sample([marker.text], float(stamps[marker.sample]))
            # A stamp for every sample: with one for the chunk, the receiver adds up periods and
            # its rounding errors.
            outlet.push_chunk(np.ascontiguousarray(chunk.samples.T, dtype=np.float32), stamps)
            sent = chunk
        if sent is None:
            raise RecordingError(
                f"{self._recording.name}: found no sample, expected some; choose another file"
            )
        self._linger((outlet, notes), stop)
        return self._report(sent, stopped=False)

    def _stretches(self) -> Iterator[Stretch]:
        """Give the recording's stretches, over and over where it loops."""
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
        """Wait until the clock reads `due`; tell whether to go on."""
        while not stop.is_set():
            left = due - self._clock()
            if left <= 0:
                return True
            self._wait(stop, left)
        return False

    def _linger(self, outlets: Iterable[pylsl.StreamOutlet], stop: threading.Event) -> None:
        """Keep the outlets until their consumers have left, or had time for the last samples."""
        until = self._clock() + _LINGER_SECONDS
        while self._clock() < until and any(outlet.have_consumers() for outlet in outlets):
            if self._wait(stop, _LINGER_POLL_SECONDS):
                return

    def _report(self, last: Chunk | None, *, stopped: bool) -> ReplayReport:
        if last is None:
            return ReplayReport(samples=0, stretches=0, seconds=0.0, stopped=stopped)
        samples = last.first + last.samples.shape[1]
        return ReplayReport(
            samples=samples,
            stretches=last.gaps + 1,
            seconds=samples / self._recording.sfreq,
            stopped=stopped,
        )

    def _signal_info(self) -> pylsl.StreamInfo:
        recording = self._recording
        # float32 whatever the unit is: it keeps 24 significant bits of volts as of microvolts,
        # as many as the best converters have, and it is what headsets send.
        info = pylsl.StreamInfo(
            recording.name,
            "EEG",
            len(recording.channels),
            recording.sfreq,
            "float32",
            recording.source_id,
        )
        desc = info.desc()
        desc.append_child_value("manufacturer", recording.manufacturer)
        desc.append_child_value("simulated", "true" if recording.simulated else "false")
        desc.append_child("replay").append_child_value("speed", f"{self._speed:g}")
        channels = desc.append_child("channels")
        for label, unit in zip(recording.channels, recording.units, strict=True):
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
