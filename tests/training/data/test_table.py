from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.data.table import Table, read_table

HEADER = "file,person,trial,start,stop,arousal\n"
TRIALS = "a.edf,p1,one,10,30,low\na.edf,p1,two,30,50,high\n"
GOOD = HEADER + TRIALS

Read = Callable[[str | bytes], Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: str | bytes) -> Table:
        path = tmp_path / "trials.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return read


def test_a_row_states_who_did_what_when_and_where(read: Read, tmp_path: Path) -> None:
    table = read(
        "file,person,trial,start,stop,stimulus,stream,arousal\n"
        "sub/a.xdf,Zoë 1,one,10.5,30,film 3,Amp,low\n"
        "sub/a.xdf,Zoë 1,two,30,50,,,high\n"
        "\n"
        "sub/a.xdf,Zoë 1,rest,0,10,,,\n"
    )
    one, two, rest = table.rows
    assert (one.path, one.stream) == (tmp_path / "sub/a.xdf", "Amp")
    assert (one.person, one.trial, one.stimulus) == ("Zoë 1", "one", "film 3")
    assert (one.start, one.stop) == (10.5, 30.0)
    assert (two.stimulus, two.stream) == ("two", None)
    assert one.high is not None
    assert two.high is not None
    assert (one.high.tolist(), two.high.tolist(), rest.high) == ([False], [True], None)
    # Numbers are a spreadsheet's: the empty row counts.
    assert [row.number for row in table.rows] == [2, 3, 5]
    assert table.people() == {"Zoë 1": [one, two, rest]}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_of_spreadsheets_are_read(
    read: Read, separator: str, start: bytes, end: str
) -> None:
    content = GOOD.replace(",", separator).replace("\n", end)
    assert [row.trial for row in read(start + content.encode()).rows] == ["one", "two"]


