"""Files of predictions: their content, and that they are written completely or not at all."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eeg_emotion.codes import Reason
from eeg_emotion.extras import MissingExtraError
from eeg_emotion.offline.file import COLUMNS, PredictionFile, PredictionFileError
from eeg_emotion.publish.messages import Latency, Prediction, Score, WindowSpan
from eeg_emotion.stream.scoring import NO_SCORE

SCORED = Prediction(
    headset="ward-1",
    epoch="offline",
    seq=7,
    window=WindowSpan(start=0.1 + 0.2, end=5.25),
    arousal=Score(probability=0.75, label="high"),
    valence=Score(probability=0.5, label="unsure"),
    valid=True,
    reasons=(),
    quality=0.875,
    interpolated=("AF3", "T7"),
    latency_ms=Latency(resampler=0, filter=0, arrival=0, path=0, inference=0, total=0),
    model="demo 1",
)
UNSCORED = SCORED.model_copy(
    update={
        "seq": 8,
        "arousal": NO_SCORE,
        "valence": NO_SCORE,
        "valid": False,
        "reasons": (Reason.GAP, Reason.NOT_WORN),
        "interpolated": (),
    }
)
ABOUT = {"model": "demo 1", "held_out": "arousal: …\nvalence: …"}


def write(path: Path, *predictions: Prediction, simulated: bool = True) -> None:
    PredictionFile(path).write(predictions, simulated=simulated, about=ABOUT)


def arrow() -> Any:
    return pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")


def test_csv_has_a_plain_header_and_one_row_per_window(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write(path, SCORED, UNSCORED)
    assert path.read_bytes().decode() == (
        "headset,seq,start_s,end_s,arousal_probability,arousal_label,valence_probability,"
        "valence_label,valid,reasons,quality,interpolated,model,simulated\n"
        "ward-1,7,0.3,5.25,0.75,high,0.5,unsure,true,,0.875,AF3;T7,demo 1,true\n"
        "ward-1,8,0.3,5.25,,,,,false,gap;not_worn,0.875,,demo 1,true\n"
    )


def test_csv_reads_back_whatever_characters_the_names_contain(tmp_path: Path) -> None:
    path = tmp_path / "out.CSV"
    model = 'an "own", möglich\nmodel 1'
    write(path, SCORED.model_copy(update={"model": model}), simulated=False)
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["model"], row["simulated"]) == (model, "false")


def test_without_windows_only_the_header_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write(path)
    assert path.read_text().splitlines() == [",".join(COLUMNS)]


def test_parquet_has_typed_columns_and_metadata(tmp_path: Path) -> None:
    parquet = arrow()
    path = tmp_path / "out.parquet"
    write(path, SCORED, UNSCORED)
    table = parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    scored, unscored = table.to_pylist()
    assert scored == {
        "headset": "ward-1",
        "seq": 7,
        "start_s": 0.3,
        "end_s": 5.25,
        "arousal_probability": 0.75,
        "arousal_label": "high",
        "valence_probability": 0.5,
        "valence_label": "unsure",
        "valid": True,
        "reasons": None,
        "quality": 0.875,
        "interpolated": "AF3;T7",
        "model": "demo 1",
        "simulated": True,
    }
    assert [unscored[key] for key in ("valid", "reasons")] == [False, "gap;not_worn"]
    for target in ("arousal", "valence"):
        assert unscored[f"{target}_probability"] is unscored[f"{target}_label"] is None
    stated = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert stated == ABOUT


def test_what_is_empty_in_csv_is_null_in_parquet(tmp_path: Path) -> None:
    parquet = arrow()
    for name in ("out.csv", "out.parquet"):
        write(tmp_path / name, SCORED, UNSCORED)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        empty = [{key for key, cell in row.items() if cell == ""} for row in csv.DictReader(file)]
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert empty == [{key for key, cell in row.items() if cell is None} for row in rows]
    assert all(empty)


def test_parquet_without_windows_keeps_its_columns(tmp_path: Path) -> None:
    parquet = arrow()
    path = tmp_path / "out.parquet"
    write(path)
    table = parquet.read_table(path)
    assert (table.num_rows, table.column_names) == (0, list(COLUMNS))


def test_a_long_parquet_file_is_written_in_groups_with_none_lost(tmp_path: Path) -> None:
    parquet = arrow()
    path = tmp_path / "out.parquet"
    write(path, *(SCORED.model_copy(update={"seq": number}) for number in range(5000)))
    assert parquet.ParquetFile(path).num_row_groups == 2
    assert parquet.read_table(path)["seq"].to_pylist() == list(range(5000))


# -- what cannot be written --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "-"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PredictionFileError, match=r"expected a name that ends in \.csv or"):
        PredictionFile(tmp_path / name)


def test_missing_pyarrow_is_named_with_its_remedy_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"needs, expected the extra 'recordings'.*, or na"):
        PredictionFile(tmp_path / "out.parquet")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_error_while_writing_leaves_only_the_old_file(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        arrow()
    path = tmp_path / f"out{suffix}"
    path.write_text("older")

    def breaking() -> Iterator[Prediction]:
        yield SCORED
        assert path.read_text() == "older"
        raise PredictionFileError("broken")

    with pytest.raises(PredictionFileError, match=r"^broken$"):
        PredictionFile(path).write(breaking(), simulated=True, about=ABOUT)
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("older")
    write(path, SCORED)
    assert path.read_text().startswith("headset,")
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PredictionFileError, match=r"cannot write .*nowhere/out\.csv: No such file"):
        write(tmp_path / "nowhere" / "out.csv", SCORED)


def test_a_folder_with_the_files_name_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(PredictionFileError, match="cannot write"):
        write(tmp_path / "out.csv", SCORED)
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]
