from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.caps import CAPS, Cap, cap_named
from eeg_emotion.eeg.layout import (
    ChannelsMissing,
    Layout,
    LayoutError,
    UnitSuspect,
    UnitUnstated,
    cap_layout,
    identity_layout,
    plan_layout,
)
from eeg_emotion.eeg.montage import DEAP32, MUSE4
from eeg_emotion.errors import EegEmotionError


def plan(
    labels: tuple[str, ...] | list[str],
    units: list[str] | None = None,
    *,
    channels: tuple[str, ...] = DEAP32,
    max_interpolated: int = 13,
    cap: Cap | None = None,
    amplitudes: NDArray[np.float64] | None = None,
) -> Layout:
    return plan_layout(
        labels,
        ["uV"] * len(labels) if units is None else units,
        channels=channels,
        max_interpolated=max_interpolated,
        cap=cap,
        amplitudes=amplitudes,
    )


def marked(layout: Layout, *names: str) -> NDArray[np.bool_]:
    return np.array([name in names for name in layout.measured])


def test_channels_are_found_by_label_wherever_they_stand() -> None:
    order = np.random.default_rng(3).permutation(32)
    labels = [f"EEG {DEAP32[i].upper()}-REF" for i in order]
    layout = plan(labels)
    assert [DEAP32[order[row]] for row in layout.rows] == list(DEAP32)
    assert layout.measured == layout.channels == DEAP32
    assert layout.interpolated == layout.dropped == ()
    assert layout.matrix is None


def test_older_names_serve() -> None:
    older = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
    layout = plan([older.get(name, name) for name in DEAP32])
    assert layout.measured == DEAP32
    np.testing.assert_array_equal(layout.rows, np.arange(32))


def test_labels_that_are_not_used_are_named_and_left_out() -> None:
    labels = ("EXG1", *DEAP32[:16], "Status", *DEAP32[16:], "")
    layout = plan(labels, ["none"] + ["uV"] * 16 + [""] + ["uV"] * 16 + ["counts"])
    assert layout.dropped == ("EXG1", "Status", "channel 35")
    assert [labels[row] for row in layout.rows] == list(DEAP32)
    assert "EXG1, Status" in layout.describe()


@pytest.mark.parametrize("second", ["fp1", "EEG Fp1", "Fp1-REF"])
def test_a_doubled_label_is_refused_by_name(second: str) -> None:
    with pytest.raises(ChannelsMissing, match=r"more than one .*Fp1.*expected.*distinct labels"):
        plan((*DEAP32, second))


def test_an_electrode_under_its_old_and_its_new_name_is_refused() -> None:
    with pytest.raises(ChannelsMissing, match=r"more than one .*T7"):
        plan((*DEAP32, "T3"))


def test_a_doubled_label_that_is_not_needed_does_no_harm() -> None:
    assert plan((*DEAP32, "EXG1", "EXG1")).dropped == ("EXG1", "EXG1")


def test_thirteen_missing_channels_are_filled_in_and_named() -> None:
    missing = DEAP32[5:18]
    layout = plan([name for name in DEAP32 if name not in missing])
    assert layout.interpolated == missing
    assert len(layout.measured) == 19
    assert all(name in layout.describe() for name in missing)
    assert "19 of 32" in layout.describe()


def test_a_measured_channel_stays_exactly_what_was_measured() -> None:
    layout = plan([name for name in DEAP32 if name not in ("Cz", "O1")])
    assert layout.matrix is not None
    samples = np.random.default_rng(4).normal(0.0, 20.0, (30, 50))
    filled = layout.matrix @ samples
    for row, name in enumerate(layout.measured):
        np.testing.assert_array_equal(filled[DEAP32.index(name)], samples[row])
    np.testing.assert_allclose(layout.matrix.sum(axis=1), 1.0, atol=1e-8)


