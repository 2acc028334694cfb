"""The labels of a table of labelled EEG: their columns, and what is high in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import TypeAdapter, ValidationError

from eeg_emotion.inference.contract import LabelPolicy, TargetName
from eeg_emotion.recordings.deap import HIGH_ABOVE_5
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.table_cells import NEEDED, OPTIONAL, cell_error, finite_number

_LABEL_NAME: TypeAdapter[str] = TypeAdapter(TargetName)

_GIVEN = LabelPolicy(id="given/1", text="classes given as low or high in the table")
_RATED = LabelPolicy(id=HIGH_ABOVE_5.id, text=HIGH_ABOVE_5.text)
_LOWEST_RATING, _HIGHEST_RATING = 1.0, 9.0


def label_columns(table: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are labels, in the header's order.

    Raises
    ------
    DataError
        If there is none, or a name cannot be a target's.
    """
    labels = tuple(name for name in columns if name not in (*NEEDED, *OPTIONAL))
    if not labels:
        raise DataError(
            f"{table}: found no label column, expected at least one besides "
            f"{', '.join((*NEEDED, *OPTIONAL))}; add one, such as arousal"
        )
    for label in labels:
        try:
            _LABEL_NAME.validate_python(label)
        except ValidationError as error:
            raise DataError(
                f"{table}: found a label column named {label!r}, expected lower-case letters, "
                "digits and underscores, a letter first; rename it, or remove it if it is no "
                "label"
            ) from error
    return labels


def classes(
    table: str, label: str, cells: Mapping[int, str]
) -> tuple[dict[int, bool], LabelPolicy]:
    """Return for each labelled row, by its number, whether the label is high, and the rule.

    Raises
    ------
    DataError
        If the cells are neither classes nor ratings, or all of one class.
    """
    if set(cells.values()) <= {"low", "high"}:
        policy = _GIVEN
        high = {number: cell == "high" for number, cell in cells.items()}
    else:
        policy = _RATED
        ratings = np.array([_rating(table, label, *item) for item in cells.items()])
        high = dict(zip(cells, HIGH_ABOVE_5.high(ratings).tolist(), strict=True))
    if len(set(high.values())) == 1:
        # It also finds codes such as 1 and 2 that pass for ratings.
        raise DataError(
            f"{table}, column {label}: found only {'high' if all(high.values()) else 'low'} "
            f"({policy.text}), expected both classes, since one alone cannot be learnt; remove "
            "the column, or write the classes as low and high"
        )
    return high, policy


def _rating(table: str, label: str, number: int, cell: str) -> float:
    rating = finite_number(cell)
    if rating is None or not _LOWEST_RATING <= rating <= _HIGHEST_RATING:
        raise cell_error(
            table,
            number,
            label,
            f"found {cell!r}, expected low or high in the whole column, or ratings from 1 to 9 in "
            "the whole column, with a decimal point; write classes such as 0 and 1 as low and "
            "high, and bring ratings to 1 to 9",
        )
    return rating


def joined(policies: Mapping[str, LabelPolicy]) -> LabelPolicy:
    """Return one policy for all labels; where they differ, it states which holds for which."""
    if len(set(policies.values())) == 1:
        return next(iter(policies.values()))
    return LabelPolicy(
        id=", ".join(f"{label}: {policy.id}" for label, policy in policies.items()),
        text="; ".join(f"{label}: {policy.text}" for label, policy in policies.items()),
    )
