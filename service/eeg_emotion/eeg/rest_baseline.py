"""A person's rest baseline: the normaliser made of their own resting signal before use.

Training and the service call the same two functions, so that a person's rest means the same to
both.
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
"""More is left aside, so that every person's statistics rest on about as much."""

LEAST_REST_SECONDS = 20
"""Fewer say too little about a feature's spread."""


class RestError(EegEmotionError):
    """The resting signal is too short, or says nothing."""


def rest_path(settings: PathSettings) -> PathSettings:
    """Return the signal path that reads rest: the model's own, in pieces of 1 s.

    A piece is a second of clean signal, so that one bad second costs only itself.
    """
    return replace(settings, window_seconds=1.0, hop_seconds=1.0)


def fit_rest(
    pieces: Sequence[NDArray[np.floating]],
    settings: PathSettings,
    *,
    least_seconds: int = LEAST_REST_SECONDS,
    most_seconds: int = MOST_REST_SECONDS,
) -> Normaliser:
    """Make a person's normaliser from clean rest.

    Parameters
    ----------
    pieces
        `(steps, measures)` each: one second of rest, by `rest_path`, without its normaliser. Only
        the first `most_seconds` count.
    settings
        The model's signal path.
    least_seconds, most_seconds
        How much rest there must be, and how much is used.

    Raises
    ------
    RestError
        If there is too little, or a feature does not vary.
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
        raise RestError(f"the resting signal is of no use: {error}") from error
