"""The report's sections as Markdown."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.report.markdown import listed, markdown_table, plain
from eeg_emotion_training.report.rows import VARIANT, Key, Leak, Row, Significance, varying
from eeg_emotion_training.report.tables import (
    chance_table,
    comparison_table,
    leak_table,
    left_out_table,
    paper_table,
    score_table,
)
from eeg_emotion_training.study.plan import StudyRecord
from eeg_emotion_training.study.results import Result


def opening(record: StudyRecord) -> str:
    """Return the title, what must be known first, and what was studied."""
    settings = record.settings
    on = "Study on simulated people" if record.simulated else "Study"
    shuffled = ", labels shuffled on purpose" if settings.labels == "shuffled" else ""
    lines = [f"# {on}{shuffled}: {plain(listed(settings.targets))}"]
    if record.simulated:
        lines.append(
            "**The people are simulated: these figures say nothing about emotion.** They measure "
            "the effect that the simulator plants, and show that the whole chain works."
        )
    if settings.labels == "shuffled":
        lines.append(
            "**The labels were shuffled on purpose**, over each person's trials: there is nothing "
            "to find. What is above chance under an honest protocol is an error or luck; what is "
            "above chance under a leaky one is the leak itself."
        )
    channels = "; ".join(f"{name}: {len(these)}" for name, these in settings.montages.items())
    facts = (
        f"data: {plain(record.dataset)}, "
        f"{len(record.people)} {'person' if len(record.people) == 1 else 'people'}",
        f"labels: {plain(record.label_rule)}; {settings.labels} labels",
        f"channels: {plain(channels)}",
        f"seen as: {plain(listed(settings.representations))}; normalised by "
        f"{plain(listed(settings.normalisers))}",
        *(f"note: {plain(note)}" for note in record.notes),
    )
    return "\n\n".join([*lines, "\n".join(f"- {fact}" for fact in facts)])


def beside_the_paper(record: StudyRecord, rows: Sequence[Row]) -> list[str]:
    """Set the leaky protocols' last points beside the paper's tables."""
    parts: list[str] = []
    for protocol in record.settings.protocols:
        for target in record.settings.targets:
            table = paper_table([row for row in rows if row.key[:2] == (protocol, target)])
            if table is not None:
                printed = {"arousal": "Table II", "valence": "Table III"}.get(target)
                beside = (
                    f"beside {printed} of the paper" if printed else "not tabulated in the paper"
                )
                parts += [
                    f"### {protocol} (leaky), {plain(target)}: {beside}",
                    markdown_table(table),
                ]
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
        "windows at the same step. The paper does not state which set its figures are for." + other,
        *parts,
    ]


def protocol_section(
    record: StudyRecord, rows: Sequence[Row], tests: Mapping[Key, Significance], name: str
) -> list[str]:
    """Return a protocol's tables, and the notes below them."""
    protocol = PROTOCOLS[name]
    parts = [f"## Protocol {name}{' (leaky)' if protocol.leaks else ''}", f"{protocol.text}."]
    for target in record.settings.targets:
        of = [row for row in rows if row.key[:2] == (name, target)]
        heading = f"{name}{' (leaky)' if protocol.leaks else ''}, {plain(target)}"
        if not of:
            parts.append(f"Nothing could be run for {heading}.")
            continue
        parts += [
            f"### {heading}: over windows",
            markdown_table(score_table(of, "windows")),
            f"### {heading}: over trials",
            markdown_table(score_table(of, "trials")),
        ]
        if any(row.key in tests for row in of):
            parts += [f"### {heading}: above chance?", markdown_table(chance_table(of, tests))]
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
        "of the bootstrap that draws trials within each person, so it is for these people and "
        "shows little about others. ECE has none: drawing trials only adds to it. Constant guesses "
        "have no AUROC: within a fold they rank nothing. Classes that do not divide evenly into "
        "folds push accuracy slightly below chance where nothing is learnt.",
        "A trial's prediction is the mean probability of its windows. Own majority is the share "
        "of the person's larger class, mean over people: the best constant guess, in hindsight.",
        f"p is one-sided, of Wilcoxon's signed-rank test over people at trial level; Holm over the "
        f"{compared} results of this protocol (targets and models, constant guesses left out), for "
        "each of the two tests apart.",
        f"{settings.labels} labels, {record.label_rule}; one seed, {settings.seed}, none chosen "
        f"among several; {settings.units} units, at most {settings.steps} steps of "
        f"{settings.batch_size} windows; backend {listed(_all(s.backend for s in specs))}; code "
        f"{listed(_all(s.code_version for s in specs))}; data {data[:16]}.",
    ]
    if PROTOCOLS[name].leaks:
        notes.insert(0, "Leaky: these figures do not show how a new trial would be classified.")
    fixed = [
        f"{field} {listed(_all(getattr(row.key, field) for row in of if not row.key.constant))}"
        for field in VARIANT
        if field not in varying(of)
    ]
    if compared and fixed:
        notes.append(f"All models: {', '.join(fixed)}.")
    return ["\n".join(f"- {plain(note)}" for note in notes)]


def compared(record: StudyRecord, rows: Sequence[Row], found: Sequence[Leak]) -> list[str]:
    """Compare rows that differ in one thing: the leak, channels, representation, normaliser."""
    settings = record.settings
    parts = []
    if found:
        parts += [
            "## What leaking adds",
            "Accuracy over windows under the leaky protocol, and with whole trials held out. The "
            "difference is paired by person, its interval the bootstrap over people. Not all of it "
            "need be the leak: under trial a fifth of the other trials choose instead of train"
            ", and the paper's windows hold the baseline.",
            markdown_table(leak_table(found, rows)),
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
                f"{plain(names[0])}, paired by person (bootstrap over people).",
                markdown_table(table),
            ]
    return parts


def left_out(record: StudyRecord, results: Sequence[Result]) -> list[str]:
    """Return what is missing, and why."""
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
        markdown_table(table) if table.rows else "No fold was skipped and no one was left out.",
        "\n".join(f"- {plain(fact)}" for fact in facts),
    ]


def _all(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
