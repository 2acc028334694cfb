"""Check streams: open them together, compare them with the model, and read them for a while.

Each stream passes through the same inlet, admission and pipeline as in the service.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.lib import fmt2string

from eeg_emotion.codes import Check, Reason
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
from eeg_emotion.lsl.doubles import describe_doubles
from eeg_emotion.lsl.inlet import HeadsetInlet, StreamDescription, headset_id
from eeg_emotion.lsl.poller import Poller
from eeg_emotion.stream.admission import Admission, StreamRefused
from eeg_emotion.stream.link import STALE_SECONDS
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.rate import JITTER_SECONDS
from eeg_emotion.stream.selection import HeadsetFilter

_OPENED_AT_ONCE = 32  # opening one takes 0.65 s, or 5 s if it does not answer
_LEAST_RATE_SECONDS = 1.0  # over less, the chunk size makes a rate inaccurate
_RATE_TOLERANCE = 0.05  # the accepted share of lost samples, or error of the stated rate
_SPARE_SECONDS = 1.0  # beyond a window's length, before a whole window can be expected
_LATE_WINDOWS = 3  # a backlog at the start of the check is soon caught up with
_PENDING_UNIT = "not stated; inferred from the signal's amplitude, which takes 4 s of it"


def look(
    streams: Sequence[pylsl.StreamInfo],
    settings: PathSettings,
    headset_filter: HeadsetFilter,
    seconds: float,
    clock: Callable[[], float] = pylsl.local_clock,
    utc: Callable[[], float] = time.time,
) -> tuple[StreamFinding, ...]:
    """Open streams, compare their metadata with the model, and read those that are accepted.

    Parameters
    ----------
    streams
        As discovered; if several share a headset id, none of them is opened, as in the service.
    settings, headset_filter
        The model's signal path, and how streams are assessed.
    seconds
        How long to read the streams; 0 reads the metadata only.
    clock
        This machine's LSL clock, seconds.
    utc
        Returns the time, Unix seconds.
    """
    by_id: dict[str, list[pylsl.StreamInfo]] = defaultdict(list)
    for info in streams:
        by_id[headset_id(info)].append(info)
    checkups = [_Checkup(info, clock, utc) for info in streams]
    alone = [checkup for checkup in checkups if len(by_id[checkup.id]) == 1]
    for checkup in checkups:
        if len(by_id[checkup.id]) > 1:
            checkup.refuse(describe_doubles(checkup.id, by_id[checkup.id]))
    with ThreadPoolExecutor(_OPENED_AT_ONCE, thread_name_prefix="open") as openers:
        list(openers.map(lambda checkup: checkup.open(settings, headset_filter), alone))
    try:
        if seconds:
            _listen(alone, clock, seconds)
        return tuple(checkup.finding(seconds) for checkup in checkups)
    finally:
        for checkup in alone:
            checkup.close()


def glance(streams: Sequence[pylsl.StreamInfo], reason: str) -> tuple[StreamFinding, ...]:
    """Return findings from the announcements alone, for streams that are not opened."""
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
        time.sleep(pause)  # the poller pauses by calling this; nothing else runs meanwhile
        return clock() >= end or not any(checkup.listening for checkup in checkups)

    poller.run(over)


class _Checkup:
    """The check of one stream; also the poller's listener for it."""

    def __init__(
        self, info: pylsl.StreamInfo, clock: Callable[[], float], utc: Callable[[], float]
    ) -> None:
        self.id = headset_id(info)
        self.inlet: HeadsetInlet | None = None
        self._info = info
        self._clock, self._utc = clock, utc
        self._pipeline: StreamPipeline | None = None
        self._check: Check | None = None
        self._reason: str | None = None
        self._coverage: Coverage | None = None
        self._since: tuple[float, int] | None = None
        self._last = 0.0
        self._infers_unit = False
        self._late: deque[float] = deque(maxlen=_LATE_WINDOWS)

    @property
    def listening(self) -> bool:
        """Whether its samples still count."""
        return self._pipeline is not None and self._reason is None

    def fail(self, reason: str) -> None:
        """Record why the check of this stream ends here."""
        self._reason = reason

    def refuse(self, reason: str) -> None:
        """Record why the service would not follow the stream."""
        self._check = Check.QUARANTINED
        self._reason = reason

    def open(self, settings: PathSettings, headset_filter: HeadsetFilter) -> None:
        """Open the stream and compare its metadata with the model."""
        try:
            self.inlet = HeadsetInlet(self._info)
            self._admit(self.inlet.description, settings, headset_filter)
        # An error of any kind in one stream must not hide the findings of the others.
        except Exception as error:
            self.fail(_message(error))

    def _admit(
        self, stream: StreamDescription, settings: PathSettings, headset_filter: HeadsetFilter
    ) -> None:
        try:
            admission = Admission.of(stream, settings, headset_filter.cap)
        except (LayoutError, StreamRefused) as error:
            self.refuse(str(error))
            self._coverage = _coverage(stream, settings, headset_filter, refused=True)
            return
        self._coverage = _coverage(stream, settings, headset_filter, refused=False)
        filled = self._coverage is not None and self._coverage.interpolated
        self._check = Check.INTERPOLATED if filled else Check.ACCEPTED
        self._infers_unit = admission.layout is None
        self._pipeline = StreamPipeline(
            admission=admission,
            settings=settings,
            normaliser=None,  # quality needs none, and nothing is scored here
            limits=headset_filter.limits,
            clock=self._clock,
            utc_offset=lambda: self._utc() - self._clock(),
            ahead=stream.replay_speed > 1.0,
        )

    @property
    def min_samples(self) -> int:
        """Fetch every sample at once: the check ends after a fixed time."""
        return 1

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        """Feed a chunk to the pipeline."""
        if self._pipeline is None or self.inlet is None or self._reason is not None:
            return
        try:
            assessed = self._pipeline.feed(samples, stamps, self.inlet.clock_offset)
            if assessed is not None:
                self._late.append(assessed.arrival if Reason.STALE in assessed.reasons else 0.0)
        except EegEmotionError as error:
            self.refuse(str(error))
        # As above.
        except Exception as error:
            self.fail(_message(error))
        self._last = float(stamps[-1])
        if self._since is None:
            self._since = self._last, self._pipeline.counts.received

    def overloaded(self) -> None:
        """Note that what follows was read late."""
        if self._pipeline is not None:
            self._pipeline.note_overload()

    def refused(self, error: EegEmotionError) -> None:
        """Record why the stream is read no more."""
        self.refuse(str(error))

    def lost(self) -> None:
        """Record that the source is gone."""
        self._reason = self._reason or (
            "its source closed the connection during the check; check that its program is still "
            "running, and run the doctor again"
        )

    def close(self) -> None:
        """Close the stream."""
        if self.inlet is not None:
            self.inlet.close()

    def finding(self, seconds: float) -> StreamFinding:
        """Return the finding, after reading the stream for `seconds`."""
        info = self._info
        signal = self._signal() if seconds and self._pipeline is not None else None
        reason = self._reason
        if reason is None and signal is not None and self._pipeline is not None:
            reason = self._signal_reason(signal, self._pipeline, seconds)
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
        if self._pipeline is None:
            return None
        if not self._pipeline.is_inferring_unit:
            return self._pipeline.layout.unit
        return None if self._check is Check.QUARANTINED else _PENDING_UNIT

    def _signal(self) -> SignalFinding | None:
        pipeline = self._pipeline
        if pipeline is None:
            return None
        return SignalFinding(
            samples_received=pipeline.counts.received,
            samples_missing=pipeline.counts.missing,
            gaps=pipeline.counts.gaps,
            sfreq_measured=self._measured_sfreq(pipeline),
            stamps=pipeline.describe_time(),
            quality=_quality(pipeline),
        )

    def _signal_reason(
        self, signal: SignalFinding, pipeline: StreamPipeline, seconds: float
    ) -> str | None:
        """Return why the signal is useless though the service would accept it, else None."""
        if not signal.samples_received:
            return (
                f"received no samples in {seconds:g} s although the stream is announced; start the "
                "measurement in the headset's program, and check that the headset is switched on"
            )
        missing = f"{signal.samples_missing} samples are missing in {signal.gaps} gaps"
        if signal.sfreq_measured is not None:
            tolerance = _RATE_TOLERANCE + JITTER_SECONDS / self._elapsed
            if abs(signal.sfreq_measured / pipeline.sfreq - 1.0) > tolerance:
                return (
                    f"found {signal.sfreq_measured:.1f} samples per second over "
                    f"{self._elapsed:.0f} s of the source's own time stamps, expected the "
                    f"{pipeline.sfreq:g} Hz that the stream states: {missing}. Either the nominal "
                    "rate is wrong: correct it in the program that makes the outlet; or samples "
                    "are lost: check the connection to the headset"
                )
        if (late := min(self._late, default=0.0)) > 0.0:
            return (
                f"found windows whose samples are {late:.1f} s old when they arrive, by "
                f"their own stamps, expected at most {STALE_SECONDS:g} s: the service gives them "
                "no score (stale); stamp the samples with LSL's local_clock when they are taken in "
                "the program that makes the outlet, and look for what holds them back on the way"
            )
        needed = pipeline.settings.window_seconds + _SPARE_SECONDS
        if self._infers_unit:
            needed += NEEDED_SECONDS
        # Even a good stream may have a single gap in the middle of the check.
        if signal.quality is None and signal.gaps > 1 and seconds >= needed:
            return (
                f"found no {pipeline.settings.window_seconds:g} s of signal without a gap, "
                f"expected whole windows: {missing}; check the connection to the headset, and run "
                "the doctor again with more --seconds"
            )
        return None

    @property
    def _elapsed(self) -> float:
        """Seconds of the source's time stamps from the first chunk's last sample to the newest."""
        return 0.0 if self._since is None else self._last - self._since[0]

    def _measured_sfreq(self, pipeline: StreamPipeline) -> float | None:
        """Return the rate over the whole check, Hz; the pipeline's own restarts at each gap."""
        elapsed = self._elapsed
        if self._since is None or not _LEAST_RATE_SECONDS <= elapsed < math.inf:
            return None
        return round((pipeline.counts.received - self._since[1]) / elapsed, 2)


