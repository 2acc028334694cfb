"""From judged windows to predictions: reasons first, then the model, over many at once."""

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
    """A window with the reasons why it can bear no score, and what is known of its time.

    Attributes
    ----------
    window
        From the signal path.
    reasons
        Empty where it can be scored.
    start, end
        Unix seconds of its first and last raw sample.
    arrived
        When its last sample came, by this machine's LSL clock, seconds.
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
    """Gives a connection's predictions their names and numbers.

    Attributes
    ----------
    headset, epoch
        The headset's id, and the random name of this connection.
    seq
        Of the next prediction.
    """

    headset: str
    epoch: str
    seq: int = 0


def reasons_of(window: Window, *, after_gap: bool) -> tuple[Reason, ...]:
    """Return why a window can bear no scores; empty where it can."""
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
    """Estimate arousal and valence of windows, but for those with a reason not to."""
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
    judged: Sequence[tuple[PredictionSequence, AssessedWindow]],
    clock: Callable[[], float],
) -> list[Prediction]:
    """Make the predictions of windows, of many headsets at once."""
    begun = clock()
    scores = score(model, [(item.window, item.reasons) for _, item in judged])
    seconds = clock() - begun
    name = f"{model.contract.name} {model.contract.version}"
    predictions = []
    for (numbered, item), (arousal, valence) in zip(judged, scores, strict=True):
        # It holds the wait for the others of this batch too: the ledger must add up.
        path = begun - item.arrived
        predictions.append(
            Prediction(
                headset=numbered.headset,
                epoch=numbered.epoch,
                seq=numbered.seq,
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
        numbered.seq += 1
    return predictions


def _score(probability: float, unsure: tuple[float, float]) -> Score:
    rounded = round(float(probability), 6)
    if is_unsure(rounded, unsure):
        return Score(probability=rounded, label="unsure")
    return Score(probability=rounded, label="high" if rounded > 0.5 else "low")


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)
