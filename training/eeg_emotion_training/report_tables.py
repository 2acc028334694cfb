"""From a study's results to the rows of its report: pure, so that every number can be checked."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eeg_emotion_training.baselines import CONSTANT
from eeg_emotion_training.choices import MODELS
from eeg_emotion_training.network_names import NETWORKS
from eeg_emotion_training.protocols import PROTOCOLS
from eeg_emotion_training.results import Point, Result, Spec
from eeg_emotion_training.scores import (
    METRICS,
    Predictions,
    Score,
    Summary,
    by_trial,
    majority_by_person,
    per_person,
    summarise,
)
from eeg_emotion_training.significance import above_chance, holm
from eeg_emotion_training.study import StudyRecord

NAMES = {
    "gru": "GRU",
    "bn-gru": "BN-GRU",
    "lstm": "LSTM",
    "bn-lstm": "BN-LSTM",
    "majority": "majority of the training part",
    "person-majority": "person's own majority (hindsight)",
    "logistic": "logistic regression",
}
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

BALANCED = "balanced_accuracy"
_SMOOTHING = 0.6  # TensorBoard's default
_DRAWS = 2000
_VARIANT = ("montage", "representation", "normaliser")
_METRIC_NAMES = ("accuracy", "balanced accuracy", "macro-F1", "AUROC", "kappa", "ECE")


class Key(NamedTuple):
    """What is compared; its folds together are one result."""

    protocol: str
    target: str
    network: str
    montage: str
    representation: str
    normaliser: str

    @classmethod
    def of(cls, spec: Spec) -> Key:
        """Give the key that a fold belongs to."""
        return cls(*(getattr(spec, name) for name in cls._fields))

    @property
    def constant(self) -> bool:
        """True for guesses that look at no window."""
        return self.network in CONSTANT


@dataclass(frozen=True, slots=True)
class Row:
    """All folds of a key that could be run, joined.

    Attributes
    ----------
    folds
        Their results.
    raw, said
        The test windows with the probabilities before and after temperature scaling.
    trial_said
        One row for each trial, with the mean probability of its windows.
    windows, trials
        The metrics over windows and over trials.
    raw_ece
        The calibration error over windows before temperature scaling, mean over people.
    """

    key: Key
    folds: tuple[Result, ...]
    raw: Predictions
    said: Predictions
    trial_said: Predictions
    windows: Summary
    trials: Summary
    raw_ece: float

    @property
    def leak_share(self) -> float:
        """Share of the test windows of whose trial other windows were trained on."""
        counts = [len(fold.high) for fold in self.folds]
        return float(np.average([fold.record.leak_share for fold in self.folds], weights=counts))

    @property
    def calibrated(self) -> bool:
        """True where there are validation windows to fit a temperature to."""
        return bool(PROTOCOLS[self.key.protocol].validation_apart) and not self.key.constant


class Table(NamedTuple):
    """A table's cells as text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def rows_of(record: StudyRecord, results: Iterable[Result]) -> list[Row]:
    """Join the folds of each key, in the order that the study names things in."""
    folds: dict[Key, list[Result]] = defaultdict(list)
    for result in results:
        if result.record.status == "done":
            folds[Key.of(result.record.spec)].append(result)
    settings = record.settings
    representations = (*settings.representations, "bands")  # the linear model's beside raw

    def place(key: Key) -> tuple[int, ...]:
        return (
            settings.protocols.index(key.protocol),
            settings.targets.index(key.target),
            MODELS.index(key.network),
            list(settings.montages).index(key.montage),
            representations.index(key.representation),
            settings.normalisers.index(key.normaliser),
        )

    return [_join(key, folds[key]) for key in sorted(folds, key=place)]


def _join(key: Key, folds: list[Result]) -> Row:
    raw, said = (
        Predictions(
            person=np.concatenate([fold.person for fold in folds]),
            trial=np.concatenate([fold.trial for fold in folds]).astype(np.int64),
            high=np.concatenate([fold.high for fold in folds]),
            probability=np.concatenate([getattr(fold, name) for fold in folds]),
        )
        for name in ("raw", "probability")
    )
    trial_said = by_trial(said)
    return Row(
        key=key,
        folds=tuple(folds),
        raw=raw,
        said=said,
        trial_said=trial_said,
        windows=summarise(said),
        trials=summarise(trial_said),
        raw_ece=float(np.mean([person["ece"] for person in per_person(raw).values()])),
    )


@dataclass(frozen=True, slots=True)
class Tested:
    """Whether a row's people exceed chance at trial level; p after Holm beside the plain one."""

    people: int
    p: float
    holm: float
    p_majority: float
    holm_majority: float


def tested(rows: Sequence[Row]) -> dict[Key, Tested]:
    """Test every row but the constant guesses; Holm over all rows of a protocol, for each test.

    The first test is of balanced accuracy against 0.5, over the people with both classes; the
    second of accuracy against the share of the person's own larger class.
    """
    found: dict[Key, Tested] = {}
    for protocol in dict.fromkeys(row.key.protocol for row in rows):
        p: dict[Key, float] = {}
        p_majority: dict[Key, float] = {}
        for row in rows:
            if row.key.protocol != protocol or row.key.constant:
                continue
            people = per_person(row.trial_said)
            majority = majority_by_person(row.trial_said)
            balanced = [scores[BALANCED] for scores in people.values()]
            p[row.key] = above_chance(balanced, np.full(len(balanced), 0.5))
            p_majority[row.key] = above_chance(
                [scores["accuracy"] for scores in people.values()],
                [majority[person] for person in people],
            )
        holm_p, holm_majority = holm(p), holm(p_majority)
        found |= {
            row.key: Tested(
                row.trials.people_scored,
                p[row.key],
                holm_p[row.key],
                p_majority[row.key],
                holm_majority[row.key],
            )
            for row in rows
            if row.key in p
        }
    return found


