from __future__ import annotations

import re

import numpy as np
import pytest

from eeg_emotion.eeg.layout import (
    ChannelsMissing,
    Layout,
    LayoutError,
    UnitSuspect,
    identity_layout,
    plan_layout,
)
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.errors import EegEmotionError


def plan(
    labels: tuple[str, ...] | list[str],
    units: list[str] | None = None,
    *,
    channels: tuple[str, ...] = DEAP32,
    max_interpolated: int = 13,
) -> Layout:
    return plan_layout(
        labels,
        ["uV"] * len(labels) if units is None else units,
        channels=channels,
        max_interpolated=max_interpolated,
    )


def test_channels_are_found_by_label_wherever_they_stand():
    order = np.random.default_rng(3).permutation(32)
    labels = [f"EEG {DEAP32[i].upper()}-REF" for i in order]
    layout = plan(labels)
    assert [DEAP32[order[row]] for row in layout.rows] == list(DEAP32)
    assert layout.measured == layout.channels == DEAP32
    assert layout.interpolated == layout.dropped == ()
    assert layout.matrix is None


def test_older_names_serve():
    older = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
    layout = plan([older.get(name, name) for name in DEAP32])
    assert layout.measured == DEAP32
    np.testing.assert_array_equal(layout.rows, np.arange(32))


def test_labels_that_are_not_used_are_named_and_left_out():
    labels = ("EXG1", *DEAP32[:16], "Status", *DEAP32[16:], "")
    layout = plan(labels, ["none"] + ["uV"] * 16 + [""] + ["uV"] * 16 + ["counts"])
    assert layout.dropped == ("EXG1", "Status", "")
    assert [labels[row] for row in layout.rows] == list(DEAP32)
    assert "EXG1, Status" in layout.describe()


@pytest.mark.parametrize("second", ["fp1", "EEG Fp1", "Fp1-REF"])
def test_a_doubled_label_is_refused_by_name(second: str):
    with pytest.raises(ChannelsMissing, match=r"more than one .*Fp1.*expected.*distinct labels"):
        plan((*DEAP32, second))


def test_an_electrode_under_its_old_and_its_new_name_is_refused():
    with pytest.raises(ChannelsMissing, match=r"more than one .*T7"):
        plan((*DEAP32, "T3"))


def test_a_doubled_label_that_is_not_needed_does_no_harm():
    assert plan((*DEAP32, "EXG1", "EXG1")).dropped == ("EXG1", "EXG1")


def test_thirteen_missing_channels_are_filled_in_and_named():
    missing = DEAP32[5:18]
    layout = plan([name for name in DEAP32 if name not in missing])
    assert layout.interpolated == missing
    assert len(layout.measured) == 19
    assert all(name in layout.describe() for name in missing)
    assert "19 of 32" in layout.describe()


def test_a_measured_channel_stays_exactly_what_was_measured():
    layout = plan([name for name in DEAP32 if name not in ("Cz", "O1")])
    assert layout.matrix is not None
    samples = np.random.default_rng(4).normal(0.0, 20.0, (30, 50))
    filled = layout.matrix @ samples
    for row, name in enumerate(layout.measured):
        np.testing.assert_array_equal(filled[DEAP32.index(name)], samples[row])
    np.testing.assert_allclose(layout.matrix.sum(axis=1), 1.0, atol=1e-8)


def test_fourteen_missing_channels_are_refused_by_name():
    missing = DEAP32[:14]
    with pytest.raises(ChannelsMissing) as caught:
        plan(DEAP32[14:])
    message = str(caught.value)
    assert "found 18 of the model's 32" in message
    assert "expected at least 19" in message
    assert f"missing: {', '.join(missing)}" in message
    assert "10-20 names" in message


def test_no_channel_at_all_is_refused_even_where_all_may_be_filled_in():
    with pytest.raises(ChannelsMissing, match="found 0 of"):
        plan(["1", "2", "3"], max_interpolated=32)


def test_a_long_list_of_foreign_labels_is_shortened():
    with pytest.raises(ChannelsMissing, match="and 52 more") as caught:
        plan([f"E{number}" for number in range(64)])
    assert "E60" not in str(caught.value)


@pytest.mark.parametrize("unit", ["", "counts", "a.u."])
def test_an_unknown_unit_is_refused_by_channel_and_not_guessed(unit: str):
    units = ["uV"] * 32
    units[DEAP32.index("Pz")] = unit
    with pytest.raises(UnitSuspect, match=rf"Pz: {re.escape(unit or 'no unit')}") as caught:
        plan(DEAP32, units)
    assert "Fp1" not in str(caught.value)
    assert "expected V, mV, µV or nV" in str(caught.value)


def test_each_channel_has_its_own_unit():
    units = [("V", "mV", "uV", "nV")[index % 4] for index in range(32)]
    layout = plan(DEAP32, units)
    np.testing.assert_allclose(layout.microvolts, [1e6, 1e3, 1.0, 1e-3] * 8, rtol=1e-12)


def test_units_go_with_their_labels_when_the_order_differs():
    layout = plan(["O2", "junk", "Fp1"], ["mV", "?", "V"], channels=("Fp1", "O2"))
    np.testing.assert_array_equal(layout.rows, [2, 0])
    np.testing.assert_allclose(layout.microvolts, [1e6, 1e3])


def test_a_channel_without_a_known_place_cannot_be_filled_in():
    with pytest.raises(ChannelsMissing, match="place of Nose"):
        plan(DEAP32, channels=(*DEAP32, "Nose"))


def test_a_channel_without_a_known_place_serves_where_it_is_measured():
    layout = plan((*DEAP32, "Nose"), channels=(*DEAP32, "Nose"))
    assert layout.measured[-1] == "Nose"


def test_the_identity_layout_changes_nothing():
    layout = identity_layout(("Cz", "Fp1"))
    np.testing.assert_array_equal(layout.rows, [0, 1])
    np.testing.assert_array_equal(layout.microvolts, [1.0, 1.0])
    assert layout.matrix is None
    assert layout.measured == ("Cz", "Fp1")


def test_refusals_share_the_projects_root():
    assert issubclass(ChannelsMissing, LayoutError)
    assert issubclass(UnitSuspect, LayoutError)
    assert issubclass(LayoutError, EegEmotionError)
