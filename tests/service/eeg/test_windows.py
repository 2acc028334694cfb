from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eeg_emotion.eeg.windows import WindowCutter


@given(data=st.data(), length=st.integers(1, 12), chunks=st.lists(st.integers(0, 30), max_size=12))
def test_windows_lie_on_the_grid_whatever_the_chunks(
    data: st.DataObject, length: int, chunks: list[int]
) -> None:
    hop = data.draw(st.integers(1, length))
    rows = np.arange(2.0 * sum(chunks)).reshape(-1, 2)
    cutter = WindowCutter(length=length, hop=hop, width=2)
    found = [window for part in np.split(rows, np.cumsum(chunks)) for window in cutter.push(part)]
    expected = range(0, len(rows) - length + 1, hop)
    assert [first for first, _ in found] == list(expected)
    for first, window in found:
        np.testing.assert_array_equal(window, rows[first : first + length])


def test_a_window_comes_with_its_last_row_and_not_before() -> None:
    cutter = WindowCutter(length=4, hop=2, width=1)
    came = [len(list(cutter.push(np.full((1, 1), float(row))))) for row in range(8)]
    assert came == [0, 0, 0, 1, 0, 1, 0, 1]


def test_a_given_window_is_not_changed_by_later_rows() -> None:
    cutter = WindowCutter(length=3, hop=1, width=1)
    ((_, window),) = cutter.push(np.array([[1.0], [2.0], [3.0]]))
    list(cutter.push(np.array([[9.0], [9.0], [9.0]])))
    np.testing.assert_array_equal(window, [[1.0], [2.0], [3.0]])


@pytest.mark.parametrize("hop", [0, -1, 6])
def test_a_hop_that_leaves_the_window_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match=rf"hop of {hop} rows, expected 1 to the window's 5"):
        WindowCutter(length=5, hop=hop, width=1)
