"""Run a recording through the live path at full speed, as the service does for a replay of it.

Admission, pipeline and model are the service's own, and the samples are cut into chunks and
stamped as the replayer does, in float32. Windows, reasons, quality and scores equal those of the
replay. By design, these differ:

- Time is the recording's. Where it has measured stamps (XDF), those are used, and rate, gaps and
  clock are judged by them as live. Elsewhere sample `k` is at ``k / sfreq``, plus 2 s for each gap
  before it, since such a recording does not state how long a gap was; a rate is not judged by
  stamps that are made from it. A replay adds its starting time.
- A sample arrives the moment it is taken. So no window is superseded or `stale`, the stamps never
  jitter, and the latencies of a prediction are meaningless.
- The model's batches consist of other windows, so its sums round differently, in the seventh
  decimal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np

from eeg_emotion.eeg.amplitude import NEEDED_SECONDS
from eeg_emotion.eeg.caps import CAPS
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.inference.model import Model
from eeg_emotion.lsl.inlet import StreamDescription, headset_id_from
from eeg_emotion.publish.messages import Prediction
from eeg_emotion.recordings.recording import Recording, RecordingError, Stretch
from eeg_emotion.replay.chunks import CHUNK_SECONDS, GAP_SECONDS, cut_into_chunks
from eeg_emotion.stream.admission import Admission
from eeg_emotion.stream.pipeline import Counts, StreamPipeline
from eeg_emotion.stream.scoring import AssessedWindow, PredictionSequence, predict
from eeg_emotion.stream.selection import HeadsetFilter

_SCORED_AT_ONCE = 32  # a larger batch is no faster, and this one holds few features in memory


class OfflineRun:
    """One recording on its way through the live path.

    Parameters
    ----------
    recording
        The recording to predict from.
    model
        The model.
    settings
        The model's signal path, with the hop to use.
    headset_filter
        How the signal is assessed.
    normaliser
        The model's, or the person's own; without one no window gets a score.

    Attributes
    ----------
    headset
        The headset id that a replay of the recording would have.

    Raises
    ------
    StreamRefused, LayoutError
        If the service would quarantine the recording because of its metadata.
    RecordingError
        If it has no labels, and no cap is named.
    """

    def __init__(
        self,
        recording: Recording,
        model: Model,
        settings: PathSettings,
        headset_filter: HeadsetFilter,
        normaliser: Normaliser | None,
    ) -> None:
        self.recording = recording
        self.headset = headset_id_from(recording.source_id, recording.name, "offline")
        self._model = model
        self._settings = settings
        self._limits = headset_filter.limits
        self._normaliser = normaliser
        description = described(recording)
        if not description.labels and headset_filter.cap is None:
            raise RecordingError(
                f"{recording.name}: found no channel labels, expected the electrodes' names; name "
                "the electrodes in the order of the channels with --cap, such as "
                f"--cap Fp1,Fp2,C3,C4, or one of the caps {', '.join(CAPS)}"
            )
        self._admission = Admission.of(description, settings, headset_filter.cap)
        self._now = 0.0
        self._measured = False
        self._pipeline = self._new_pipeline()

    @property
    def counts(self) -> Counts:
        """The samples and gaps seen so far."""
        return self._pipeline.counts

    @property
    def signal_seconds(self) -> float:
        """The duration of the signal seen so far, without gaps, in seconds."""
        return self.counts.received / self.recording.sfreq

    def describe_layout(self) -> str:
        """Return which channels are used, interpolated and dropped, and the unit if it is known."""
        if self._pipeline.is_inferring_unit:
            return (
                "unknown: the recording does not state its unit, and is too short to infer it from "
                f"the amplitude of its first {NEEDED_SECONDS:g} s"
            )
        return self._pipeline.layout.describe()

    def predictions(self) -> Iterator[Prediction]:
        """Yield the predictions in order; each call starts at the recording's beginning.

        Their times are seconds since its first sample; their epoch is ``offline``.

        Raises
        ------
        LayoutError
            If the unit had to be inferred from the amplitude and could not be.
        RecordingError
            If the recording cannot be read, or has no samples.
        ClockError, RateError
            If the service would quarantine a headset because of such stamps.
        """
        stretches = self.recording.stretches()
        first = next(stretches, None)
        self._measured = first is not None and first.stamps is not None
        self._pipeline = self._new_pipeline()
        sequence = PredictionSequence(headset=self.headset, epoch="offline")
        waiting: list[tuple[PredictionSequence, AssessedWindow]] = []
        for assessed in self._assessed_windows(() if first is None else chain([first], stretches)):
            waiting.append((sequence, assessed))
            if len(waiting) == _SCORED_AT_ONCE:
                yield from predict(self._model, waiting, self._clock)
                waiting = []
        yield from predict(self._model, waiting, self._clock)

    def _assessed_windows(self, stretches: Iterable[Stretch]) -> Iterator[AssessedWindow]:
        recording = self.recording
        size = max(1, round(recording.sfreq * CHUNK_SECONDS))
        zero: float | None = None
        for chunk in cut_into_chunks(stretches, size):
            if chunk.stamps is None:
                samples = np.arange(chunk.first, chunk.first + chunk.samples.shape[1])
                stamps = chunk.gaps * GAP_SECONDS + samples / recording.sfreq
            else:
                zero = float(chunk.stamps[0]) if zero is None else zero
                stamps = chunk.stamps - zero
            if np.isfinite(stamps[-1]):
                self._now = float(stamps[-1])
            with np.errstate(over="ignore"):  # an overflow becomes infinite: a bad sample
                sent = chunk.samples.astype(np.float32)
            assessed = self._pipeline.feed(sent, stamps, 0.0)
            if assessed is not None:
                yield assessed
        if not self.counts.received:
            raise RecordingError(
                f"{recording.name}: found no samples, expected some; choose another file"
            )

    def _new_pipeline(self) -> StreamPipeline:
        return StreamPipeline(
            admission=self._admission,
            settings=self._settings,
            normaliser=self._normaliser,
            limits=self._limits,
            clock=self._clock,
            utc_offset=lambda: 0.0,
            measured=self._measured,
        )

    def _clock(self) -> float:
        return self._now


def described(recording: Recording) -> StreamDescription:
    """Return the description that an inlet would read from a replay of the recording."""
    labels = tuple(label.strip() for label in recording.channels)
    return StreamDescription(
        uid=recording.source_id,
        channel_count=len(recording.channels),
        labels=labels if any(labels) else (),
        units=tuple(unit.strip() for unit in recording.units),
        sfreq=recording.sfreq,
        is_text=False,
        simulated=recording.simulated,
        replay_speed=1.0,
    )