def over_people(differences: NDArray[np.float64]) -> Score:
    """Average over people, with the percentile bootstrap that draws people; NaN for one person."""
    if len(differences) < 2:
        return Score(float(differences.mean()) if len(differences) else math.nan, *[math.nan] * 2)
    drawn = np.random.default_rng(0).integers(len(differences), size=(_DRAWS, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), (2.5, 97.5))
    return Score(float(differences.mean()), float(low), float(high))


def paired(one: Predictions, other: Predictions, metric: str) -> tuple[int, Score]:
    """Give how many people have both, and the mean of their differences, one minus other."""
    left, right = per_person(one), per_person(other)
    both = [left[person][metric] - right[person][metric] for person in left if person in right]
    differences = np.array([value for value in both if np.isfinite(value)])
    return len(differences), over_people(differences)


class Leak(NamedTuple):
    """What a leaky protocol adds to the accuracy over windows of the same people and model."""

    key: Key
    people: int
    leaky: float
    honest: float
    difference: Score


def leaks(rows: Sequence[Row]) -> list[Leak]:
    """Compare every row of a leaky protocol with that of whole trials held out."""
    by_key = {row.key: row for row in rows}
    found = []
    for row in rows:
        honest = by_key.get(row.key._replace(protocol="trial"))
        if honest is None or row.key.constant or not PROTOCOLS[row.key.protocol].leaks:
            continue
        people, difference = paired(row.said, honest.said, "accuracy")
        leaky, apart = (one.windows.scores["accuracy"].value for one in (row, honest))
        found.append(Leak(row.key, people, leaky, apart, difference))
    return found


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
        lines.append((*_model(row.key, columns), str(len(followed)), *beside, f"{training:.4f}"))
    return Table((*header, "Value on training windows"), tuple(lines)) if lines else None


def score_table(rows: Sequence[Row], level: str) -> Table:
    """List the metrics of each row over its windows or over its trials."""
    columns = varying(rows)
    before = level == "windows" and any(row.calibrated for row in rows)
    lines = []
    for row in rows:
        summary: Summary = getattr(row, level)
        counts = [str(summary.people), str(summary.trials)]
        if level == "windows":
            counts.append(str(summary.windows))
        cells = [interval(summary.scores[metric]) for metric in METRICS]
        # Beside the accuracy stands what it must beat.
        cells.insert(1, number(summary.majority_accuracy))
        if before:
            cells.append(number(row.raw_ece) if row.calibrated else "–")
        lines.append((*_model(row.key, columns), *counts, *cells))
    accuracy, *others = _METRIC_NAMES
    names = [accuracy, "own majority", *others, *(["ECE before scaling"] if before else [])]
    counted = ["people", "trials", "windows"][: 3 if level == "windows" else 2]
    return Table(("model", *columns, *counted, *names), tuple(lines))


def chance_table(rows: Sequence[Row], tests: Mapping[Key, Tested]) -> Table:
    """List the p values of each row that is tested."""
    columns = varying(rows)
    lines = []
    for row in rows:
        if (test := tests.get(row.key)) is None:
            continue
        values = (test.p, test.holm, test.p_majority, test.holm_majority)
        people = (str(test.people), str(row.trials.people))
        lines.append((*_model(row.key, columns), *people, *map(p_value, values)))
    names = ("p: balanced accuracy > 0.5", "after Holm", "p: accuracy > own majority", "after Holm")
    return Table(("model", *columns, "people with both classes", "people", *names), tuple(lines))


def leak_table(found: Sequence[Leak]) -> Table:
    """List what each leaky row adds."""
    lines = [
        (
            *(leak.key.protocol, leak.key.target, NAMES[leak.key.network], *leak.key[3:]),
            *(str(leak.people), number(leak.leaky), number(leak.honest)),
            interval(leak.difference, sign="+"),
        )
        for leak in found
    ]
    names = ("people", "leaky", "trial", "difference")
    return Table(("leaky protocol", "target", "model", *_VARIANT, *names), tuple(lines))


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
    others = [name for name in _VARIANT if name != field]
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
                pair = shown and first and paired(shown.trial_said, first.trial_said, BALANCED)[1]
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


def varying(rows: Sequence[Row]) -> list[str]:
    """Give what of montage, representation and normaliser differs among the rows."""
    seen = [row.key for row in rows if not row.key.constant]
    return [name for name in _VARIANT if len({getattr(key, name) for key in seen}) > 1]


def label(key: Key, columns: Sequence[str]) -> str:
    """Name a row where there are no columns: the model, and how it sees the windows."""
    return ", ".join(cell for cell in _model(key, columns) if cell != "–")


def _model(key: Key, columns: Sequence[str]) -> list[str]:
    # A constant guess sees no window, so nothing can be said of how it sees them.
    variant = ["–" if key.constant else getattr(key, name) for name in columns]
    return [NAMES[key.network], *variant]


def number(value: float, sign: str = "") -> str:
    """Write three decimals, and a dash for what is undefined."""
    return f"{value:{sign}.3f}" if math.isfinite(value) else "–"


def interval(score: Score, sign: str = "") -> str:
    """Write a value with its interval."""
    if not math.isfinite(score.low):
        return number(score.value, sign)
    return f"{score.value:{sign}.3f} [{score.low:{sign}.3f}, {score.high:{sign}.3f}]"


def p_value(p: float) -> str:
    """Write a p value; small ones as a power of ten."""
    if not math.isfinite(p):
        return "–"
    return f"{p:.1e}" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float) -> str:
    """Write a duration as TensorBoard does: 20m39s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
