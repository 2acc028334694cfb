"""What the poller's thread does with samples: each pipeline's windows, then the model over all.

One thread reads all inlets and runs the signal path and the model, and passes the results of a
round to the event loop, which only publishes them. So nothing queues between a sample and its
prediction, and the windows of many headsets are scored in one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.eeg.layout import LayoutError
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.fleet.connection import ActiveStream
from eeg_emotion.inference.model import Model
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.messages import Prediction
from eeg_emotion.stream.scoring import AssessedWindow, predict
from eeg_emotion.stream.stream_time import STAMP_ERRORS

logger = get_logger(__name__)


@dataclass(slots=True)
class PollResult:
    """What one headset contributed to a round.

    Attributes
    ----------
    identifier, active
        The headset, and the stream of one of its connections.
    samples, missing
        How many samples arrived, and how many are missing before or among them.
    superseded
        How many completed windows were not assessed because a newer one was complete.
    prediction
        The prediction of the newest window that they completed.
    refused
        Why the stream cannot be followed, as its samples showed.
    error
        What failed in its pipeline.
    lost
        True if the source closed the connection.
    """

    identifier: str
    active: ActiveStream
    samples: int = 0
    missing: int = 0
    superseded: int = 0
    prediction: Prediction | None = None
    refused: EegEmotionError | None = None
    error: Exception | None = None
    lost: bool = False


class ScoringRound:
    """Collects a round of the poller, and passes it to the event loop.

    Parameters
    ----------
    model
        Scores the windows.
    loop
        The event loop.
    deliver
        Called in the loop's thread with all results of a round.
    """

    def __init__(
        self,
        model: Model,
        loop: asyncio.AbstractEventLoop,
        deliver: Callable[[list[PollResult]], None],
    ) -> None:
        self._model = model
        self._loop = loop
        self._deliver = deliver
        self._results: list[PollResult] = []
        self._assessed: list[tuple[PollResult, AssessedWindow]] = []

    def listen(self, identifier: str, active: ActiveStream) -> Listener:
        """Return the poller's listener for a stream."""
        return Listener(self, identifier, active)

    def add(self, result: PollResult, assessed: AssessedWindow | None = None) -> None:
        """Add one headset's part of the round."""
        self._results.append(result)
        if assessed is not None:
            self._assessed.append((result, assessed))

    def round_over(self) -> None:
        """Score the round's windows, and deliver the round."""
        if self._assessed:
            self._predict()
        if self._results:
            results, self._results = self._results, []
            self._loop.call_soon_threadsafe(self._deliver, results)

    def _predict(self) -> None:
        assessed, self._assessed = self._assessed, []
        try:
            self._score(assessed)
        except Exception:  # one by one below: only the headset whose window fails is affected
            logger.exception("model failed over a round", remedy="its windows are scored singly")
            for item in assessed:
                try:
                    self._score([item])
                except Exception as error:  # reported by the fleet
                    item[0].error = error

    def _score(self, assessed: list[tuple[PollResult, AssessedWindow]]) -> None:
        predictions = predict(
            self._model,
            [(result.active.sequence, item) for result, item in assessed],
            pylsl.local_clock,
        )
        for (result, _), prediction in zip(assessed, predictions, strict=True):
            result.prediction = prediction


@dataclass(frozen=True, slots=True)
class Listener:
    """The poller's listener for one stream, called in its thread."""

    round: ScoringRound
    identifier: str
    active: ActiveStream

    @property
    def min_samples(self) -> int:
        """The fewest samples with which the pipeline can complete anything."""
        return self.active.pipeline.min_samples

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        """Feed the pipeline; whatever fails affects only this headset.

        Parameters
        ----------
        samples
            `(channels, samples)` in the stream's units.
        stamps
            `(samples,)` seconds by the source's clock.
        """
        result = PollResult(self.identifier, self.active, samples=len(stamps))
        assessed = None
        counts = self.active.pipeline.counts
        missing, superseded = counts.missing, counts.superseded
        try:
            assessed = self.active.pipeline.feed(samples, stamps, self.active.inlet.clock_offset)
        except (*STAMP_ERRORS, LayoutError) as error:
            result.refused = error
        except Exception as error:  # reported by the fleet: it must not end the other pipelines
            logger.exception("line failed", headset=self.identifier)
            result.error = error
        result.missing = counts.missing - missing
        result.superseded = counts.superseded - superseded
        self.round.add(result, assessed)

    def overloaded(self) -> None:
        """Note that what follows was read late."""
        self.active.pipeline.note_overload()

    def refused(self, error: EegEmotionError) -> None:
        """Report why the stream is read no more."""
        self.round.add(PollResult(self.identifier, self.active, refused=error))

    def lost(self) -> None:
        """Report that the source closed the connection."""
        self.round.add(PollResult(self.identifier, self.active, lost=True))
