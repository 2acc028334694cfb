from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion_training.data.participant_ratings import (
    RatingsError,
    compare_ratings,
    find_ratings,
    read_ratings,
)

HEADER = (
    "Participant_id,Trial,Experiment_id,Start_time,Valence,Arousal,Dominance,Liking,Familiarity\n"
)

Labels = dict[int, NDArray[np.float64]]


@pytest.fixture
def labels() -> Labels:
    rng = np.random.default_rng(8)
    return {number: rng.uniform(1.0, 9.0, (40, 4)).round(2) for number in (2, 3)}


def table(labels: Labels) -> dict[tuple[int, int], tuple[float, ...]]:
    return {
        (number, video + 1): tuple(row)
        for number, rows in labels.items()
        for video, row in enumerate(rows)
    }


def test_table_is_read_by_participant_and_video(tmp_path: Path) -> None:
    path = tmp_path / "participant_ratings.csv"
    path.write_text(
        HEADER + "1,1,5,1695918,6.96,3.92,7.19,6.05,4\n2,9,1,1,1,2,3,4,\n", encoding="utf-8-sig"
    )
    assert read_ratings(path) == {(1, 5): (6.96, 3.92, 7.19, 6.05), (2, 1): (1.0, 2.0, 3.0, 4.0)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column Arousal"),
        ("Participant_id,Experiment_id,Valence,Arousal,Dominance\n", "no column Liking"),
        (HEADER + "1,1,5,0,6.96,,7.19,6.05,4\n", "line 2"),
        (HEADER + "1,1,5\n", "line 2"),
    ],
)
def test_table_that_is_not_deaps_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "participant_ratings.csv"
    path.write_text(content)
    with pytest.raises(RatingsError, match=message):
        read_ratings(path)


@pytest.mark.parametrize("place", [".", "metadata_csv", "..", "../metadata_xls"])
def test_table_is_found_beside_the_files(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "data_preprocessed_python"
    folder.mkdir()
    path = (folder / place).resolve() / "participant_ratings.csv"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert find_ratings(folder) == path


def test_csv_is_preferred_and_none_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    assert find_ratings(folder) is None
    (folder / "participant_ratings.xls").touch()
    assert find_ratings(folder) == folder / "participant_ratings.xls"
    (tmp_path / "participant_ratings.csv").touch()
    assert find_ratings(folder) == tmp_path / "participant_ratings.csv"


def test_equal_ratings_agree_and_rounding_is_forgiven(labels: Labels) -> None:
    ratings = table({number: rows + 0.01 for number, rows in labels.items()})
    ratings |= table({9: np.ones((40, 4))})  # a table of more people than there are files
    assert compare_ratings(labels, ratings) is None


@pytest.mark.parametrize(
    ("column", "change", "message"),
    [
        (0, 0.02, "different valence or arousal in 1 of 80 trials.*altered"),
        (1, -1.0, "different valence or arousal in 1 of 80 trials.*altered"),
        (2, 0.02, "different dominance or liking in 1 of 80 trials.*other files"),
        (3, np.nan, "different dominance or liking in 1 of 80 trials"),
    ],
)
def test_difference_is_named(labels: Labels, column: int, change: float, message: str) -> None:
    other = {number: rows.copy() for number, rows in labels.items()}
    other[3][17, column] += change
    assert re.search(message, compare_ratings(labels, table(other)) or "")


def test_missing_row_is_named(labels: Labels) -> None:
    ratings = table(labels)
    del ratings[3, 40]
    assert "no row for participant 3, video 40" in (compare_ratings(labels, ratings) or "")
