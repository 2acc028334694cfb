"""A table of labelled EEG: a CSV file whose rows state who did what when, in which recording.

Only the table itself is read here, none of the recordings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.file_names import names_device
from eeg_emotion.inference.contract import LabelPolicy
from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.table_cells import (
    NEEDED,
    TIMES,
    cell_error,
    finite_number,
    read_cells,
)
from eeg_emotion_training.data.table_labels import classes, joined, label_columns

_REST = "rest"
# A person's windows are kept in a file of this name.
_PERSON = re.compile(r"\w[\w .-]*")


@dataclass(frozen=True, slots=True)
class Row:
    """A trial, or rest.

    Attributes
    ----------
    number
        The row's in the table.
    path, stream
        The recording, and the stream to read from an XDF file.
    person, trial, stimulus
        Whose signal it is, its name among theirs, and what was shown.
    start, stop
        Seconds from the recording's first sample.
    high
        `(labels,)`: whether each label is high; None for rest.
    cells
        All of its cells, in JSON, in the order of the columns; `high` is made from them.
    """

    number: int
    path: Path
    stream: str | None
    person: str
    trial: str
    stimulus: str
    start: float
    stop: float
    high: NDArray[np.bool_] | None
    cells: str


@dataclass(frozen=True, slots=True)
class Table:
    """A whole table; `label_policy` states what "high" means in each label's column."""

    name: str
    labels: tuple[str, ...]
    label_policy: LabelPolicy
    rows: tuple[Row, ...]

    def people(self) -> dict[str, list[Row]]:
        """Return each person's rows, both in the table's order."""
        people: dict[str, list[Row]] = {}
        for row in self.rows:
            people.setdefault(row.person, []).append(row)
        return people


def read_table(path: Path) -> Table:
    """Read a table and check all that can be checked without its recordings.

    Raises
    ------
    DataError
        If it is no such table, or a row contradicts itself or another one.
    """
    columns, records = read_cells(path)
    labels = label_columns(path.name, columns)
    if not records:
        raise DataError(
            f"{path.name}: found no rows, expected one for each trial; write them below the header"
        )
    rows = [_row(path, number, cells, labels) for number, cells in records.items()]
    _check_people(path.name, rows)
    _check_overlaps(path.name, rows)
    trials = [row.number for row in rows if row.trial != _REST]
    high: dict[str, dict[int, bool]] = {}
    policies: dict[str, LabelPolicy] = {}
    for label in labels:
        cells = {number: records[number][label] for number in trials}
        high[label], policies[label] = classes(path.name, label, cells)
    return Table(
        path.name,
        labels,
        joined(policies),
        tuple(
            row
            if row.trial == _REST
            else replace(row, high=np.array([high[label][row.number] for label in labels]))
            for row in rows
        ),
    )


def _row(path: Path, number: int, cells: Mapping[str, str], labels: Sequence[str]) -> Row:
    for column in NEEDED:
        if not cells[column]:
            raise cell_error(
                path.name, number, column, "found an empty cell, expected a value; fill it in"
            )
    if not _PERSON.fullmatch(cells["person"]):
        raise cell_error(
            path.name,
            number,
            "person",
            f"found {cells['person']!r}, expected letters, digits, '.', '-', '_' and spaces, a "
            "letter or digit first, since files are named after people; rename the person",
        )
    if names_device(cells["person"]):
        raise cell_error(
            path.name,
            number,
            "person",
            f"found {cells['person']!r}, which Windows reserves for a device, expected a name "
            "that is valid for a file on every system; rename the person",
        )
    start, stop = (_seconds(path.name, number, column, cells[column]) for column in TIMES)
    if start >= stop:
        raise cell_error(
            path.name,
            number,
            "stop",
            f"found {stop:g} s, expected more than the start, {start:g} s; correct one of them",
        )
    for label in labels:
        if cells["trial"] == _REST and cells[label]:
            raise cell_error(
                path.name,
                number,
                label,
                f"found {cells[label]!r} for rest, expected an empty cell: rest has no label; "
                "empty it, or give the trial another name",
            )
        if cells["trial"] != _REST and not cells[label]:
            raise cell_error(
                path.name,
                number,
                label,
                "found an empty cell, expected low, high, or a rating from 1 to 9; fill it in, "
                "remove the row, or name the trial rest if it is rest",
            )
    return Row(
        number=number,
        path=path.parent / cells["file"],
        stream=cells.get("stream") or None,
        person=cells["person"],
        trial=cells["trial"],
        stimulus=cells.get("stimulus") or cells["trial"],
        start=start,
        stop=stop,
        high=None,
        cells=json.dumps(cells),
    )


def _seconds(table: str, number: int, column: str, cell: str) -> float:
    seconds = finite_number(cell)
    if seconds is None or seconds < 0:
        raise cell_error(
            table,
            number,
            column,
            f"found {cell!r}, expected seconds from the recording's first sample, such as 12.5; "
            "write a number of 0 or more, with a decimal point",
        )
    return seconds


def _check_people(table: str, rows: Sequence[Row]) -> None:
    trials: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.trial == _REST:
            continue
        first = trials.setdefault((row.person, row.trial), row.number)
        if first != row.number:
            raise cell_error(
                table,
                row.number,
                "trial",
                f"found {row.trial!r} of {row.person} in row {first} already, expected each of a "
                "person's trials once; give one of them another name, and write what they share "
                "into the column stimulus",
            )
    with_trials = {person for person, _ in trials}
    spelled: dict[str, str] = {}
    for row in rows:
        other = spelled.setdefault(row.person.casefold(), row.person)
        if other != row.person:
            raise cell_error(
                table,
                row.number,
                "person",
                f"found {row.person!r} beside {other!r}, whose files have one name on Windows and "
                "macOS, expected one spelling of each person; use one, or rename a person",
            )
        if row.person not in with_trials:
            raise cell_error(
                table,
                row.number,
                "person",
                f"found only rest of {row.person}, expected trials too; add them, or remove the "
                "person's rows",
            )


def _check_overlaps(table: str, rows: Sequence[Row]) -> None:
    """Refuse signal in two rows: it could be trained and tested on, or be its own baseline."""

    def place(row: Row) -> str:
        return str(row.path.resolve())

    for _, group in groupby(sorted(rows, key=place), key=place):
        # In the table's order, so that the error is about the later row.
        for first, second in combinations(sorted(group, key=lambda row: row.number), 2):
            # Two people may share a file by streams of their own. No stream is the only one.
            apart = first.stream and second.stream and first.stream != second.stream
            if first.person != second.person and apart:
                continue
            if first.start < second.stop and second.start < first.stop:
                raise cell_error(
                    table,
                    second.number,
                    "start",
                    f"found {second.start:g} to {second.stop:g} s of {second.path.name}, which "
                    f"overlaps row {first.number} ({first.start:g} to {first.stop:g} s), expected "
                    "each second in one row at most: no signal may be both trained and tested "
                    "on, nor be its own baseline; correct start and stop",
                )
