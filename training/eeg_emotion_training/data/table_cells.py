"""The cells of a table of labelled EEG: a CSV file as text by row and column.

A row's number counts from 1, the header's, as a spreadsheet shows it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from eeg_emotion_training.data.sources import DataError

TIMES = ("start", "stop")
NEEDED = ("file", "person", "trial", *TIMES)
OPTIONAL = ("stimulus", "stream")
"""The optional columns that are not labels."""

_SEPARATORS = ",;\t"


def cell_error(table: str, row: int, column: str, problem: str) -> DataError:
    """Make the error for one cell; `problem` states found, expected, and the remedy."""
    return DataError(f"{table}, row {row}, column {column}: {problem}")


def finite_number(cell: str) -> float | None:
    """Read a finite number."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_cells(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Return the header, and each row's cells by its number; empty rows are skipped.

    Raises
    ------
    DataError
        If the file is not CSV, a column is missing or doubled, or a row lacks or adds a cell.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"found no readable table {path} ({error.strerror}), expected a CSV file; check its "
            "path"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name}: found a file that is not UTF-8 text ({error.reason}), expected a CSV "
            "file; export the table as CSV in UTF-8"
        ) from error
    header, *_ = text.splitlines() or [""]
    separator = max(_SEPARATORS, key=header.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path.name}: found a file that is not CSV ({error}), expected a header and one row "
            "for each trial; export the table as CSV in UTF-8"
        ) from error
    table = [[cell.strip() for cell in line] for line in lines]
    columns = table[0] if table else []
    _check_columns(path.name, columns)
    records = {}
    for number, cells in enumerate(table[1:], start=2):
        if not any(cells):
            continue
        if len(cells) != len(columns):
            raise DataError(
                f"{path.name}, row {number}: found {len(cells)} cells, expected {len(columns)}, "
                "one for each column of the header; correct the row, and quote what contains "
                f"{separator!r}"
            )
        records[number] = dict(zip(columns, cells, strict=True))
    return columns, records


def _check_columns(table: str, columns: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    doubled = sorted({name for name in columns if columns.count(name) > 1})
    if missing:
        raise DataError(
            f"{table}: found no column {', '.join(missing)} among {', '.join(columns) or 'none'}, "
            f"expected {', '.join(NEEDED)} and one for each label; add it to the header, row 1"
        )
    if doubled:
        raise DataError(
            f"{table}: found more than one column {', '.join(map(repr, doubled))}, expected each "
            "once; rename or remove it"
        )