def test_fourteen_missing_channels_are_refused_by_name() -> None:
    missing = DEAP32[:14]
    with pytest.raises(ChannelsMissing) as caught:
        plan(DEAP32[14:])
    message = str(caught.value)
    assert "found 18 of the model's 32" in message
    assert "expected at least 19" in message
    assert f"missing: {', '.join(missing)}" in message
    assert "10-20 names" in message


def test_no_channel_at_all_is_refused_even_where_all_may_be_interpolated() -> None:
    with pytest.raises(ChannelsMissing, match="found 0 of"):
        plan(["1", "2", "3"], max_interpolated=32)


def test_a_long_list_of_foreign_labels_is_shortened() -> None:
    with pytest.raises(ChannelsMissing, match="and 52 more") as caught:
        plan([f"E{number}" for number in range(64)])
    assert "E60" not in str(caught.value)


@pytest.mark.parametrize("unit", ["counts", "a.u.", "µS"])
def test_a_channel_that_is_no_voltage_is_interpolated_like_a_missing_one(unit: str) -> None:
    units = ["uV"] * 32
    units[DEAP32.index("Pz")] = unit
    layout = plan(DEAP32, units)
    assert layout.interpolated == layout.dropped == ("Pz",)
    expected = plan([name for name in DEAP32 if name != "Pz"])
    np.testing.assert_array_equal(layout.matrix, expected.matrix)
    with pytest.raises(
        ChannelsMissing, match=rf"missing: Pz.* not a voltage.*Pz: {re.escape(unit)}"
    ):
        plan(DEAP32, units, max_interpolated=0)


def test_a_channel_of_impedances_beside_an_electrodes_does_no_harm() -> None:
    layout = plan((*DEAP32, *DEAP32), ["kOhm"] * 32 + ["uV"] * 32)
    np.testing.assert_array_equal(layout.rows, np.arange(32, 64))
    assert layout.interpolated == ()


def test_a_stream_of_no_voltage_at_all_is_refused_by_its_unit() -> None:
    with pytest.raises(UnitSuspect, match=r"Fp1: counts.*expected V, mV, µV or nV; let the source"):
        plan(DEAP32, ["counts"] * 32)


def test_channels_that_state_no_unit_are_named_for_measuring() -> None:
    units = ["uV"] * 33
    units[4], units[7] = "", "n/a"
    labels = ("EXG1", *DEAP32)
    with pytest.raises(
        UnitUnstated, match=rf"\({DEAP32[3]}: no unit, {DEAP32[6]}: no unit\)"
    ) as caught:
        plan(labels, units)
    assert caught.value.rows == (4, 7)
    assert "expected V, mV, µV or nV" in str(caught.value)
    assert "Fp1" not in str(caught.value)


def test_a_unit_that_is_not_needed_need_not_be_stated() -> None:
    assert plan((*DEAP32, "EXG1"), ["uV"] * 32 + [""]).unit == "µV, as stated"


@pytest.mark.parametrize(
    ("amplitude", "name", "factor"), [(8.1e-6, "V", 1e6), (0.0123, "mV", 1e3), (12.0, "µV", 1.0)]
)
def test_an_unstated_unit_is_inferred_from_the_amplitude(
    amplitude: float, name: str, factor: float
) -> None:
    amplitudes = np.full(33, amplitude)
    # What is not used, and a few bad electrodes, have no say.
    amplitudes[0], amplitudes[5], amplitudes[6], amplitudes[7] = 4000.0, 0.0, 1e9, np.nan
    layout = plan(("EXG1", *DEAP32), [""] * 33, amplitudes=amplitudes)
    np.testing.assert_array_equal(layout.microvolts, factor)
    assert layout.unit == f"{name}, inferred from its amplitude of {amplitude:.2g} {name}"


def test_only_the_channels_without_a_unit_are_judged() -> None:
    units = ["V"] * 31 + [""]
    layout = plan(DEAP32, units, amplitudes=np.r_[np.full(31, 9e-6), 9.0])
    np.testing.assert_array_equal(layout.microvolts, [1e6] * 31 + [1.0])
    assert layout.unit == "V, as stated; µV, inferred from its amplitude of 9 µV"


