from __future__ import annotations

import math

import pytest
from tests.support.study_results import made_curve, record, result, small_study, spec

from eeg_emotion_training.evaluation.scores import Score
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.report.cells import duration, interval, label, number, p_value
from eeg_emotion_training.report.markdown import listed, markdown_table, plain
from eeg_emotion_training.report.rows import Row, leaks, rows_of, significance_of
from eeg_emotion_training.report.tables import (
    Table,
    chance_table,
    comparison_table,
    curve_end,
    leak_table,
    left_out_table,
    paper_table,
    score_table,
)
from eeg_emotion_training.study.plan import LeftOut
from eeg_emotion_training.study.results import Result, skipped


def rows(results: list[Result], protocol: str | None = None) -> list[Row]:
    made = rows_of(record(results), results)
    return [row for row in made if protocol in (None, row.key.protocol)]


def column(table: Table, name: str) -> list[str]:
    return [line[table.header.index(name)] for line in table.rows]


def test_a_curve_is_read_as_tensorboard_reads_it() -> None:
    # The points are 0.6, 0.7 and 0.8, the weight 0.6.
    end = curve_end(made_curve(leaks=True))
    assert end is not None

    average = (0.36 * 0.4 * 0.6 + 0.6 * 0.4 * 0.7 + 0.4 * 0.8) / (1 - 0.6**3)
    assert end.smoothed == pytest.approx(average)
    assert end.value == pytest.approx(0.8)
    assert (end.step, end.relative) == (30, 4.0)
    assert end.training == pytest.approx(0.8)


def test_the_first_point_of_a_smoothed_curve_is_itself() -> None:
    end = curve_end(made_curve(leaks=True)[:1])

    assert end is not None
    assert end.smoothed == pytest.approx(0.6)
    assert end.relative == 0.0


def test_there_is_no_test_curve_where_validation_windows_choose() -> None:
    assert curve_end(made_curve(leaks=False)) is None
    assert paper_table(rows(small_study(), "trial")) is None


def test_the_papers_figures_stand_beside_means_over_folds() -> None:
    later = tuple(
        Point(
            step=10,
            seconds=seconds,
            training_loss=0.5,
            training_accuracy=1.0,
            test_accuracy=1.0,
        )
        for seconds in (0.0, 80.0)
    )
    results = [
        result([1, 0], [0.9, 0.1], protocol="paper", person="s01"),
        result([1, 0], [0.9, 0.1], protocol="paper", person="s02", curve=later),
    ]
    table = paper_table(rows(results))
    assert table is not None

    assert column(table, "Value") == ["0.9000"]
    assert column(table, "Smoothed") == [f"{(0.5744 / 0.784 + 1.0) / 2:.4f}"]
    assert column(table, "Step") == ["20"]
    assert column(table, "Relative") == ["42s"]
    assert column(table, "Value on training windows") == ["0.9000"]
    assert column(table, "trainings") == ["2"]
    printed = [column(table, f"paper's {name}") for name in ("Smoothed", "Value", "Relative")]
    assert printed == [["0.8556"], ["0.8557"], ["20m39s"]]


@pytest.mark.parametrize(
    ("target", "network", "smoothed"),
    [("valence", "bn-lstm", "0.8507"), ("valence", "gru", "0.8664"), ("dominance", "gru", "–")],
)
def test_the_paper_tables_two_targets(target: str, network: str, smoothed: str) -> None:
    results = [result([1, 0], [0.9, 0.1], protocol="paper", target=target, network=network)]
    table = paper_table(rows(results))

    assert table is not None
    assert column(table, "paper's Smoothed") == [smoothed]


def test_baselines_have_no_row_in_the_papers_table() -> None:
    table = paper_table(rows(small_study(), "segment"))

    assert table is not None
    assert column(table, "network") == ["GRU"]


def test_window_scores_show_both_calibration_errors() -> None:
    results = [
        result([1, 0], [1.0, 0.0], scaled=[0.7, 0.3], person="s01"),
        result([1, 0], [0.0, 1.0], scaled=[0.3, 0.7], person="s02"),
        result([1, 0], [0.5, 0.5], network="majority"),
    ]
    table = score_table(rows(results), "windows")

    # Without an interval: drawing trials again only adds to a calibration error.
    assert column(table, "ECE after scaling") == ["0.500", "0.000"]
    # Within a fold a constant guess ranks nothing.
    assert column(table, "AUROC")[0].startswith("0.500")
    assert column(table, "AUROC")[1] == "–"
    assert column(table, "before scaling") == ["0.500", "–"]
    assert column(table, "people") == ["2", "1"]
    assert column(table, "trials") == ["4", "2"]
    assert column(table, "windows") == ["8", "4"]
    assert column(table, "own majority") == ["0.500", "0.500"]
    assert column(table, "accuracy")[0].startswith("0.500 [")


