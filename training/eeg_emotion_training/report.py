"""The report of a study: what was found in words first, then every number with what it hangs on."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from markdown_it import MarkdownIt

from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training import plots
from eeg_emotion_training.network_names import NETWORKS
from eeg_emotion_training.plots import Plot
from eeg_emotion_training.protocols import PROTOCOLS
from eeg_emotion_training.report_tables import (
    BALANCED,
    NAMES,
    Key,
    Leak,
    Row,
    Table,
    Tested,
    chance_table,
    comparison_table,
    interval,
    label,
    leak_table,
    leaks,
    left_out_table,
    p_value,
    paper_table,
    rows_of,
    score_table,
    tested,
    varying,
)
from eeg_emotion_training.results import Result, load_result
from eeg_emotion_training.significance import least_p
from eeg_emotion_training.study import StudyRecord, load_record, results_folder

_LEVEL = 0.05
_EXPECTED = (
    "What to expect on DEAP itself: near 85 % under the paper's protocol, which leaks, and from "
    "near chance to the low sixties under honest ones."
)


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
            "again: what is finished is kept"
        )
    rows = rows_of(record, results)
    figures = _figures(record, rows)
    text = _compose(record, results, rows, figures)
    markdown, page = root / "report.md", root / "report.html"
    svgs = {root / "plots" / f"{plot.name}.svg": plot.svg for plot in figures}
    _write_whole({**svgs, markdown: text, page: _page(text, figures)})
    return markdown, page


def _write_whole(texts: Mapping[Path, str]) -> None:
    """Write all under other names first: what cannot be written whole replaces nothing."""
    unfinished = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished[path].write_text(text, encoding="utf-8")
        for path in texts:
            os.replace(unfinished[path], path)
    except OSError as error:
        raise ReportError(
            f"cannot write the report, {error.filename}: {error.strerror}; make room, and run the "
            "same command again: the results are kept"
        ) from error
    finally:
        for path in unfinished.values():
            path.unlink(missing_ok=True)


def _figures(record: StudyRecord, rows: Sequence[Row]) -> list[Plot]:
    if not any(not row.key.constant for row in rows):
        return []
    each = (plots.spread, plots.calibration, plots.curves)
    made = [make(rows, protocol) for make in each for protocol in record.settings.protocols]
    return [plots.side_by_side(rows), *(plot for plot in made if plot is not None)]


def _compose(
    record: StudyRecord, results: Sequence[Result], rows: Sequence[Row], figures: Sequence[Plot]
) -> str:
    tests, found = tested(rows), leaks(rows)
    parts = [_opening(record), "## In words", *_words(record, results, rows, tests, found)]
    parts += _beside_the_paper(record, rows)
    for protocol in record.settings.protocols:
        parts += _protocol(record, rows, tests, protocol)
    parts += _compared(record, rows, found)
    if figures:
        parts.append("## Plots")
    for plot in figures:
        parts += [f"![{_plain(plot.alt)}](plots/{plot.name}.svg)", _plain(plot.caption)]
    parts += _left_out(record, results)
    return "\n\n".join(parts) + "\n"


def _opening(record: StudyRecord) -> str:
    settings = record.settings
    on = "Study on simulated people" if record.simulated else "Study"
    shuffled = ", labels shuffled on purpose" if settings.labels == "shuffled" else ""
    lines = [f"# {on}{shuffled}: {_plain(_and(settings.targets))}"]
    if record.simulated:
        lines.append(
            "**The people are simulated: these figures say nothing about emotion.** They measure "
            "the effect that the simulator plants, and that the whole line works."
        )
    if settings.labels == "shuffled":
        lines.append(
            "**The labels were shuffled on purpose**, over each person's trials: there is nothing "
            "to find. What is above chance under an honest protocol is an error or luck; what is "
            "above chance under a leaky one is the leak itself."
        )
    channels = "; ".join(f"{name}: {len(these)}" for name, these in settings.montages.items())
    facts = (
        f"data: {_plain(record.dataset)}, {len(record.people)} people",
        f"labels: {_plain(record.label_rule)}; {settings.labels} labels",
        f"channels: {_plain(channels)}",
        f"seen as: {_plain(_and(settings.representations))}; normalised by "
        f"{_plain(_and(settings.normalisers))}",
        *(f"note: {_plain(note)}" for note in record.notes),
    )
    return "\n\n".join([*lines, "\n".join(f"- {fact}" for fact in facts)])


def _words(
    record: StudyRecord,
    results: Sequence[Result],
    rows: Sequence[Row],
    tests: Mapping[Key, Tested],
    found: Sequence[Leak],
) -> list[str]:
    honest = [row for row in rows if not (PROTOCOLS[row.key.protocol].leaks or row.key.constant)]
    sentences = [
        _which_leak(record, rows),
        *_how_much(found),
        *_above_chance(honest, tests),
        *_best(record, honest),
        *_calibration(honest),
        _counted(record, results),
    ]
    if "DEAP" in record.dataset:
        sentences.append(_EXPECTED)
    return ["\n".join(f"- {_plain(sentence)}" for sentence in sentences)]


def _which_leak(record: StudyRecord, rows: Sequence[Row]) -> str:
    shares: dict[bool, list[str]] = {True: [], False: []}
    for protocol in record.settings.protocols:
        of = [row for row in rows if row.key.protocol == protocol]
        if of:
            weights = [row.windows.windows for row in of]
            share = np.average([row.leak_share for row in of], weights=weights)
            shares[PROTOCOLS[protocol].leaks].append(f"{protocol} ({share:.1%})")
    leaky, honest = shares[True], shares[False]
    first = f"Leaky: {_and(leaky)}. " if leaky else "No protocol of this study leaks. "
    second = f"Honest: {_and(honest)}. " if honest else "No honest protocol was run. "
    return (
        f"{first}{second}In brackets the share of test windows of whose trial other windows were "
        "trained on."
    )


def _how_much(found: Sequence[Leak]) -> Iterable[str]:
    groups: dict[str, list[Leak]] = {}
    for leak in found:
        groups.setdefault(leak.key.protocol, []).append(leak)
    for protocol, of in groups.items():
        parts = []
        for target in dict.fromkeys(leak.key.target for leak in of):
            ranked = sorted(
                (leak for leak in of if leak.key.target == target), key=lambda k: k.difference.value
            )
            ends = [f"{interval(k.difference, '+')} ({NAMES[k.key.network]})" for k in ranked]
            span = ends[0] if len(ends) == 1 else f"between {ends[0]} and {ends[-1]}"
            parts.append(f"for {target} {span}")
        yield (
            f"The accuracy over windows under {protocol} minus that under trial, of the same "
            f"people and models, is {'; '.join(parts)}. In brackets 95 % intervals, bootstrap "
            "over people."
        )


def _above_chance(honest: Sequence[Row], tests: Mapping[Key, Tested]) -> Iterable[str]:
    if not honest:
        return
    these = {row.key: tests[row.key] for row in honest}
    passed = [
        f"{NAMES[key.network]} ({', '.join([key.protocol, key.target, *key[3:]])}; p = "
        f"{p_value(test.holm)})"
        for key, test in these.items()
        if test.holm < _LEVEL
    ]
    over_majority = sum(test.holm_majority < _LEVEL for test in these.values())
    shown = f"{'; '.join(passed[:3])}{'; and others' if len(passed) > 3 else ''}"
    yield (
        f"Under honest protocols {len(passed) or 'none'} of {len(these)} results "
        f"{'is' if len(passed) < 2 else 'are'} above chance in balanced accuracy over trials at "
        f"5 % after Holm{f': {shown}' if passed else ''}; in accuracy over the person's own "
        f"majority {over_majority or 'none'}."
    )
    people = max(test.people for test in these.values())
    rows = max(
        sum(row.key.protocol == name for row in honest)
        for name in {row.key.protocol for row in honest}
    )
    if not people:
        yield "No one has trials of both classes, so nothing can be tested."
        return
    least = least_p(people)
    sentence = (
        f"The smallest p that {people} people can give is {p_value(least)}, and after Holm over "
        f"{rows} results {p_value(min(1.0, least * rows))}"
    )
    if least > _LEVEL:
        sentence += ": so few people can show nothing at 5 %, whatever the network"
    elif least * rows > _LEVEL:
        sentence += ": so few people can show nothing at 5 % when so many results are compared"
    yield f"{sentence}."


def _best(record: StudyRecord, honest: Sequence[Row]) -> Iterable[str]:
    columns = varying(honest)
    parts = []
    for protocol in record.settings.protocols:
        for target in record.settings.targets:
            of = [
                (row, row.trials.scores[BALANCED])
                for row in honest
                if row.key[:2] == (protocol, target)
                and np.isfinite(row.trials.scores[BALANCED].value)
            ]
            if len(of) < 2:
                continue
            best, score = max(of, key=lambda pair: pair[1].value)
            others = [other for row, other in of if row is not best]
            overlap = sum(not other.high < score.low for other in others)
            chance = "; its interval holds chance" if score.low <= 0.5 <= score.high else ""
            parts.append(
                f"{protocol}, {target}: {label(best.key, columns)} {interval(score)}, whose "
                f"interval overlaps with {overlap} of the {len(others)} others'{chance}"
            )
    if parts:
        yield f"The highest balanced accuracy over trials under {'; '.join(parts)}."


def _calibration(honest: Sequence[Row]) -> Iterable[str]:
    of = [row for row in honest if row.key.network in NETWORKS]
    if not of:
        return
    before = np.array([row.raw_ece for row in of])
    after = np.array([row.windows.scores["ece"].value for row in of])
    yield (
        f"Under honest protocols temperature scaling moved the networks' calibration error (ECE, "
        f"windows) from {before.mean():.3f} to {after.mean():.3f} on average; it fell for "
        f"{(after < before).sum()} of {len(of)} results."
    )


def _counted(record: StudyRecord, results: Sequence[Result]) -> str:
    skips = sum(result.record.status == "skipped" for result in results)
    if not skips and not record.left_out:
        return f"All {len(results)} folds were run; nothing was skipped or left out."
    return (
        f"{skips} of {len(results)} folds were skipped and {len(record.left_out)} cases left out, "
        "for the reasons at the end; the trials of skipped folds are missing from the tables."
    )


def _beside_the_paper(record: StudyRecord, rows: Sequence[Row]) -> list[str]:
    parts: list[str] = []
    for protocol in record.settings.protocols:
        for target in record.settings.targets:
            table = paper_table([row for row in rows if row.key[:2] == (protocol, target)])
            if table is not None:
                printed = {"arousal": "Table II", "valence": "Table III"}.get(target)
                beside = f"beside {printed} of the paper" if printed else "not tabled in the paper"
                parts += [f"### {protocol} (leaky), {_plain(target)}: {beside}", _table(table)]
    if not parts:
        return []
    other = (
        ""
        if record.dataset == "DEAP"
        else (" The paper's people are DEAP's, these are not: the columns share their names only.")
    )
    return [
        "## The paper's table",
        "Accuracy on the test windows at the end of training, mean over the folds of all people, "
        "in TensorBoard's columns: *Smoothed* is the debiased exponential moving average with "
        "weight 0.6, *Value* the last point, *Step* its step, *Relative* the time from the first "
        "point to the last of one training. The last column is the accuracy on 512 training "
        "windows at the same step. The paper does not say which set its figures are of." + other,
        *parts,
    ]


def _protocol(
    record: StudyRecord, rows: Sequence[Row], tests: Mapping[Key, Tested], name: str
) -> list[str]:
    protocol = PROTOCOLS[name]
    parts = [f"## Protocol {name}{' (leaky)' if protocol.leaks else ''}", f"{protocol.text}."]
    for target in record.settings.targets:
        of = [row for row in rows if row.key[:2] == (name, target)]
        heading = f"{name}{' (leaky)' if protocol.leaks else ''}, {_plain(target)}"
        if not of:
            parts.append(f"Nothing could be run for {heading}.")
            continue
        parts += [
            f"### {heading}: over windows",
            _table(score_table(of, "windows")),
            f"### {heading}: over trials",
            _table(score_table(of, "trials")),
        ]
        if any(row.key in tests for row in of):
            parts += [f"### {heading}: above chance?", _table(chance_table(of, tests))]
    return [*parts, *_beneath(record, rows, name)]


def _beneath(record: StudyRecord, rows: Sequence[Row], name: str) -> list[str]:
    of = [row for row in rows if row.key.protocol == name]
    if not of:
        return []
    settings = record.settings
    specs = [fold.record.spec for row in of for fold in row.folds]
    digests = sorted({spec.data_sha256 for spec in specs})
    data = hashlib.sha256("".join(digests).encode()).hexdigest()
    compared = sum(not row.key.constant for row in of)
    notes = [
        "Values are means over people of each person's own metric; in brackets the 95 % interval "
        "of the bootstrap that draws trials within each person, so it is for these people and says "
        "little of others. The interval of the ECE lies high and need not hold its value.",
        "A trial's prediction is the mean probability of its windows. Own majority is the share "
        "of the person's larger class, mean over people: the best constant guess, in hindsight.",
        f"p is one-sided, of Wilcoxon's signed-rank test over people at trial level; Holm over the "
        f"{compared} results of this protocol (targets and models, constant guesses left out), for "
        "each of the two tests apart.",
        f"{settings.labels} labels, {record.label_rule}; one seed, {settings.seed}, none chosen "
        f"among several; {settings.units} units, at most {settings.steps} steps of "
        f"{settings.batch_size} windows; backend {_and(_all(s.backend for s in specs))}; code "
        f"{_and(_all(s.code_version for s in specs))}; data {data[:16]}.",
    ]
    if PROTOCOLS[name].leaks:
        notes.insert(0, "Leaky: these figures do not say how a new trial would be judged.")
    fixed = [
        f"{field} {_and(_all(getattr(row.key, field) for row in of if not row.key.constant))}"
        for field in ("montage", "representation", "normaliser")
        if field not in varying(of)
    ]
    if compared and fixed:
        notes.append(f"All models: {', '.join(fixed)}.")
    return ["\n".join(f"- {_plain(note)}" for note in notes)]


def _compared(record: StudyRecord, rows: Sequence[Row], found: Sequence[Leak]) -> list[str]:
    settings = record.settings
    parts = []
    if found:
        parts += [
            "## What leaking adds",
            "Accuracy over windows under the leaky protocol, and with whole trials held out. The "
            "difference is paired by person, its interval the bootstrap over people. Not all of it "
            "need be the leak: under trial a fifth of the other trials choose instead of train"
            ", and the paper's windows hold the baseline.",
            _table(leak_table(found)),
        ]
    by_size = sorted(settings.montages, key=lambda name: -len(settings.montages[name]))
    for field, names, title in (
        ("montage", by_size, "What fewer channels cost"),
        ("representation", settings.representations, "What the representation changes"),
        ("normaliser", settings.normalisers, "What the normaliser changes"),
    ):
        table = comparison_table(rows, field, names)
        if table is not None:
            parts += [
                f"## {title}",
                "Balanced accuracy over trials (bootstrap over trials), and the difference to "
                f"{_plain(names[0])}, paired by person (bootstrap over people).",
                _table(table),
            ]
    return parts


def _left_out(record: StudyRecord, results: Sequence[Result]) -> list[str]:
    table = left_out_table(record, results)
    but = " but the paper's" if "paper" in record.settings.protocols else ""
    facts = (
        f"people ({len(record.people)}): {', '.join(record.people)}",
        f"windows that the service would refuse to score, left out of all protocols{but}: "
        f"{record.windows_unusable}",
        *(f"note: {note}" for note in record.notes),
    )
    return [
        "## What was left out",
        _table(table) if table.rows else "No fold was skipped and no one was left out.",
        "\n".join(f"- {_plain(fact)}" for fact in facts),
    ]


def _table(table: Table) -> str:
    lines = [table.header, ("---",) * len(table.header), *table.rows]
    cells = [[cell if cell == "---" else _plain(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _plain(text: str) -> str:
    """Write names and reasons, whatever is in them, so that Markdown shows them as they are."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _all(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


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
