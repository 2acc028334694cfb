"""How numbers and names are written in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eeg_emotion_training.evaluation.scores import Score
from eeg_emotion_training.report.rows import Key

NAMES = {
    "gru": "GRU",
    "bn-gru": "BN-GRU",
    "lstm": "LSTM",
    "bn-lstm": "BN-LSTM",
    "majority": "majority of the training part",
    "person-majority": "person's own majority (hindsight)",
    "logistic": "logistic regression",
}


def label(key: Key, columns: Sequence[str]) -> str:
    """Name a row where there are no columns: the model, and how it sees the windows."""
    return ", ".join(cell for cell in model_cells(key, columns) if cell != "–")


def model_cells(key: Key, columns: Sequence[str]) -> list[str]:
    """Name a row's model and, in columns, how it sees the windows."""
    # A constant guess sees no window, so it has no representation to name.
    variant = ["–" if key.constant else getattr(key, name) for name in columns]
    return [NAMES[key.network], *variant]


def number(value: float, sign: str = "") -> str:
    """Write three decimals, and a dash for what is undefined."""
    # What rounds to zero has no sign.
    return f"{round(value, 3) + 0.0:{sign}.3f}" if math.isfinite(value) else "–"


def interval(score: Score, sign: str = "") -> str:
    """Write a value with its interval."""
    if not math.isfinite(score.low):
        return number(score.value, sign)
    value, low, high = (number(one, sign) for one in (score.value, score.low, score.high))
    return f"{value} [{low}, {high}]"


def p_value(p: float) -> str:
    """Write a p value; small ones as a power of ten."""
    if not math.isfinite(p):
        return "–"
    return f"{p:.1e}" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """Write a duration as TensorBoard does: 20m39s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
