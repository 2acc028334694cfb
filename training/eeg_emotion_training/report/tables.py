"""From the report's rows to tables of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from eeg_emotion_training.evaluation.scores import METRICS, Summary
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.names import NETWORKS
from eeg_emotion_training.report.cells import (
    NAMES,
    duration,
    interval,
    model_cells,
    number,
    p_value,
)
from eeg_emotion_training.report.rows import (
    BALANCED,
    Key,
    Leak,
    Row,
    Significance,
    paired,
    varying,
)
from eeg_emotion_training.study.plan import StudyRecord
from eeg_emotion_training.study.results import Result

PAPER_FIGURES = {
    "arousal": {
        "gru": ("0.8556", "0.8557", "10k", "20m39s"),
        "bn-gru": ("0.8559", "0.8561", "10k", "20m36s"),
        "lstm": ("0.8474", "0.8476", "10k", "16m46s"),
        "bn-lstm": ("0.8478", "0.8480", "10k", "16m43s"),
    },
    "valence": {
        "gru": ("0.8664", "0.8665", "10k", "21m8s"),
        "bn-gru": ("0.8668", "0.8669", "10k", "21m6s"),
        "lstm": ("0.8503", "0.8503", "10k", "16m28s"),
        "bn-lstm": ("0.8507", "0.8508", "10k", "16m26s"),
    },
}
"""Tables II and III of the paper as printed: Smoothed, Value, Step, Relative."""

_SMOOTHING = 0.6  # TensorBoard's default
_METRIC_NAMES = ("accuracy", "balanced accuracy", "macro-F1", "AUROC", "kappa")


class Table(NamedTuple):
    """A table's cells as text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class CurveEnd(NamedTuple):
    """A training's last point as TensorBoard's table shows it."""

    smoothed: float
    value: float
    step: float
    relative: float
    training: float


def curve_end(curve: Sequence[Point]) -> CurveEnd | None:
    """Read the test accuracy's curve as TensorBoard does; None where the test is not followed."""
    seen = [(point, point.test_accuracy) for point in curve if point.test_accuracy is not None]
    if not seen:
        return None
    average = weight = value = 0.0
    for _, value in seen:
        average = _SMOOTHING * average + (1 - _SMOOTHING) * value
        # Without this the average would start at 0 instead of at the first point.
        weight = _SMOOTHING * weight + (1 - _SMOOTHING)
    first, last = seen[0][0], seen[-1][0]
    return CurveEnd(
        average / weight, value, last.step, last.seconds - first.seconds, last.training_accuracy
    )


def paper_table(rows: Sequence[Row]) -> Table | None:
    """Set the recurrent networks' last points, mean over folds, beside the paper's figures."""
    columns = varying(rows)
    header: list[str] = ["network", *columns, "trainings"]
    for name in ("Smoothed", "Value", "Step", "Relative"):
        header += [name, f"paper's {name}"]
    lines = []
    for row in rows:
        ends = [curve_end(fold.record.curve) for fold in row.folds]
        followed = [end for end in ends if end is not None]
        if row.key.network not in NETWORKS or not followed:
            continue
        smoothed, value, step, relative, training = np.mean(followed, axis=0)
        printed = PAPER_FIGURES.get(row.key.target, {}).get(row.key.network, ("–",) * 4)
        own = (f"{smoothed:.4f}", f"{value:.4f}", f"{step:g}", duration(relative))
        beside = [cell for pair in zip(own, printed, strict=True) for cell in pair]
        lines.append(
            (*model_cells(row.key, columns), str(len(followed)), *beside, f"{training:.4f}")
        )
    return Table((*header, "Value on training windows"), tuple(lines)) if lines else None


def score_table(rows: Sequence[Row], level: str) -> Table:
    """List the metrics of each row over its windows or over its trials."""
    columns = varying(rows)
    calibrated = any(row.calibrated for row in rows)
    before = level == "windows" and calibrated
    lines = []
    for row in rows:
        summary: Summary = getattr(row, level)
        counts = [str(summary.people), str(summary.trials)]
        if level == "windows":
            counts.append(str(summary.windows))
        cells = [_score(row, metric, summary) for metric in METRICS]
        # Beside the accuracy stands what it must beat.
        cells.insert(1, number(summary.majority_accuracy))
        if before:
            cells.append(number(row.raw_ece) if row.calibrated else "–")
        lines.append((*model_cells(row.key, columns), *counts, *cells))
    accuracy, *others = _METRIC_NAMES
    error = "ECE after scaling" if calibrated else "ECE, not scaled"
    names = [accuracy, "own majority", *others, error, *(["before scaling"] if before else [])]
    counted = ["people", "trials", "windows"][: 3 if level == "windows" else 2]
    return Table(("model", *columns, *counted, *names), tuple(lines))


