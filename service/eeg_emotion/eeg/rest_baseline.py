"""A person's rest baseline: a normaliser fitted to their own resting signal before use.

Training and the service use the same two functions, so that a rest baseline is the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.normaliser import Normaliser, fit_normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError

MOST_REST_SECONDS = 60
"""More is ignored, so that every person's statistics are based on about as much."""

LEAST_REST_SECONDS = 20
"""Less is too little to estimate a feature's spread."""


class RestError(EegEmotionError):
    """The resting signal is too short, or a feature does not vary."""


def rest_path(settings: PathSettings) -> PathSettings:
    """Return the signal path for rest: the model's own, with windows of 1 s.

    Each window is a second of clean signal, so that one bad second costs only itself.
    """
    return replace(settings, window_seconds=1.0, hop_seconds=1.0)


def fit_rest(
    pieces: Sequence[NDArray[np.floating]],
    settings: PathSettings,
    *,
    least_seconds: int = LEAST_REST_SECONDS,
    most_seconds: int = MOST_REST_SECONDS,
) -> Normaliser:
    """Fit a person's normaliser to clean rest.

    Parameters
    ----------
    pieces
        `(steps, measures)` each: one second of rest, by `rest_path`, without a normaliser. Only
        the first `most_seconds` are used.
    settings
        The model's signal path.
    least_seconds, most_seconds
        How much rest is needed, and how much is used.

    Raises
    ------
    RestError
        If there is too little rest, or a feature does not vary.
    """
    if len(pieces) < least_seconds:
        raise RestError(
            f"found {len(pieces)} s of clean rest, expected {least_seconds} to "
            f"{most_seconds}; record the person at rest for longer"
        )
    rest = [np.stack(pieces[:most_seconds])]
    try:
        return fit_normaliser(rest, settings.representation, "rest-baseline")
    except ValueError as error:
        raise RestError(f"the resting signal cannot be used: {error}") from error
