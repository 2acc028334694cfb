"""A file of predictions, CSV or Parquet: one row a window, and all of the file or none of it."""

from __future__ import annotations

import codecs
import contextlib
import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.extras import load
from eeg_emotion.publish.messages import Prediction

COLUMNS = {
    "headset": str,
    "seq": int,
    "start_s": float,
    "end_s": float,
    "arousal_probability": float,
    "arousal_label": str,
    "valence_probability": float,
    "valence_label": str,
    "valid": bool,
    "reasons": str,
    "quality": float,
    "interpolated": str,
    "model": str,
    "simulated": bool,
}
"""The columns in order, with the type of their values.

Times are seconds since the recording's first sample. Where a window is not valid, its
probabilities and labels are empty. `reasons` and `interpolated` are joined by ``;``. `simulated`
is true where the recording or the model's training data is.
"""

_ROWS_AT_ONCE = 4096

Row = tuple[str | int | float | bool | None, ...]
Write = Callable[[Row], object]


class PredictionFileError(EegEmotionError):
    """A file of predictions cannot be written."""


class PredictionFile:
    """The file to be written.

    Parameters
    ----------
    path
        Its suffix says what it becomes, ``.csv`` or ``.parquet``.

    Raises
    ------
    PredictionFileError
        If it is neither.
    MissingExtraError
        If what writes Parquet is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet = path.suffix.lower() == ".parquet"
        if not self._parquet and path.suffix.lower() != ".csv":
            raise PredictionFileError(
                f"found the output {path.name!r}, expected a name that ends with .csv or "
                ".parquet; name it so"
            )
        if self._parquet:
            _pyarrow("pyarrow.parquet")

    def write(
        self, predictions: Iterable[Prediction], *, simulated: bool, about: Mapping[str, str]
    ) -> None:
        """Write all predictions, and put the file in place of an older one when that is done.

        Parameters
        ----------
        predictions
            They are written as they come; an error among them ends the writing.
        simulated
            Whether the recording or the model's training data is.
        about
            What is to be known of all rows; only Parquet has a place for it, its key-value
            metadata.

        Raises
        ------
        PredictionFileError
            If it cannot be written. Then, and after any other error, nothing is left of it, and
            an older file stays as it was.
        """
        try:
            # In the same folder, for only within a file system is replacing atomic.
            with tempfile.TemporaryDirectory(
                prefix=f".{self._path.name}.", dir=self._path.parent
            ) as folder:
                unfinished = Path(folder) / self._path.name
                with unfinished.open("xb") as file:
                    rows = _parquet_rows(file, about) if self._parquet else _csv_rows(file)
                    with rows as write:
                        for prediction in predictions:
                            write(_row(prediction, simulated))
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, self._path)
        except OSError as error:
            raise PredictionFileError(
                f"cannot write {self._path}: {error.strerror or error}; name a file in a folder "
                "that is there, that may be written to and that has room"
            ) from error


def _row(prediction: Prediction, simulated: bool) -> Row:
    arousal, valence = prediction.arousal, prediction.valence
    return (
        prediction.headset,
        prediction.seq,
        # Microseconds: what is beyond is rounding.
        round(prediction.window.start, 6),
        round(prediction.window.end, 6),
        arousal.probability,
        arousal.label,
        valence.probability,
        valence.label,
        prediction.valid,
        ";".join(prediction.reasons),
        prediction.quality,
        ";".join(prediction.interpolated),
        prediction.model,
        simulated,
    )


@contextlib.contextmanager
def _csv_rows(file: BinaryIO) -> Iterator[Write]:
    # Unlike a text wrapper it does not touch the file again once an error has closed it.
    rows = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    rows.writerow(COLUMNS)
    yield lambda row: rows.writerow(
        [str(value).lower() if isinstance(value, bool) else value for value in row]
    )


@contextlib.contextmanager
def _parquet_rows(file: BinaryIO, about: Mapping[str, str]) -> Iterator[Write]:
    arrow = _pyarrow("pyarrow")
    types = {
        str: arrow.string(),
        int: arrow.int64(),
        float: arrow.float64(),
        bool: arrow.bool_(),
    }
    schema = arrow.schema(
        [(name, types[kind]) for name, kind in COLUMNS.items()], metadata=dict(about)
    )
    with _pyarrow("pyarrow.parquet").ParquetWriter(file, schema) as groups:
        waiting: list[Row] = []

        def write_group() -> None:
            columns = [list(column) for column in zip(*waiting, strict=True)]
            groups.write_table(arrow.table(columns, schema=schema))
            waiting.clear()

        def write(row: Row) -> None:
            waiting.append(row)
            if len(waiting) == _ROWS_AT_ONCE:
                write_group()

        yield write
        if waiting:
            write_group()


def _pyarrow(module: str) -> Any:
    return load(module, "an output in Parquet", "name a file that ends with .csv")
