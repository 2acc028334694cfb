"""One look at streams: opened together, held against the model, and listened to for a while.

A stream goes through what the daemon would put it through: the same inlet, admission and line.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.lib import fmt2string

from eeg_emotion.codes import Check
from eeg_emotion.doctor.findings import (
    ChannelFinding,
    Coverage,
    QualityFinding,
    SignalFinding,
    StreamFinding,
)
from eeg_emotion.eeg.amplitude import NEEDED_SECONDS
from eeg_emotion.eeg.layout import LayoutError
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.lsl.inlet import HeadsetInlet, StreamDescription, headset_id
from eeg_emotion.lsl.poller import Poller
from eeg_emotion.stream.admission import Admission, StreamRefused
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.rate import JITTER_SECONDS
from eeg_emotion.stream.selection import HeadsetFilter

_OPENED_AT_ONCE = 32  # opening one takes 0.65 s, and 5 s where it does not answer
_LEAST_RATE_SECONDS = 1.0  # over less, the chunks' size blurs a rate
_RATE_TOLERANCE = 0.05  # of what is lost or stated wrongly, before a stream is no good
_SPARE_SECONDS = 1.0  # by which a look must be longer than a window for one to be expected
_PENDING_UNIT = "not stated; judged by the signal's amplitude, which needs 4 s of it"


def look(
    streams: Sequence[pylsl.StreamInfo],
    settings: PathSettings,
    reception: HeadsetFilter,
    seconds: float,
    clock: Callable[[], float] = pylsl.local_clock,
    utc: Callable[[], float] = time.time,
) -> tuple[StreamFinding, ...]:
    """Open streams, hold their metadata against the model, and listen to those that stand it.

    Parameters
    ----------
    streams
        As found; where several have one headset id, none of them is opened, nor would the daemon.
    settings, reception
        The model's signal path, and how streams are taken in.
    seconds
        How long to listen; 0 reads the metadata only.
    clock
        This machine's LSL clock.
    utc
        Unix seconds.
    """
    ids = Counter(headset_id(info) for info in streams)
    checkups = [_Checkup(info, clock, utc) for info in streams]
    alone = [checkup for checkup in checkups if ids[checkup.id] == 1]
    for checkup in checkups:
        if ids[checkup.id] > 1:
            checkup.refuse(
                f"found {ids[checkup.id]} streams with this headset id, expected one: which of "
                "them is meant cannot be known; stop the others, or give them distinct source ids"
            )
    with ThreadPoolExecutor(_OPENED_AT_ONCE, thread_name_prefix="open") as openers:
        list(openers.map(lambda checkup: checkup.open(settings, reception), alone))
    try:
        if seconds:
            _listen(alone, clock, seconds)
        return tuple(checkup.finding(seconds) for checkup in checkups)
    finally:
        for checkup in alone:
            checkup.close()


def glance(streams: Sequence[pylsl.StreamInfo], reason: str) -> tuple[StreamFinding, ...]:
    """Return what was announced of streams that, for some reason, are not opened."""
    checkups = [_Checkup(info, pylsl.local_clock, time.time) for info in streams]
    for checkup in checkups:
        checkup.fail(reason)
    return tuple(checkup.finding(0.0) for checkup in checkups)


def _listen(checkups: Sequence[_Checkup], clock: Callable[[], float], seconds: float) -> None:
    poller = Poller(round_over=lambda: None)
    for checkup in checkups:
        if checkup.inlet is not None and checkup.listening:
            poller.add(checkup.inlet.description.uid, checkup.inlet, checkup)
    end = clock() + seconds

    def over(pause: float) -> bool:
        time.sleep(pause)  # the poller asks here for its pauses; nothing else runs meanwhile
        return clock() >= end or not any(checkup.listening for checkup in checkups)

    poller.run(over)


class _Checkup:
    """One stream under examination; the poller's listener for it."""

    def __init__(
        self, info: pylsl.StreamInfo, clock: Callable[[], float], utc: Callable[[], float]
    ) -> None:
        self.id = headset_id(info)
        self.inlet: HeadsetInlet | None = None
        self._info = info
        self._clock, self._utc = clock, utc
        self._monitor: StreamPipeline | None = None
        self._check: Check | None = None
        self._reason: str | None = None
        self._coverage: Coverage | None = None
        self._since: tuple[float, int] | None = None
        self._last = 0.0
        self._weighed = False

    @property
    def listening(self) -> bool:
        """Whether its samples still count."""
        return self._monitor is not None and self._reason is None

    def fail(self, reason: str) -> None:
        """Note why nothing more can be known of it."""
        self._reason = reason

    def refuse(self, reason: str) -> None:
        """Note why the daemon would not follow it."""
        self._check = Check.QUARANTINED
        self._reason = reason

    def open(self, settings: PathSettings, reception: HeadsetFilter) -> None:
        """Open the stream and hold its metadata against the model."""
        try:
            self.inlet = HeadsetInlet(self._info)
            self._admit(self.inlet.description, settings, reception)
        # One stream's trouble, of whatever kind, must not hide the others.
        except Exception as error:
            self.fail(_told(error))

    def _admit(
        self, stream: StreamDescription, settings: PathSettings, reception: HeadsetFilter
    ) -> None:
        try:
            admission = Admission.of(stream, settings, reception.cap)
        except (LayoutError, StreamRefused) as error:
            self.refuse(str(error))
            self._coverage = _coverage(stream, settings, reception, refused=True)
            return
        self._coverage = _coverage(stream, settings, reception, refused=False)
        filled = self._coverage is not None and self._coverage.interpolated
        self._check = Check.INTERPOLATED if filled else Check.ACCEPTED
        self._weighed = admission.layout is None
        self._monitor = StreamPipeline(
            admission=admission,
            settings=settings,
            normaliser=None,  # quality is judged without one, and nothing is scored here
            limits=reception.limits,
            clock=self._clock,
            utc_offset=lambda: self._utc() - self._clock(),
            ahead=stream.replay_speed > 1.0,
        )

    @property
    def min_samples(self) -> int:
        """Every sample counts: the look has an end."""
        return 1

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        """Run the line over them."""
        if self._monitor is None or self.inlet is None or self._reason is not None:
            return
        try:
            self._monitor.feed(samples, stamps, self.inlet.clock_offset)
        except EegEmotionError as error:
            self.refuse(str(error))
        # As above.
        except Exception as error:
            self.fail(_told(error))
        self._last = float(stamps[-1])
        if self._since is None:
            self._since = self._last, self._monitor.counts.received

    def lost(self) -> None:
        """Note that the source went away."""
        self._reason = self._reason or (
            "its source closed the connection during the look; see that its program runs, and "
            "look again"
        )

    def close(self) -> None:
        """Let go of the stream."""
        if self.inlet is not None:
            self.inlet.close()

    def finding(self, seconds: float) -> StreamFinding:
        """Sum up."""
        info = self._info
        signal = self._signal() if seconds and self._monitor is not None else None
        reason = self._reason
        if reason is None and signal is not None and self._monitor is not None:
            reason = self._signal_reason(signal, self._monitor, seconds)
        return StreamFinding(
            id=self.id,
            name=info.name(),
            hostname=info.hostname(),
            type=info.type(),
            source_id=info.source_id(),
            channel_count=info.channel_count(),
            channel_format=fmt2string[info.channel_format()],
            sfreq=info.nominal_srate(),
            simulated=self.inlet.description.simulated if self.inlet else None,
            check=self._check,
            reason=reason,
            coverage=self._coverage,
            unit=self._unit(),
            signal=signal,
        )

    def _unit(self) -> str | None:
        if self._monitor is None:
            return None
        if not self._monitor.is_inferring_unit:
            return self._monitor.layout.unit
        return None if self._check is Check.QUARANTINED else _PENDING_UNIT

    def _signal(self) -> SignalFinding | None:
        monitor = self._monitor
        if monitor is None:
            return None
        return SignalFinding(
            samples_received=monitor.counts.received,
            samples_missing=monitor.counts.missing,
            gaps=monitor.counts.gaps,
            sfreq_measured=self._measured_sfreq(monitor),
            stamps=monitor.describe_time(),
            quality=_quality(monitor),
        )

    def _signal_reason(
        self, signal: SignalFinding, monitor: StreamPipeline, seconds: float
    ) -> str | None:
        """Return what the daemon would put up with, though the stream is of no use to it."""
        if not signal.samples_received:
            return (
                f"no sample came in {seconds:g} s, though the stream is announced; start the "
                "measurement in the headset's program, and see that the headset is on"
            )
        missing = f"{signal.samples_missing} samples are missing in {signal.gaps} gaps"
        if signal.sfreq_measured is not None:
            tolerance = _RATE_TOLERANCE + JITTER_SECONDS / self._elapsed
            if abs(signal.sfreq_measured / monitor.sfreq - 1.0) > tolerance:
                return (
                    f"found {signal.sfreq_measured:.1f} samples a second over "
                    f"{self._elapsed:.0f} s of the source's own stamps, expected the "
                    f"{monitor.sfreq:g} Hz that the stream states: {missing}. Either the nominal "
                    "rate is wrong: set it in the program that makes the outlet; or samples are "
                    "lost: look at the connection to the headset"
                )
        needed = monitor.settings.window_seconds + _SPARE_SECONDS
        if self._weighed:
            needed += NEEDED_SECONDS
        # A single gap may lie in the middle of a good stream's look.
        if signal.quality is None and signal.gaps > 1 and seconds >= needed:
            return (
                f"found no {monitor.settings.window_seconds:g} s of signal without a gap, expected "
                f"whole windows: {missing}; look at the connection to the headset, and again with "
                "more --seconds"
            )
        return None

    @property
    def _elapsed(self) -> float:
        """Seconds by the source's stamps from the first chunk's last sample to the newest."""
        return 0.0 if self._since is None else self._last - self._since[0]

    def _measured_sfreq(self, monitor: StreamPipeline) -> float | None:
        """Return the rate over the look; the monitor's own starts anew at each gap."""
        elapsed = self._elapsed
        if self._since is None or not _LEAST_RATE_SECONDS <= elapsed < math.inf:
            return None
        return round((monitor.counts.received - self._since[1]) / elapsed, 2)


