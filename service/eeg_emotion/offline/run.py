"""A recording through the live path at full speed: what the daemon gives for a replay of it.

Admission, monitor and model are the daemon's own, and the samples are cut and stamped as the
replayer does it, in float32. Windows, reasons, quality and scores are those of the replay. What
differs, by design:

- Time is the recording's: sample `k` is at ``k / sfreq``, plus 2 s for each gap before it, since
  a recording does not say how long a gap was. A replay adds the moment at which it began.
- A sample arrives when it is taken. So no window is superseded or `stale`, the stamps never
  jitter, and the latencies of a prediction mean nothing.
- The model sees other windows at once; its sums round otherwise, in the seventh decimal.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from eeg_emotion.eeg.amplitude import NEEDED_SECONDS
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.inference.model import Model
from eeg_emotion.lsl.inlet import StreamDescription, headset_id
from eeg_emotion.publish.messages import Prediction
from eeg_emotion.recordings.recording import Recording, RecordingError
from eeg_emotion.replay.chunks import CHUNK_SECONDS, GAP_SECONDS, cut_into_chunks
from eeg_emotion.stream.admission import Admission
from eeg_emotion.stream.pipeline import Counts, StreamPipeline
from eeg_emotion.stream.scoring import AssessedWindow, PredictionSequence, predict
from eeg_emotion.stream.selection import HeadsetFilter

_SCORED_AT_ONCE = 32  # the model gains nothing by more, and few features are held


class OfflineRun:
    """One recording on its way through the live path.

    Parameters
    ----------
    recording
        What to predict from.
    model
        The model.
    settings
        Its signal path, with the hop that is wanted.
    reception
        How the signal is judged.
    normaliser
        The model's, or the person's own; without one no window bears a score.

    Attributes
    ----------
    headset
        The id that a replay of the recording has.

    Raises
    ------
    StreamRefused, LayoutError
        If the daemon would quarantine the recording as soon as it sees its description.
    """

    def __init__(
        self,
        recording: Recording,
        model: Model,
        settings: PathSettings,
        reception: HeadsetFilter,
        normaliser: Normaliser | None,
    ) -> None:
        self.recording = recording
        self.headset = headset_id(_Announcement(recording))
        self._model = model
        self._settings = settings
        self._limits = reception.limits
        self._normaliser = normaliser
        self._admission = Admission.of(described(recording), settings, reception.cap)
        self._now = 0.0
        self._monitor = self._new_monitor()

    @property
    def counts(self) -> Counts:
        """What was seen so far of the signal."""
        return self._monitor.counts

    @property
    def signal_seconds(self) -> float:
        """How much signal was seen so far, gaps left out."""
        return self.counts.received / self.recording.sfreq

    def describe_layout(self) -> str:
        """Return what is used, filled in and dropped, and the unit, as far as that is known."""
        if self._monitor.is_inferring_unit:
            return (
                "the recording does not state its unit, which would have been judged by the "
                f"amplitude of its first {NEEDED_SECONDS:g} s"
            )
        return self._monitor.layout.describe()

    def predictions(self) -> Iterator[Prediction]:
        """Return the predictions in order, each time from the recording's beginning.

        Their times are seconds since its first sample, their epoch is ``offline``.

        Raises
        ------
        LayoutError
            If a unit was to be judged by its amplitude and cannot be.
        RecordingError
            If the recording cannot be read, or holds no sample.
        """
        self._monitor = self._new_monitor()
        sequence = PredictionSequence(headset=self.headset, epoch="offline")
        waiting: list[tuple[PredictionSequence, AssessedWindow]] = []
        for judged in self._judged():
            waiting.append((sequence, judged))
            if len(waiting) == _SCORED_AT_ONCE:
                yield from predict(self._model, waiting, self._clock)
                waiting = []
        yield from predict(self._model, waiting, self._clock)

    def _judged(self) -> Iterator[AssessedWindow]:
        recording = self.recording
        size = max(1, round(recording.sfreq * CHUNK_SECONDS))
        for chunk in cut_into_chunks(recording.stretches(), size):
            samples = np.arange(chunk.first, chunk.first + chunk.samples.shape[1])
            stamps = chunk.gaps * GAP_SECONDS + samples / recording.sfreq
            self._now = float(stamps[-1])
            with np.errstate(over="ignore"):  # what overflows is infinite, and judged so
                sent = chunk.samples.astype(np.float32)
            judged = self._monitor.feed(sent, stamps, 0.0)
            if judged is not None:
                yield judged
        if not self.counts.received:
            raise RecordingError(
                f"{recording.name}: found no sample, expected some; choose another file"
            )

    def _new_monitor(self) -> StreamPipeline:
        return StreamPipeline(
            admission=self._admission,
            settings=self._settings,
            normaliser=self._normaliser,
            limits=self._limits,
            clock=self._clock,
            utc_offset=lambda: 0.0,
        )

    def _clock(self) -> float:
        return self._now


class _Announcement:
    """What a headset's id is made of; a real one would have liblsl read its configuration."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def source_id(self) -> str:
        return self._recording.source_id

    def name(self) -> str:
        return self._recording.name

    def hostname(self) -> str:
        return "offline"


def described(recording: Recording) -> StreamDescription:
    """Describe a recording as an inlet describes the stream of its replay."""
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
