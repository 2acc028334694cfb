"""The report of a study: what was found in words first, then every number with what it hangs on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt

from eeg_emotion.atomic_write import atomic_write
from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.report import plots
from eeg_emotion_training.report.drawing import Plot
from eeg_emotion_training.report.markdown import plain
from eeg_emotion_training.report.rows import Row, leaks, rows_of, significance_of
from eeg_emotion_training.report.sections import (
    beside_the_paper,
    compared,
    left_out,
    opening,
    protocol_section,
)
from eeg_emotion_training.report.words import words
from eeg_emotion_training.study.plan import StudyRecord, load_record, results_folder
from eeg_emotion_training.study.results import Result, load_result


class ReportError(EegEmotionError):
    """A report cannot be made or written."""


def write_report(root: Path) -> tuple[Path, Path]:
    """Write a study's report as Markdown with its plots, and as one HTML page.

    Returns
    -------
    tuple
        The paths of `report.md` and `report.html`.

    Raises
    ------
    StudyError
        If the folder holds no study.
    ReportError
        If results are missing, or the disk is full or cannot be written.
    """
    record = load_record(root)
    folder = results_folder(root)
    found = [load_result(folder, spec) for spec in record.specs]
    results = [result for result in found if result is not None]
    if len(results) < len(found):
        raise ReportError(
            f"found {len(results)} of {len(found)} results, expected all; run the same command "
            "again: finished results are kept"
        )
    rows = rows_of(record, results)
    figures = _figures(record, rows)
    text = _compose(record, results, rows, figures)
    markdown, page = root / "report.md", root / "report.html"
    svgs = {root / "plots" / f"{plot.name}.svg": plot.svg for plot in figures}
    _write_whole(root, {**svgs, markdown: text, page: _page(text, figures)})
    return markdown, page


def _write_whole(root: Path, texts: Mapping[Path, str]) -> None:
    """Replace the files only once all of them can be written."""
    try:
        with ExitStack() as files:
            for path, text in texts.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                file = files.enter_context(atomic_write(path))
                file.write(text.encode())
                file.flush()
    except OSError as error:
        raise ReportError(
            f"cannot write the report into {root}: {error.strerror}; free some disk space, or "
            "make the folder writable, and run the same command again: the results are kept"
        ) from error


def _figures(record: StudyRecord, rows: Sequence[Row]) -> list[Plot]:
    if not any(not row.key.constant for row in rows):
        return []
    each = (plots.spread, plots.calibration, plots.curves)
    made = [make(rows, protocol) for make in each for protocol in record.settings.protocols]
    return [plots.side_by_side(rows), *(plot for plot in made if plot is not None)]


def _compose(
    record: StudyRecord, results: Sequence[Result], rows: Sequence[Row], figures: Sequence[Plot]
) -> str:
    tests, found = significance_of(rows), leaks(rows)
    parts = [opening(record), "## In words", words(record, results, rows, tests, found)]
    parts += beside_the_paper(record, rows)
    for protocol in record.settings.protocols:
        parts += protocol_section(record, rows, tests, protocol)
    parts += compared(record, rows, found)
    if figures:
        parts.append("## Plots")
    for plot in figures:
        parts += [f"![{plain(plot.alt)}](plots/{plot.name}.svg)", plain(plot.caption)]
    parts += left_out(record, results)
    return "\n\n".join(parts) + "\n"


_CSS = """
:root { color-scheme: light dark; --page: #fff; --text: #16202a; --line: #cfd6dd; }
@media (prefers-color-scheme: dark) {
  :root { --page: #10161c; --text: #e8edf2; --line: #3a4652; }
}
body { background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.6rem; text-align: left; }
td { white-space: nowrap; }
td:last-child { white-space: normal; }
svg { max-width: 100%; height: auto; background: #fff; }
"""


def _page(text: str, figures: Sequence[Plot]) -> str:
    """Turn the Markdown into a page that needs nothing else."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # A wide table scrolls by itself, with the keyboard too.
    body = body.replace("<table>", '<div class="wide" tabindex="0"><table>')
    body = body.replace("</table>", "</table></div>")
    for plot in figures:
        image = rf'<img src="plots/{re.escape(plot.name)}\.svg"[^>]*>'
        # A function, for backslashes in the SVG are no references.
        body = re.sub(image, lambda _, svg=plot.svg: svg, body)  # type: ignore[misc]  # bound now
    title = escape(text.split("\n", 1)[0].removeprefix("# ").replace("\\", ""))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