def test_classes_and_ratings_each_state_their_rule(read: Read) -> None:
    given = read(GOOD)
    assert given.label_policy.id == "given/1"
    assert given.label_policy.text == "classes given as low or high in the table"

    rated = read(HEADER + "a.edf,p1,one,0,9,5.0\na.edf,p1,two,9,20,5.1\na.edf,p1,3,20,30,9\n")
    assert rated.label_policy.id == "high-above-5/1"
    highs = [row.high.tolist() for row in rated.rows if row.high is not None]
    assert highs == [[False], [True], [True]]

    both = read(
        "file,person,trial,valence,start,stop,arousal\n"
        "a.edf,p1,one,1,0,9,high\na.edf,p1,two,9,9,20,low\n"
    )
    assert both.labels == ("valence", "arousal")
    assert both.label_policy.id == "valence: high-above-5/1, arousal: given/1"
    assert both.label_policy.text == (
        "valence: high = rating > 5.0, a tie is low; "
        "arousal: classes given as low or high in the table"
    )
    highs = [row.high.tolist() for row in both.rows if row.high is not None]
    assert highs == [[False, True], [True, False]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", r"trials\.csv: found no column file, person, trial, start, stop among none"),
        (HEADER, r"trials\.csv: found no rows, expected one for each trial"),
        (GOOD.replace("stop", "end"), r"found no column stop among .*end.* add it to the header"),
        (GOOD.replace("arousal", "stimulus"), r"found no label column.* add one"),
        (GOOD.replace("arousal", "file"), r"found more than one column 'file'.* rename"),
        (GOOD.replace("arousal", "High Arousal"), r"column named 'High Arousal'.* rename it"),
        (GOOD.replace("arousal", ""), r"column named ''.* remove it"),
        (GOOD + "a.edf,p1,x,60,70\n", r"row 4: found 5 cells, expected 6.* correct the row"),
        (GOOD + 'a.edf,"p"1,x,60,70,low\n', r"found a file that is not CSV .* export"),
        (GOOD.encode("utf-16"), r"found a file that is not UTF-8 text .* export"),
        (GOOD + ",p1,x,60,70,low\n", r"row 4, column file: found an empty cell.* fill it in"),
        (GOOD + "a.edf,,x,60,70,low\n", r"row 4, column person: found an empty cell"),
        (GOOD + "a.edf,../p,x,60,70,low\n", r"row 4, column person: found '\.\./p'.* rename"),
        (
            GOOD + "a.edf,aux.1,x,60,70,low\n",
            r"column person: found 'aux\.1', which Windows reserves",
        ),
        (GOOD + "b.edf,P1,x,60,70,low\n", r"row 4, column person: found 'P1' beside 'p1'"),
        (GOOD + "a.edf,p1,,60,70,low\n", r"row 4, column trial: found an empty cell"),
        (GOOD + "a.edf,p1,x,,70,low\n", r"row 4, column start: found an empty cell"),
        (GOOD + "a.edf,p1,x,nan,70,low\n", r"row 4, column start: found 'nan', expected seconds"),
        (GOOD + "a.edf,p1,x,-1,70,low\n", r"row 4, column start: found '-1'.* 0 or more"),
        (GOOD + 'a.edf,p1,x,60,"70,5",low\n', r"row 4, column stop: found '70,5'.* decimal point"),
        (GOOD + "a.edf,p1,x,60,inf,low\n", r"row 4, column stop: found 'inf'"),
        (
            GOOD + "a.edf,p1,x,70,70,low\n",
            r"row 4, column stop: found 70 s, expected more than the start, 70 s",
        ),
        (GOOD + "a.edf,p1,x,60,70,\n", r"row 4, column arousal: found an empty cell.* trial rest"),
        (GOOD + "a.edf,p1,rest,60,70,low\n", r"row 4, column arousal: found 'low' for rest"),
        (GOOD + "a.edf,p1,x,60,70,Low\n", r"row 2, column arousal: found 'low', expected low or"),
        (GOOD + "a.edf,p1,x,60,70,7\n", r"row 2, column arousal: found 'low'.* whole column"),
        (
            HEADER + "a.edf,p1,one,0,9,1\na.edf,p1,two,9,20,0\n",
            r"row 3, column arousal: found '0'.* write classes such as 0 and 1 as low and high",
        ),
        (
            HEADER + "a.edf,p1,one,0,9,1\na.edf,p1,two,9,20,nan\n",
            r"row 3, column arousal: found 'nan'",
        ),
        (
            HEADER + "a.edf,p1,one,0,9,1\na.edf,p1,two,9,20,2\n",
            r"column arousal: found only low .* write the classes as low and high",
        ),
        (GOOD.replace("low", "high"), r"column arousal: found only high .* remove the column"),
        (GOOD + "b.edf,p1,one,0,9,low\n", r"row 4, column trial: found 'one' of p1 in row 2"),
        (GOOD + "b.edf,p2,rest,0,9,\n", r"row 4, column person: found only rest of p2"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    read: Read, content: str | bytes, expected: str
) -> None:
    with pytest.raises(DataError, match=expected):
        read(content)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no readable table .*none\.csv .*check its path"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "row",
    [
        "a.edf,p1,three,49.9,60,low",  # two trials of one person
        "a.edf,p2,one,49.9,60,low",  # two people in one signal
        "a.edf,p1,rest,0,10.1,",  # rest that is scored
        "a.edf,p1,rest,15,16,",  # within a trial
        "./sub/../a.edf,p1,rest,5,55,",  # around a trial, in the same file by another name
    ],
)
def test_a_second_of_signal_in_two_rows_is_refused(read: Read, tmp_path: Path, row: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match=r"row 4, column start: found .* overlaps row [23] \(.*cor"):
        read(GOOD + row + "\n")


def test_rest_in_two_rows_is_refused(read: Read) -> None:
    with pytest.raises(DataError, match=r"row 5, column start: .* overlaps row 4 \(0 to 9 s\)"):
        read(GOOD + "a.edf,p1,rest,0,9,\na.edf,p1,rest,5,10,\n")


def test_rows_that_touch_and_other_files_do_not_overlap(read: Read) -> None:
    table = read(GOOD + "a.edf,p1,rest,0,10,\nb.edf,p1,three,10,50,low\n")
    assert len(table.rows) == 4


def test_two_people_share_a_file_only_by_streams_of_their_own(read: Read) -> None:
    header = "file,person,trial,start,stop,stream,arousal\n"
    first = "a.xdf,p1,one,0,9,Amp 1,low\na.xdf,p1,two,9,20,Amp 1,high\n"
    assert len(read(header + first + "a.xdf,p2,one,0,9,Amp 2,low\n").rows) == 3
    for stream in ("Amp 1", ""):
        with pytest.raises(DataError, match=r"row 4, column start: .*overlaps row 2"):
            read(header + first + f"a.xdf,p2,one,0,9,{stream},low\n")
    with pytest.raises(DataError, match=r"row 4, column start: .*overlaps row 2"):
        read(header + first + "a.xdf,p1,three,0,9,Amp 2,low\n")
