"""A file of predictions, CSV or Parquet: one row per window, written completely or not at all."""

from __future__ import annotations

import codecs
import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from eeg_emotion.atomic_write import atomic_write
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

Times are seconds since the recording's first sample. The probabilities and labels of an invalid
window are empty, as are `reasons` and `interpolated` without any: an empty cell of CSV is a null of
Parquet, so that both read alike. Otherwise those two are joined by ``;``. `simulated` is true if
the recording or the model's training data is simulated.
"""

_ROWS_AT_ONCE = 4096

Row = tuple[str | int | float | bool | None, ...]
Write = Callable[[Row], object]


class PredictionFileError(EegEmotionError):
    """A file of predictions cannot be written."""


class PredictionFile:
    """A file of predictions to write.

    Parameters
    ----------
    path
        Where to write it; the suffix, ``.csv`` or ``.parquet``, chooses the format.

    Raises
    ------
    PredictionFileError
        If the suffix is neither.
    MissingExtraError
        If the suffix is ``.parquet`` and pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parquet = path.suffix.lower() == ".parquet"
        if not self._parquet and path.suffix.lower() != ".csv":
            raise PredictionFileError(
                f"found the output file {path.name!r}, expected a name that ends in .csv or "
                ".parquet; rename it"
            )
        if self._parquet:
            _pyarrow("pyarrow.parquet")

    def write(
        self, predictions: Iterable[Prediction], *, simulated: bool, about: Mapping[str, str]
    ) -> None:
        """Write all predictions, then replace an existing file of the same name.

        Parameters
        ----------
        predictions
            Written as they arrive; an error raised by the iterator ends the writing.
        simulated
            Whether the recording or the model's training data is simulated.
        about
            Metadata of the whole file; stored in Parquet's key-value metadata, and not at all in
            CSV.

        Raises
        ------
        PredictionFileError
            If the file cannot be written. After this and any other error no part of it is left,
            and an existing file stays as it was.
        """
        try:
            with atomic_write(self._path) as file:
                rows = _parquet_rows(file, about) if self._parquet else _csv_rows(file)
                with rows as write:
                    for prediction in predictions:
                        write(_row(prediction, simulated))
        except OSError as error:
            raise PredictionFileError(
                f"cannot write {self._path}: {error.strerror or error}; name a file in a folder "
                "that exists, that you may write to and that has free space"
            ) from error


def _row(prediction: Prediction, simulated: bool) -> Row:
    arousal, valence = prediction.arousal, prediction.valence
    return (
        prediction.headset,
        prediction.seq,
        # To the microsecond: further digits are rounding errors.
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
    # Unlike a text wrapper, it does not access the file again once an error has closed it.
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
            waiting.append(tuple(None if value == "" else value for value in row))
            if len(waiting) == _ROWS_AT_ONCE:
                write_group()

        yield write
        if waiting:
            write_group()


def _pyarrow(module: str) -> Any:
    return load(module, "a Parquet file", "name a file that ends in .csv")
