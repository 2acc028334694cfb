from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from tests.support.study_results import record, result, small_study

from eeg_emotion_training.report import plots
from eeg_emotion_training.report.drawing import Plot
from eeg_emotion_training.report.rows import Row, rows_of


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    results = small_study()
    return rows_of(record(results), results)


def all_plots(rows: list[Row]) -> list[Plot]:
    each = (plots.spread, plots.calibration, plots.curves)
    made = [make(rows, protocol) for make in each for protocol in ("segment", "trial")]
    return [plots.side_by_side(rows), *(plot for plot in made if plot is not None)]


@pytest.fixture(scope="module")
def drawn(rows: list[Row]) -> list[Plot]:
    """All figures of `rows`, drawn once."""
    return all_plots(rows)


def texts(plot: Plot) -> set[str]:
    root = ElementTree.fromstring(plot.svg)  # noqa: S314  # our own
    return {"".join(of.itertext()).strip() for of in root.iter("{http://www.w3.org/2000/svg}text")}


def test_every_figure_is_drawn_of_every_protocol(drawn: list[Plot]) -> None:
    assert [plot.name for plot in drawn] == [
        "protocols",
        *("people-segment", "people-trial"),
        *("calibration-segment", "calibration-trial"),
        *("curves-segment", "curves-trial"),
    ]


def test_figures_are_whole_svg_with_a_text_alternative_and_no_outside_address(
    drawn: list[Plot],
) -> None:
    for plot in drawn:
        root = ElementTree.fromstring(plot.svg)  # noqa: S314  # our own
        assert root.get("role") == "img"
        assert root.get("aria-label") == plot.alt
        assert len(plot.alt) > 40
        assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", plot.svg))


def test_the_same_results_make_the_same_figures(rows: list[Row], drawn: list[Plot]) -> None:
    assert all_plots(rows) == drawn


def test_marks_in_the_figures_of_one_page_are_named_apart(drawn: list[Plot]) -> None:
    named = [set(re.findall(r'<(?:path|clipPath) id="([^"]+)"', plot.svg)) for plot in drawn]

    assert sum(map(len, named)) == len(set().union(*named))


def test_protocols_side_by_side_show_which_leak_and_by_how_much(rows: list[Row]) -> None:
    plot = plots.side_by_side(rows)

    assert "arousal, segment (leaky), GRU: 1.000 [1.000, 1.000]" in plot.alt
    assert "arousal, trial, GRU: 0.500" in plot.alt
    assert "majority of the training part" not in plot.alt
    assert {"(leaky)", "accuracy (share of windows)", "protocol"} <= texts(plot)


def test_axes_name_their_units(drawn: list[Plot]) -> None:
    named = {plot.name: texts(plot) for plot in drawn}

    assert "balanced accuracy over the person's trials (0 to 1)" in named["people-trial"]
    assert "mean probability of high (0 to 1)" in named["calibration-trial"]
    assert {"optimiser step", "accuracy (share of windows)"} <= named["curves-segment"]
    assert "log loss (nats)" in named["curves-trial"]


def test_calibration_shows_both_only_where_something_was_scaled(rows: list[Row]) -> None:
    segment, trial = plots.calibration(rows, "segment"), plots.calibration(rows, "trial")
    assert segment is not None
    assert trial is not None

    assert "not scaled" in texts(segment)
    assert "no validation part" in segment.caption
    assert {"before scaling", "after scaling"} <= texts(trial)
    # By hand, each in a bin of its own: (0.1 + 0.8 + 0.8 + 0.1) / 4, (0.3 + 0.65 + 0.65 + 0.3) / 4.
    assert "calibration error 0.450 before and 0.475 after scaling" in trial.alt


def test_people_are_drawn_without_those_of_one_class() -> None:
    results = [
        result([1, 0], [0.9, 0.1], person="s01"),
        result([1, 0], [0.1, 0.9], person="s02"),
        result([1, 1], [0.9, 0.9], person="s03"),
    ]
    plot = plots.spread(rows_of(record(results), results), "trial")

    assert plot is not None
    assert "arousal, GRU: median 0.500, lowest 0.000, highest 1.000" in plot.alt


def test_people_of_one_class_only_still_have_a_figure() -> None:
    results = [result([1, 1], [0.9, 0.9])]
    made = rows_of(record(results), results)

    assert plots.spread(made, "trial") is not None
    assert plots.calibration(made, "trial") is None


def test_constant_guesses_alone_have_no_figure_of_people_or_training() -> None:
    results = [result([1, 0], [0.5, 0.5], network="majority", curve=())]
    made = rows_of(record(results), results)

    assert plots.spread(made, "trial") is None
    assert plots.calibration(made, "trial") is None
    assert plots.curves(made, "trial") is None


def test_a_curve_is_the_mean_of_the_folds_that_reached_each_step() -> None:
    results = [
        result([1, 0], [0.9, 0.1], protocol="segment", person="s01"),
        result([1, 0], [0.9, 0.1], protocol="segment", person="s02"),
    ]
    short = results[1].record.model_copy(update={"curve": results[1].record.curve[:2]})
    results[1] = type(results[1])(
        short,
        *(getattr(results[1], name) for name in ("person", "trial", "high", "raw", "probability")),
    )
    plot = plots.curves(rows_of(record(results), results), "segment")

    assert plot is not None
    assert "arousal, GRU, test: accuracy 0.800 at 30" in plot.alt


def test_of_several_variants_the_caption_states_which_is_shown() -> None:
    results = [
        result([1, 0], [0.9, 0.1], montage=montage, person=person)
        for montage in ("all", "two")
        for person in ("s01", "s02")
    ]
    plot = plots.side_by_side(rows_of(record(results), results))

    assert "only the first is shown: GRU, all, bands, training." in plot.caption