def _coverage(
    stream: StreamDescription,
    settings: PathSettings,
    headset_filter: HeadsetFilter,
    *,
    refused: bool,
) -> Coverage | None:
    """Return which channels are present, by label and unit alone; None if none is."""
    count = len(settings.channels)
    lenient = replace(settings, max_interpolated=count - 1)
    try:
        admission = Admission.of(stream, lenient, headset_filter.cap)
        # The channels do not depend on the unit that is inferred from this amplitude.
        layout = admission.layout or admission.infer_unit(np.full(stream.channel_count, 10.0))
    except (LayoutError, StreamRefused):
        return None  # the reason of the refusal says why
    return Coverage(
        needed=count,
        measured=layout.measured,
        interpolated=() if refused else layout.interpolated,
        missing=layout.interpolated if refused else (),
        dropped=layout.dropped,
    )


def _quality(pipeline: StreamPipeline) -> QualityFinding | None:
    if pipeline.newest is None:
        return None
    window = pipeline.newest.window
    found = window.quality
    return QualityFinding(
        overall=round(found.overall, 4),
        faults=found.faults,
        settled=window.settled,
        interpolated=window.interpolated,
        channels=tuple(
            ChannelFinding(label, round(float(score), 4), trouble)
            for label, score, trouble in zip(
                pipeline.layout.measured, found.scores, found.troubles, strict=True
            )
        ),
    )


def _message(error: Exception) -> str:
    if isinstance(error, EegEmotionError):
        return str(error)
    return f"an error in eeg-emotion itself: {type(error).__name__}: {error}; please report it"
