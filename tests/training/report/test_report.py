from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from tests.support.study_results import result, save_study, small_study, spec

from eeg_emotion_training.report import plots
from eeg_emotion_training.report.drawing import Plot
from eeg_emotion_training.report.report import ReportError, write_report
from eeg_emotion_training.study.plan import LeftOut, StudyError, results_folder
from eeg_emotion_training.study.results import Result, result_path, skipped

FilesOfAtMost = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures empty except for their words: drawing is nearly all of a report's work."""

    def write(_: Figure, name: str, alt: str, caption: str) -> Plot:
        return Plot(name, "<svg ></svg>", alt, caption)

    monkeypatch.setattr(plots, "plot", write)


ReportOf = Callable[..., str]


@pytest.fixture
def report_of(undrawn: None) -> ReportOf:
    """Writes the report of a study of these results and returns its text."""

    def write(root: Path, results: list[Result], **changes: Any) -> str:
        save_study(root, results, **changes)
        return write_report(root)[0].read_text(encoding="utf-8").replace("\\", "")

    return write


@pytest.fixture(scope="module")
def small_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small study with its report; not to be written to."""
    root = tmp_path_factory.mktemp("study")
    save_study(root, small_study())
    write_report(root)
    return root


@pytest.fixture
def small_text(small_root: Path) -> str:
    return (small_root / "report.md").read_text(encoding="utf-8").replace("\\", "")


def test_a_report_is_written_twice_with_its_plots(small_root: Path, small_text: str) -> None:
    shown = re.findall(r"\]\((plots/[^)]+)\)", small_text)

    assert len(shown) == 7
    assert sorted(shown) == sorted(f"plots/{p.name}" for p in (small_root / "plots").iterdir())
    assert (small_root / "report.html").is_file()
    assert not list(small_root.rglob(".*"))


def test_the_page_needs_nothing_else(small_root: Path) -> None:
    page = (small_root / "report.html").read_text(encoding="utf-8")

    assert page.count("<svg ") == 7
    assert "<img" not in page
    assert "<script" not in page
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert "<title>Study: arousal</title>" in page
    assert "prefers-color-scheme: dark" in page


def test_the_same_results_make_the_same_report(tmp_path: Path, small_root: Path) -> None:
    save_study(tmp_path, small_study())
    markdown, page = write_report(tmp_path)

    assert (markdown, page) == (tmp_path / "report.md", tmp_path / "report.html")
    for path in (markdown, page, *(tmp_path / "plots").iterdir()):
        assert path.read_bytes() == (small_root / path.relative_to(tmp_path)).read_bytes()


def test_no_place_on_this_machine_is_named(small_root: Path) -> None:
    for path in small_root.glob("report.*"):
        assert str(small_root) not in path.read_text(encoding="utf-8")


def test_sections_come_in_the_order_of_a_sceptics_questions(small_text: str) -> None:
    assert re.findall(r"^#{1,2} (.+)", small_text, re.MULTILINE) == [
        *("Study: arousal", "In words", "The paper's table", "Protocol segment (leaky)"),
        *("Protocol trial", "What leaking adds", "Plots", "What was left out"),
    ]


def test_the_words_state_what_leaks_and_how_little_so_few_people_can_show(small_text: str) -> None:
    assert "Leaky: segment (75.0 %). Honest: trial (0.0 %)." in small_text
    assert "between +0.500 [+0.500, +0.500] (GRU) and +0.500" in small_text
    assert "Under honest protocols none of 2 results is above chance" in small_text
    assert "The smallest p that 6 people can reach is 0.016, and after Holm over 2" in small_text
    assert "GRU 0.500 [" in small_text
    assert (
        "whose interval overlaps with 1 of the 1 others'; its interval holds chance" in small_text
    )
    assert "from 0.450 to 0.475 on average; it fell for 0 of 1 results" in small_text
    assert "nothing was skipped or left out" in small_text
    assert "What to expect on DEAP" not in small_text


def test_few_people_can_show_nothing(tmp_path: Path, report_of: ReportOf) -> None:
    results = [result([1, 0], [0.9, 0.1], person=f"s0{number}") for number in range(1, 5)]
    text = report_of(tmp_path, results)

    assert "The smallest p that 4 people can reach is 0.062" in text
    assert "so few people can show nothing at 5 %, whatever the network" in text


def test_one_person_can_show_nothing(tmp_path: Path, report_of: ReportOf) -> None:
    text = report_of(tmp_path, [result([1, 0], [0.9, 0.1])])

    assert "one person can show nothing" in text
    assert "can give" not in text


def test_a_network_is_held_against_the_linear_model_on_the_same_input(
    tmp_path: Path, report_of: ReportOf
) -> None:
    right, wrong = [0.9, 0.9, 0.1, 0.1], [0.9, 0.1, 0.9, 0.1]
    results = [
        result([1, 1, 0, 0], said, person=person, network=network, representation=seen)
        for person in ("s01", "s02")
        for network, seen, said in (
            ("bn-gru", "bands", right),
            ("logistic", "bands", wrong),
            ("bn-gru", "tangent", wrong),
            ("logistic", "tangent", right),
            ("gru", "bands", right),
        )
    ]
    text = report_of(tmp_path, results)

    assert (
        "BN-GRU minus the logistic regression on the same input, balanced accuracy over trials, "
        "paired by person: trial, arousal, bands +0.500 [+0.500, +0.500]; trial, arousal, tangent "
        "-0.500 [-0.500, -0.500]. The network is ahead beyond its interval in 1 of 2, the "
        "linear model in 1." in text
    )


def test_a_rest_baseline_is_called_transductive(tmp_path: Path, report_of: ReportOf) -> None:
    reported = {
        normaliser: report_of(
            tmp_path / normaliser, [result([1, 0], [0.9, 0.1], normaliser=normaliser)]
        )
        for normaliser in ("training", "rest-baseline")
    }
    assert "transductive" in reported["rest-baseline"]
    assert "transductive" not in reported["training"]


def test_what_is_above_chance_is_named(tmp_path: Path, report_of: ReportOf) -> None:
    results = [result([1, 0], [0.9, 0.1], person=f"s0{number}") for number in range(1, 7)]
    text = report_of(tmp_path, results)

    assert "1 of 1 results is above chance" in text
    assert "GRU (trial, arousal; p = 0.016); in accuracy over the person's own majority 1." in text
    assert "No protocol of this study leaks." in text


def test_people_of_one_class_cannot_be_tested(tmp_path: Path, report_of: ReportOf) -> None:
    text = report_of(tmp_path, [result([1, 1], [0.9, 0.9])])

    assert "No one has trials of both classes, so nothing can be tested." in text


def test_leaky_protocols_alone_are_no_evidence(tmp_path: Path, report_of: ReportOf) -> None:
    results = [result([1, 0], [0.9, 0.1], protocol="segment")]
    text = report_of(tmp_path, results)

    assert "No honest protocol was run." in text
    assert "nothing here is evidence of emotion" in text


def test_simulated_people_are_named_in_title_and_first_line(
    tmp_path: Path, report_of: ReportOf
) -> None:
    text = report_of(
        tmp_path, small_study(), simulated=True, dataset="simulated people in DEAP's format"
    )
    title, _, first = text.splitlines()[:3]

    assert title == "# Study on simulated people: arousal"
    assert "say nothing about emotion" in first
    assert "What to expect on DEAP itself: near 85 %" in text
    assert "the columns share their names only" in text


def test_shuffled_labels_are_named_in_the_title(tmp_path: Path, report_of: ReportOf) -> None:
    results = [
        result([1, 0], [0.9, 0.1], person=f"s0{number}", labels="shuffled") for number in (1, 2)
    ]
    text = report_of(tmp_path, results)

    assert text.startswith("# Study, labels shuffled on purpose: arousal\n")
    assert "an error or luck" in text
    assert "shuffled labels, high = rating > 5.0" in text


def test_the_notes_below_the_tables_state_what_they_depend_on(small_text: str) -> None:
    trial = small_text[small_text.index("## Protocol trial") : small_text.index("## What leaking")]

    for said in (
        *("whole trials held out within each person", "high = rating > 5.0, a tie is low"),
        *("one seed, 7", "8 units, at most 30 steps of 16 windows", "code 0.1.0+made"),
        *("true labels", "bootstrap that draws trials", "mean probability of its windows"),
        *("Holm over the 2 results", "montage all, representation bands, normaliser training"),
    ):
        assert said in trial
    assert re.search(r"data [0-9a-f]{16}\.", trial)
    assert "leaky" not in trial.lower()


def test_what_was_left_out_is_reported_with_reasons(tmp_path: Path, report_of: ReportOf) -> None:
    results = [*small_study(), skipped(spec(fold="s07-1"), "s07-1: found only low arousal")]
    left = LeftOut(protocol="trial", target="arousal", who="s08", reason="s08: found 3 trials")
    text = report_of(
        tmp_path, results, left_out=(left,), notes=("partial: 7 of 32",), windows_unusable=5
    )

    assert "1 of 37 runs (one model, one fold) were skipped and 1 case left out" in text
    assert "| trial | arousal | skipped | s07-1 | 1 | found only low arousal |" in text
    assert "| trial | arousal | left out | s08 | 1 | found 3 trials |" in text
    assert "note: partial: 7 of 32" in text
    assert "left out of all protocols: 5" in text


def test_channels_and_representations_are_compared_where_there_are_several(
    tmp_path: Path, report_of: ReportOf
) -> None:
    results = [
        result([1, 0], [0.9, 0.1], person=f"s0{n}", montage=montage, representation=representation)
        for n in (1, 2)
        for montage in ("two", "all")
        for representation in ("bands", "raw")
    ]
    text = report_of(tmp_path, results)

    assert "## What fewer channels cost" in text
    # The largest montage is what the others are held against, whatever was named first.
    assert "two − all" in text
    assert "raw − bands" in text
    assert "What the normaliser changes" not in text


def test_a_protocol_of_which_nothing_could_be_run_is_reported(
    tmp_path: Path, report_of: ReportOf
) -> None:
    text = report_of(tmp_path, [skipped(spec(), "too few")])

    assert "Nothing could be run for trial, arousal." in text
    assert "Honest: trial (nothing could be run)." in text
    assert "## Plots" not in text


@pytest.mark.usefixtures("undrawn")
def test_names_from_outside_cannot_become_markup(tmp_path: Path) -> None:
    save_study(tmp_path, small_study(), dataset="<script>alert(1)</script> | [x](http:y)")
    page = write_report(tmp_path)[1].read_text(encoding="utf-8")

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | [x](http:y)" in page


@pytest.mark.usefixtures("undrawn")
def test_a_missing_result_is_refused_and_the_earlier_report_stays(tmp_path: Path) -> None:
    made = save_study(tmp_path, small_study())
    markdown, _ = write_report(tmp_path)
    before = markdown.read_bytes()
    result_path(results_folder(tmp_path), made.specs[3]).unlink()

    with pytest.raises(ReportError, match=r"35 of 36 results.*run the same command again"):
        write_report(tmp_path)
    assert markdown.read_bytes() == before


@pytest.mark.usefixtures("undrawn")
def test_a_half_written_report_replaces_nothing(
    tmp_path: Path, files_of_at_most: FilesOfAtMost
) -> None:
    save_study(tmp_path, small_study())
    paths = write_report(tmp_path)
    page = paths[1].stat().st_size  # the largest file, with all plots in it
    for path in paths:
        path.write_text("whole", encoding="utf-8")
    with (
        files_of_at_most(page - 1),
        pytest.raises(ReportError, match="File too large; free some disk space"),
    ):
        write_report(tmp_path)
    assert [path.read_text(encoding="utf-8") for path in paths] == ["whole", "whole"]
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        write_report(tmp_path)