def _score(row: Row, metric: str, summary: Summary) -> str:
    if metric == "auroc" and row.key.constant:
        # Constant within a fold: joined folds would rank people or folds, not windows.
        return "–"
    if metric == "ece":
        # Drawing trials again only adds to it, so its interval would lie too high.
        return number(summary.scores[metric].value)
    return interval(summary.scores[metric])


def chance_table(rows: Sequence[Row], tests: Mapping[Key, Significance]) -> Table:
    """List the p values of each row that is tested."""
    columns = varying(rows)
    lines = []
    for row in rows:
        if (test := tests.get(row.key)) is None:
            continue
        values = (test.p, test.holm, test.p_majority, test.holm_majority)
        people = (str(test.people), str(row.trials.people))
        lines.append((*model_cells(row.key, columns), *people, *map(p_value, values)))
    names = ("p: balanced accuracy > 0.5", "after Holm", "p: accuracy > own majority", "after Holm")
    return Table(("model", *columns, "people with both classes", "people", *names), tuple(lines))


def leak_table(found: Sequence[Leak], rows: Sequence[Row]) -> Table:
    """List what each leaky row adds."""
    columns = varying(rows)
    lines = [
        (
            *(leak.key.protocol, leak.key.target, *model_cells(leak.key, columns)),
            *(str(leak.accuracy.people), number(leak.accuracy.one), number(leak.accuracy.other)),
            interval(leak.accuracy.difference, sign="+"),
        )
        for leak in found
    ]
    names = ("people", "leaky", "trial", "difference")
    return Table(("leaky protocol", "target", "model", *columns, *names), tuple(lines))


def comparison_table(rows: Sequence[Row], field: str, names: Sequence[str]) -> Table | None:
    """Compare what differs in one field only, at trial level; differences are to the first name.

    Returns
    -------
    Table or None
        None where nothing was run with more than one of the names.
    """
    groups: dict[Key, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if not row.key.constant:
            groups[row.key._replace(**{field: ""})][getattr(row.key, field)] = row
    others = [name for name in varying(rows) if name != field]
    lines = []
    for key, by_name in groups.items():
        if len(by_name) < 2:
            continue
        line = [key.protocol, key.target, NAMES[key.network], *(getattr(key, o) for o in others)]
        first = by_name.get(names[0])
        for name in names:
            shown = by_name.get(name)
            line.append(interval(shown.trials.scores[BALANCED]) if shown else "–")
            if name != names[0]:
                pair = (
                    shown
                    and first
                    and paired(shown.trial_scaled, first.trial_scaled, BALANCED).difference
                )
                line.append(interval(pair, sign="+") if pair else "–")
        lines.append(tuple(line))
    header = ["protocol", "target", "model", *others, names[0]]
    for name in names[1:]:
        header += [name, f"{name} − {names[0]}"]
    return Table(tuple(header), tuple(lines)) if lines else None


def left_out_table(record: StudyRecord, results: Iterable[Result]) -> Table:
    """Group what was left out or skipped by protocol, target and reason."""
    groups: dict[tuple[str, str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for left in record.left_out:
        reason = left.reason.removeprefix(f"{left.who}: ")
        groups[left.protocol, left.target, "left out", reason][left.who] += 1
    for result in results:
        spec = result.record.spec
        if result.record.status == "skipped":
            reason = result.record.reason.removeprefix(f"{spec.fold}: ")
            groups[spec.protocol, spec.target, "skipped", reason][spec.fold] += 1
    lines = [
        (protocol, target, what, ", ".join(sorted(who)), str(sum(who.values())), reason)
        for (protocol, target, what, reason), who in groups.items()
    ]
    return Table(
        ("protocol", "target", "what", "who or which fold", "times", "reason"), tuple(lines)
    )