@pytest.mark.parametrize("amplitude", [0.0, 0.0004, 0.7, 800.0, 8000.0])
def test_an_amplitude_that_matches_no_unit_is_refused(amplitude: float) -> None:
    with pytest.raises(UnitSuspect) as caught:
        plan(DEAP32, [""] * 32, amplitudes=np.full(32, amplitude))
    message = str(caught.value)
    assert f"median amplitude of {amplitude:.2g} between 4 and 45 Hz" in message
    assert "2e-06 to 0.0001 (V), 0.002 to 0.1 (mV), 2 to 100 (µV)" in message
    assert "desc/channels/channel/unit" in message


def test_channels_that_were_not_measured_are_asked_for_again() -> None:
    amplitudes = np.full(32, np.nan)
    with pytest.raises(UnitUnstated) as caught:
        plan(DEAP32, [""] * 32, amplitudes=amplitudes)
    assert caught.value.rows == tuple(range(32))


def test_a_stream_with_too_few_channels_is_refused_before_its_unit_is_asked_for() -> None:
    with pytest.raises(ChannelsMissing):
        plan(DEAP32[:10], [""] * 10)


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (["uV"] * 32, "µV, as stated"),
        (["V"] * 32, "V, as stated"),
        (["V", "-6"] * 16, "µV and V, as stated"),
    ],
)
def test_the_unit_is_described_in_words(units: list[str], expected: str) -> None:
    layout = plan(DEAP32, units)
    assert layout.unit == expected
    assert expected in layout.describe()


def test_each_channel_has_its_own_unit() -> None:
    units = [("V", "mV", "uV", "nV")[index % 4] for index in range(32)]
    layout = plan(DEAP32, units)
    np.testing.assert_allclose(layout.microvolts, [1e6, 1e3, 1.0, 1e-3] * 8, rtol=1e-12)


def test_units_go_with_their_labels_when_the_order_differs() -> None:
    layout = plan(["O2", "junk", "Fp1"], ["mV", "?", "V"], channels=("Fp1", "O2"))
    np.testing.assert_array_equal(layout.rows, [2, 0])
    np.testing.assert_allclose(layout.microvolts, [1e6, 1e3])


def test_a_channel_without_a_known_position_cannot_be_interpolated() -> None:
    with pytest.raises(ChannelsMissing, match="position of Nose"):
        plan(DEAP32, channels=(*DEAP32, "Nose"))


def test_a_channel_without_a_known_position_serves_where_it_is_measured() -> None:
    layout = plan((*DEAP32, "Nose"), channels=(*DEAP32, "Nose"))
    assert layout.measured[-1] == "Nose"


def test_the_measured_channels_are_reported_in_the_streams_order() -> None:
    order = np.random.default_rng(3).permutation(32)
    labels = ["EXG1", *(DEAP32[i] for i in order if DEAP32[i] != "Cz")]
    layout = plan(labels)
    assert layout.order == tuple(labels[1:])
    assert layout.measured == tuple(name for name in DEAP32 if name != "Cz")


# Numbered caps


def test_biosemis_labels_serve_with_their_cap() -> None:
    labels = [*(f"A{n}" for n in range(1, 33)), *(f"EXG{n}" for n in range(1, 9)), "Status"]
    layout = plan(labels, cap=CAPS["biosemi32"])
    assert layout.measured == DEAP32
    assert [CAPS["biosemi32"].sites[row] for row in layout.rows] == list(DEAP32)
    assert layout.dropped[0] == "EXG1"
    assert layout.order == CAPS["biosemi32"].sites


def test_a_larger_caps_other_electrodes_are_left_out() -> None:
    labels = [f"{bank}{n}" for bank in "AB" for n in range(1, 33)]
    layout = plan(labels, cap=CAPS["biosemi64"])
    assert layout.measured == DEAP32
    assert len(layout.dropped) == 32


