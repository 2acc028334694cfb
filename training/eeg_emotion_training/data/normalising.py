"""Normalises a fold's windows by its training windows, or each person's by their own rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.normaliser import Normaliser, NormaliserKind, fit_normaliser
from eeg_emotion.eeg.representation import Representation
from eeg_emotion.eeg.rest_baseline import LEAST_REST_SECONDS
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.windows import PersonWindows


def normalised(
    people: Sequence[PersonWindows],
    training: NDArray[np.intp],
    representation: Representation,
    kind: NormaliserKind,
) -> NDArray[np.float32]:
    """Return all windows as the network sees them, `(windows, steps, features)`.

    Raises
    ------
    DataError
        If the training windows cannot be normalised, or a person has no rest to be seen from.
    """
    if kind == "rest-baseline":
        for person in people:
            if person.rest is None:
                raise DataError(
                    f"{person.person}: found too little clean rest for a rest baseline, expected "
                    f"{LEAST_REST_SECONDS} s; use --normaliser training, or leave the person out"
                )
    normalisers = (
        [person.rest for person in people]
        if kind == "rest-baseline"
        else [fit_to_training(people, training, representation)] * len(people)
    )
    # Person by person: the statistics are in double precision, and all people at once are large.
    return np.concatenate(
        [
            normaliser.apply(person.measures, representation)
            for person, normaliser in zip(people, normalisers, strict=True)
            if normaliser is not None
        ]
    )


def fit_to_training(
    people: Sequence[PersonWindows], training: NDArray[np.intp], representation: Representation
) -> Normaliser:
    """Fit to the training windows among all people's.

    Raises
    ------
    DataError
        If a feature is not finite or does not vary.
    """
    trains = np.zeros(sum(len(person.trial) for person in people), dtype=np.bool_)
    trains[training] = True
    of_people = np.split(trains, np.cumsum([len(person.trial) for person in people])[:-1])
    parts = [p.measures[mine] for p, mine in zip(people, of_people, strict=True) if mine.any()]
    try:
        return fit_normaliser(parts, representation)
    except ValueError as error:
        raise DataError(f"the training windows cannot be normalised: {error}") from error
