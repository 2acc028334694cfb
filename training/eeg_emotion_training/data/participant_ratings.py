"""DEAP's table of ratings, `participant_ratings`, held against the labels beside the signals."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.recordings.deap import LABELS

_COLUMNS = ("Participant_id", "Experiment_id", *(label.capitalize() for label in LABELS))
_PLACES = (".", "metadata_csv", "metadata_xls", "..", "../metadata_csv", "../metadata_xls")
# Both files round to two decimals, so that equal ratings differ by one hundredth at most.
_TOLERANCE = 0.011

Ratings = Mapping[tuple[int, int], tuple[float, ...]]


class RatingsError(EegEmotionError):
    """The table of ratings cannot be read."""


def find_ratings(folder: Path) -> Path | None:
    """Find the table in the folder, beside it or in DEAP's own folders; a `.csv` comes first."""
    for suffix in (".csv", ".xls", ".xlsx", ".ods"):
        for place in _PLACES:
            path = (folder / place).resolve() / f"participant_ratings{suffix}"
            if path.is_file():
                return path
    return None


def read_ratings(path: Path) -> Ratings:
    """Read a `.csv` table: (participant, video), both from 1, to ratings in the order `LABELS`."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = sorted(set(_COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            raise RatingsError(
                f"{path.name}: found no column {', '.join(missing)}, expected DEAP's columns "
                f"{', '.join(_COLUMNS)}; get the file from DEAP's metadata"
            )
        ratings = {}
        for row in reader:
            try:
                participant, video, *values = (float(row[column]) for column in _COLUMNS)
            except (TypeError, ValueError) as error:
                raise RatingsError(
                    f"{path.name}: found {error} in line {reader.line_num}, expected numbers; get "
                    "the file from DEAP's metadata"
                ) from error
            ratings[int(participant), int(video)] = tuple(values)
    return ratings


def compare_ratings(labels: Mapping[int, NDArray[np.float64]], ratings: Ratings) -> str | None:
    """Return how the labels differ from the table, or None where they agree.

    Dominance and liking come first: they show whether the table belongs to these people at all,
    because the altered copies in circulation leave them alone.

    Parameters
    ----------
    labels
        `(40, 4)` ratings by person.
    ratings
        As returned by `read_ratings`.
    """
    keys = [(number, video) for number in labels for video in range(1, len(labels[number]) + 1)]
    missing = [key for key in keys if key not in ratings]
    if missing:
        return (
            f"found no row for participant {missing[0][0]}, video {missing[0][1]} and "
            f"{len(missing) - 1} more, expected one for each trial; get the whole file"
        )
    theirs = np.array([ratings[key] for key in keys])
    ours = np.concatenate([labels[number] for number in labels])
    # Written so that a value that is not a number differs too.
    differs = dict(zip(LABELS, ~(np.abs(theirs - ours) <= _TOLERANCE).T, strict=True))
    foreign = differs["dominance"] | differs["liking"]
    if foreign.any():
        return (
            f"found different dominance or liking in {int(foreign.sum())} of {len(keys)} trials, "
            "expected the same; the table belongs to other files"
        )
    altered = differs["valence"] | differs["arousal"]
    if altered.any():
        return (
            f"found different valence or arousal in {int(altered.sum())} of {len(keys)} trials, "
            "while dominance and liking agree; the labels were altered: get another copy of the "
            "files"
        )
    return None
