"""Turns assessed windows into predictions: reasons first, then the model, in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.path import Window
from eeg_emotion.inference.calibration import is_unsure
from eeg_emotion.inference.model import Model
from eeg_emotion.publish.messages import Latency, Prediction, Score, WindowSpan

NO_SCORE = Score(probability=None, label=None)

# Measured: 0.13 ms for one window alone, 0.055 ms each for sixteen, no less beyond.
_LARGEST_BATCH = 32


@dataclass(frozen=True, slots=True)
class AssessedWindow:
    """A window with the reasons why it cannot be scored, if any, and its timing.

    Attributes
    ----------
    window
        From the signal path.
    reasons
        Empty if it can be scored.
    start, end
        Unix seconds of its first and last raw sample.
    arrived
        When its last sample arrived, in seconds of this machine's LSL clock.
    resampler, filter, arrival
        Seconds, as in `publish.messages.Latency`.
    """

    window: Window
    reasons: tuple[Reason, ...]
    start: float
    end: float
    resampler: float
    filter: float
    arrival: float
    arrived: float


@dataclass(slots=True)
class PredictionSequence:
    """Identifies and numbers the predictions of one connection.

    Attributes
    ----------
    headset, epoch
        The headset's id, and the random name of this connection.
    seq
        The number of the next prediction.
    """

    headset: str
    epoch: str
    seq: int = 0


def reasons_of(window: Window, *, after_gap: bool) -> tuple[Reason, ...]:
    """Return why a window cannot be scored; empty if it can."""
    reasons = list(window.quality.faults)
    if not window.settled:
        reasons.insert(0, Reason.WARMING_UP)
        if after_gap:
            reasons.insert(0, Reason.GAP)
    if not window.normalised:
        reasons.append(Reason.NO_BASELINE)
    return tuple(reasons)


def score(
    model: Model, windows: Sequence[tuple[Window, tuple[Reason, ...]]]
) -> list[tuple[Score, Score]]:
    """Return arousal and valence of each window; `NO_SCORE` for those with reasons."""
    scores = [(NO_SCORE, NO_SCORE)] * len(windows)
    good = [number for number, (_, reasons) in enumerate(windows) if not reasons]
    bands = {target.name: target.calibration.unsure for target in model.contract.targets}
    for start in range(0, len(good), _LARGEST_BATCH):
        numbers = good[start : start + _LARGEST_BATCH]
        chances = model.predict(np.stack([windows[number][0].features for number in numbers]))
        for row, number in enumerate(numbers):
            scores[number] = (
                _score(chances["arousal"][row], bands["arousal"]),
                _score(chances["valence"][row], bands["valence"]),
            )
    return scores


def predict(
    model: Model,
    assessed: Sequence[tuple[PredictionSequence, AssessedWindow]],
    clock: Callable[[], float],
) -> list[Prediction]:
    """Return the predictions of windows, which may come from many headsets.

    Parameters
    ----------
    model
        Scores the windows in batches.
    assessed
        Each window with the sequence of its connection, whose `seq` is advanced.
    clock
        This machine's LSL clock, seconds.
    """
    begun = clock()
    scores = score(model, [(item.window, item.reasons) for _, item in assessed])
    seconds = clock() - begun
    name = f"{model.contract.name} {model.contract.version}"
    predictions = []
    for (sequence, item), (arousal, valence) in zip(assessed, scores, strict=True):
        # Includes the wait for the rest of the batch: the parts must add up to the total.
        path = begun - item.arrived
        predictions.append(
            Prediction(
                headset=sequence.headset,
                epoch=sequence.epoch,
                seq=sequence.seq,
                window=WindowSpan(start=item.start, end=item.end),
                arousal=arousal,
                valence=valence,
                valid=not item.reasons,
                reasons=item.reasons,
                quality=round(item.window.quality.overall, 4),
                interpolated=item.window.interpolated,
                latency_ms=Latency(
                    resampler=_ms(item.resampler),
                    filter=_ms(item.filter),
                    arrival=_ms(item.arrival),
                    path=_ms(path),
                    inference=_ms(seconds),
                    total=_ms(item.arrival + path + seconds),
                ),
                model=name,
            )
        )
        sequence.seq += 1
    return predictions


def _score(probability: float, unsure: tuple[float, float]) -> Score:
    rounded = round(float(probability), 6)
    if is_unsure(rounded, unsure):
        return Score(probability=rounded, label="unsure")
    return Score(probability=rounded, label="high" if rounded > 0.5 else "low")


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