def _coverage(
    stream: StreamDescription, settings: PathSettings, reception: HeadsetFilter, *, refused: bool
) -> Coverage | None:
    """Return which channels are there, by label and unit alone; None where none of them is."""
    count = len(settings.channels)
    lenient = replace(settings, max_interpolated=count - 1)
    try:
        admission = Admission.of(stream, lenient, reception.cap)
        # Whatever unit this amplitude speaks for, the channels are the same.
        layout = admission.layout or admission.infer_unit(np.full(stream.channel_count, 10.0))
    except (LayoutError, StreamRefused):
        return None  # the reason says all
    return Coverage(
        needed=count,
        measured=layout.measured,
        interpolated=() if refused else layout.interpolated,
        missing=layout.interpolated if refused else (),
        dropped=layout.dropped,
    )


def _quality(monitor: StreamPipeline) -> QualityFinding | None:
    if monitor.newest is None:
        return None
    window = monitor.newest.window
    found = window.quality
    return QualityFinding(
        overall=round(found.overall, 4),
        faults=found.faults,
        settled=window.settled,
        interpolated=window.interpolated,
        channels=tuple(
            ChannelFinding(label, round(float(score), 4), trouble)
            for label, score, trouble in zip(
                monitor.layout.measured, found.scores, found.troubles, strict=True
            )
        ),
    )


def _told(error: Exception) -> str:
    if isinstance(error, EegEmotionError):
        return str(error)
    return f"an error in eeg-emotion itself: {type(error).__name__}: {error}; please report it"