def test_electrodes_by_name_beside_numbers_serve_too() -> None:
    cap = cap_named("Fp1,Fp2,C3,C4")
    layout = plan(["Oz", "Ch4", "Ch1"], channels=("Fp1", "C4", "Oz", "Cz", "Fz"),
                  max_interpolated=2, cap=cap)  # fmt: skip
    np.testing.assert_array_equal(layout.rows, [2, 1, 0])


@pytest.mark.parametrize("named", [32, 16])
def test_a_stream_that_is_labelled_by_name_does_without_the_cap(named: int) -> None:
    # With a cap A1 and A2 would be Fp1 and AF3: here they are the earlobes.
    labels = (*DEAP32[-named:], "A1", "A2")
    layout = plan(labels, max_interpolated=16, cap=CAPS["biosemi32"])
    assert layout.dropped == ("A1", "A2")
    assert layout.measured == DEAP32[-named:]


def test_earlobes_are_no_sockets_where_few_channels_are_named() -> None:
    labels = ("Fz", "Cz", "Pz", "Oz", "A1", "A2")
    layout = plan(labels, max_interpolated=30, cap=CAPS["biosemi32"])
    assert layout.dropped == ("A1", "A2")


def test_a_socket_and_an_electrode_of_one_name_are_refused() -> None:
    labels = [*(f"Ch{n}" for n in range(1, 33)), "Fp1"]
    with pytest.raises(ChannelsMissing, match="more than one channel labelled Fp1"):
        plan(labels, cap=CAPS["biosemi32"])


def test_numbered_labels_without_a_cap_are_refused_with_the_remedy() -> None:
    with pytest.raises(ChannelsMissing, match=r"--cap .*biosemi32, biosemi64, openbci16"):
        plan([f"A{n}" for n in range(1, 33)])
    with pytest.raises(ChannelsMissing) as caught:
        plan(["Left", "Right"])
    assert "--cap" not in str(caught.value)


def test_a_cap_that_does_not_reach_is_named() -> None:
    with pytest.raises(ChannelsMissing, match=r"found 16 of .* read as those of the cap openbci16"):
        plan([f"Ch{n}" for n in range(1, 17)], cap=CAPS["openbci16"])


# Doing without bad channels


def test_nothing_is_interpolated_where_all_is_measured_and_good() -> None:
    layout = plan(DEAP32)
    assert layout.without(marked(layout)) is None


def test_a_layout_without_bad_channels_is_the_layout() -> None:
    layout = plan([name for name in DEAP32 if name not in ("Cz", "O1")])
    np.testing.assert_array_equal(layout.without(marked(layout)), layout.matrix)


@pytest.mark.parametrize("absent", [(), ("Cz", "O1")])
def test_a_bad_channel_is_interpolated_like_a_missing_one(absent: tuple[str, ...]) -> None:
    bad = ("Fp1", "P4", "Oz")
    layout = plan([name for name in DEAP32 if name not in absent])
    weights = layout.without(marked(layout, *bad))
    assert weights is not None
    assert weights.shape == (32, len(layout.measured))
    shorter = plan([name for name in DEAP32 if name not in (*absent, *bad)])
    np.testing.assert_array_equal(weights[:, ~marked(layout, *bad)], shorter.matrix)
    np.testing.assert_array_equal(weights[:, marked(layout, *bad)], 0.0)
    samples = np.random.default_rng(4).normal(0.0, 20.0, (len(layout.measured), 50))
    samples[marked(layout, *bad)] = 1e9
    filled = weights @ samples
    for row, name in enumerate(layout.measured):
        if name not in bad:
            np.testing.assert_array_equal(filled[DEAP32.index(name)], samples[row])
    assert np.abs(filled).max() < 1e3


