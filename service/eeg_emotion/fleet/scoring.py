"""What the poller's thread does with samples: each line's windows, then the model over all.

One thread reads all inlets, runs the signal path and the model, and hands what came of a round to
the event loop at once, which only publishes. So nothing queues between a sample and its
prediction, and the windows of many headsets are judged together.
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
from eeg_emotion.fleet.connection import Line
from eeg_emotion.inference.model import Model
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.messages import Prediction
from eeg_emotion.stream.rate import RateError
from eeg_emotion.stream.scoring import AssessedWindow, predict
from eeg_emotion.stream.source_clock import ClockError

logger = get_logger(__name__)


@dataclass(slots=True)
class PollResult:
    """What one headset brought in a round.

    Attributes
    ----------
    identifier, line
        Which headset, and which connection of it.
    samples, missing
        How many came, and how many should have come before or among them.
    superseded
        How many windows they completed that were not judged, as a newer one was complete.
    prediction
        Of the newest window that they completed.
    refused
        Why the stream cannot be followed, as its samples showed.
    error
        What failed in its line.
    lost
        True where the source closed the connection.
    """

    identifier: str
    line: Line
    samples: int = 0
    missing: int = 0
    superseded: int = 0
    prediction: Prediction | None = None
    refused: EegEmotionError | None = None
    error: Exception | None = None
    lost: bool = False


class ScoringRound:
    """Gathers a round of the poller, and hands it to the event loop.

    Parameters
    ----------
    model
        Scores the windows.
    loop
        The event loop.
    take
        Called in its thread with all that a round brought.
    """

    def __init__(
        self,
        model: Model,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[list[PollResult]], None],
    ) -> None:
        self._model = model
        self._loop = loop
        self._take = take
        self._heard: list[PollResult] = []
        self._judged: list[tuple[PollResult, AssessedWindow]] = []

    def listen(self, identifier: str, line: Line) -> Listener:
        """Return the poller's listener for a line."""
        return Listener(self, identifier, line)

    def add(self, heard: PollResult, judged: AssessedWindow | None = None) -> None:
        """Take one headset's part of the round."""
        self._heard.append(heard)
        if judged is not None:
            self._judged.append((heard, judged))

    def round_over(self) -> None:
        """Score the round's windows, and hand the round over."""
        if self._judged:
            self._predict()
        if self._heard:
            heard, self._heard = self._heard, []
            self._loop.call_soon_threadsafe(self._take, heard)

    def _predict(self) -> None:
        judged, self._judged = self._judged, []
        try:
            self._score(judged)
        except Exception:  # one by one below: only the window that fails is its headset's trouble
            logger.exception("model failed over a round", remedy="its windows are scored singly")
            for item in judged:
                try:
                    self._score([item])
                except Exception as error:  # told by the fleet
                    item[0].error = error

    def _score(self, judged: list[tuple[PollResult, AssessedWindow]]) -> None:
        predictions = predict(
            self._model,
            [(heard.line.numbered, item) for heard, item in judged],
            pylsl.local_clock,
        )
        for (heard, _), prediction in zip(judged, predictions, strict=True):
            heard.prediction = prediction


@dataclass(frozen=True, slots=True)
class Listener:
    """Hears the poller, in its thread, for one line."""

    reading: ScoringRound
    identifier: str
    line: Line

    @property
    def worth(self) -> int:
        """With how many samples the line can complete something."""
        return self.line.monitor.worth

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        """Run the line over them; whatever goes wrong is this headset's alone."""
        heard = PollResult(self.identifier, self.line, samples=len(stamps))
        judged = None
        counts = self.line.monitor.counts
        missing, superseded = counts.missing, counts.superseded
        try:
            judged = self.line.monitor.feed(samples, stamps, self.line.inlet.clock_offset)
        except (ClockError, RateError, LayoutError) as error:
            heard.refused = error
        except Exception as error:  # told by the fleet: it must not end the others' lines
            logger.exception("line failed", headset=self.identifier)
            heard.error = error
        heard.missing = counts.missing - missing
        heard.superseded = counts.superseded - superseded
        self.reading.add(heard, judged)

    def lost(self) -> None:
        """Tell that the source closed the connection."""
        self.reading.add(PollResult(self.identifier, self.line, lost=True))