def test_trial_scores_count_no_windows_and_name_what_was_not_scaled() -> None:
    table = score_table(rows(small_study(), "segment"), "trials")

    assert "windows" not in table.header
    assert "ECE, not scaled" in table.header
    assert "before scaling" not in table.header
    assert column(table, "trials") == ["24", "24", "24"]


def test_columns_that_do_not_vary_are_left_out() -> None:
    results = [
        result([1, 0], [0.9, 0.1]),
        result([1, 0], [0.9, 0.1], montage="two"),
        result([1, 0], [0.5, 0.5], network="majority"),
    ]
    table = score_table(rows(results), "windows")

    assert table.header[:3] == ("model", "montage", "people")
    assert column(table, "montage") == ["all", "two", "–"]
    assert label(rows(results)[1].key, ["montage"]) == "GRU, two"


def test_p_values_stand_beside_those_after_holm() -> None:
    made = rows(small_study(), "segment")
    table = chance_table(made, significance_of(made))

    assert column(table, "model") == ["GRU", "logistic regression"]
    assert table.rows[0][1:] == ("6", "6", "0.016", "0.031", "0.016", "0.031")


def test_the_leak_table_has_the_sign_of_the_difference() -> None:
    made = rows(small_study())
    table = leak_table(leaks(made), made)

    assert table.rows[0] == (
        *("segment", "arousal", "GRU", "6"),
        *("1.000", "0.500", "+0.500 [+0.500, +0.500]"),
    )


def test_montages_are_compared_with_the_first_by_person() -> None:
    results = [
        result([1, 0], said, person=person, montage=montage)
        for montage, of in {
            "all": ([0.9, 0.1], [0.9, 0.1]),
            "two": ([0.9, 0.1], [0.9, 0.9]),
        }.items()
        for person, said in zip(("s01", "s02"), of, strict=True)
    ]
    table = comparison_table(rows(results), "montage", ["all", "two"])
    assert table is not None

    assert column(table, "all") == ["1.000 [1.000, 1.000]"]
    assert column(table, "two")[0].startswith("0.750 [")
    assert column(table, "two − all") == ["-0.250 [-0.500, 0.000]".replace(" 0.", " +0.")]


def test_a_variant_that_was_not_run_is_a_dash() -> None:
    results = [
        result([1, 0], [0.9, 0.1], representation=name) for name in ("bands", "raw", "tangent")
    ]
    results += [
        result([1, 0], [0.9, 0.1], network="logistic", representation=name)
        for name in ("bands", "tangent")
    ]
    table = comparison_table(rows(results), "representation", ["bands", "raw", "tangent"])
    assert table is not None

    assert column(table, "raw")[1] == "–"
    assert column(table, "raw − bands")[1] == "–"
    # One person has no interval over people.
    assert column(table, "tangent − bands")[1] == "+0.000"


def test_nothing_is_compared_where_there_is_one_variant() -> None:
    assert comparison_table(rows(small_study()), "montage", ["all"]) is None


def test_what_was_left_out_is_grouped_by_reason() -> None:
    results = [
        result([1, 0], [0.9, 0.1]),
        skipped(spec(fold="s02-1"), "s02-1: found only low"),
        skipped(spec(fold="s02-1", network="lstm"), "s02-1: found only low"),
        skipped(spec(fold="s03-1"), "s03-1: found only low"),
    ]
    left = LeftOut(protocol="trial", target="arousal", who="s09", reason="s09: found 3 trials")
    table = left_out_table(record(results, left_out=(left,)), results)

    assert table.rows == (
        ("trial", "arousal", "left out", "s09", "1", "found 3 trials"),
        ("trial", "arousal", "skipped", "s02-1, s03-1", "3", "found only low"),
    )


def test_numbers_are_written_for_reading() -> None:
    assert number(math.nan) == "–"
    assert number(-0.0001, "+") == "+0.000"
    assert interval(Score(0.5, 0.25, 0.75)) == "0.500 [0.250, 0.750]"
    assert interval(Score(0.5, math.nan, math.nan)) == "0.500"
    assert [p_value(p) for p in (0.5**32, 0.0625, math.nan)] == ["2.3e-10", "0.062", "–"]
    assert [duration(s) for s in (42.4, 1239, 3600)] == ["42s", "20m39s", "1h0m0s"]
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_whatever_is_in_a_name_shows_as_it_is() -> None:
    assert plain("a|b *c*\n<d>") == r"a\|b \*c\* \<d\>"
    assert markdown_table(Table(("x|y",), (("1",),))).splitlines() == [
        r"| x\|y |",
        "| --- |",
        "| 1 |",
    ]