def test_weights_are_kept_and_cannot_be_changed() -> None:
    layout, other = plan(DEAP32), plan(DEAP32[::-1])
    bad = marked(layout, "Cz")
    weights = layout.without(bad)
    assert weights is layout.without(bad.copy())
    assert weights is other.without(bad)  # of one kind, however the stream's order
    assert weights is not None
    with pytest.raises(ValueError, match="read-only"):
        weights[0, 0] = 2.0
    bad[0] = True
    assert layout.without(bad) is not weights


def test_nothing_can_be_interpolated_from_nothing() -> None:
    layout = plan(("Fp1", "Cz", "Oz"), channels=("Fp1", "Cz", "Oz"))
    with pytest.raises(ChannelsMissing, match="no good channel with a known position is left"):
        layout.without(np.ones(3, dtype=bool))


def test_a_bad_channel_without_a_known_position_cannot_be_interpolated() -> None:
    layout = plan((*DEAP32, "Nose"), channels=(*DEAP32, "Nose"))
    with pytest.raises(ChannelsMissing, match="position of Nose"):
        layout.without(marked(layout, "Nose"))


def test_a_good_channel_without_a_known_position_stays_and_helps_no_other() -> None:
    layout = plan((*DEAP32, "Nose"), channels=(*DEAP32, "Nose"))
    weights = layout.without(marked(layout, "Cz"))
    assert weights is not None
    np.testing.assert_array_equal(weights[32], np.eye(33)[32])
    assert weights[DEAP32.index("Cz"), 32] == 0.0
    assert weights[DEAP32.index("Cz")].sum() == pytest.approx(1.0)


def test_the_interpolation_limit_is_reported() -> None:
    assert plan(DEAP32, max_interpolated=7).max_interpolated == 7
    assert identity_layout(DEAP32).max_interpolated == 0
    assert identity_layout(DEAP32, max_interpolated=13).max_interpolated == 13


# Caps for smaller models


def test_a_channel_between_a_caps_electrodes_does_without_bad_ones() -> None:
    units = ["uV"] * 32
    layout = cap_layout(DEAP32, units, MUSE4, max_interpolated=1)
    assert layout.interpolated == MUSE4
    assert layout.max_interpolated == 5
    assert layout.matrix is not None
    np.testing.assert_array_equal(layout.without(marked(layout)), layout.matrix)
    weights = layout.without(marked(layout, "T7"))
    assert weights is not None
    assert weights.shape == (4, 32)
    np.testing.assert_array_equal(weights[:, DEAP32.index("T7")], 0.0)
    fewer = cap_layout([name for name in DEAP32 if name != "T7"], units[1:], MUSE4)
    np.testing.assert_array_equal(weights[:, ~marked(layout, "T7")], fewer.matrix)


def test_a_models_channel_on_the_cap_is_taken_as_it_is_unless_it_is_bad() -> None:
    layout = cap_layout(DEAP32, ["uV"] * 32, ("Cz", "AF7"))
    assert layout.interpolated == ("AF7",)
    assert "1 of 2 channels measured" in layout.describe()
    assert layout.matrix is not None
    np.testing.assert_array_equal(layout.matrix[0], np.eye(32)[DEAP32.index("Cz")])
    weights = layout.without(marked(layout, "Cz"))
    assert weights is not None
    assert weights[0, DEAP32.index("Cz")] == 0.0
    assert weights[0].sum() == pytest.approx(1.0)


def test_the_identity_layout_changes_nothing() -> None:
    layout = identity_layout(("Cz", "Fp1"))
    np.testing.assert_array_equal(layout.rows, [0, 1])
    np.testing.assert_array_equal(layout.microvolts, [1.0, 1.0])
    assert layout.matrix is None
    assert layout.measured == ("Cz", "Fp1")


def test_refusals_share_the_projects_root() -> None:
    assert issubclass(ChannelsMissing, LayoutError)
    assert issubclass(UnitSuspect, LayoutError)
    assert issubclass(UnitUnstated, LayoutError)
    assert issubclass(LayoutError, EegEmotionError)
