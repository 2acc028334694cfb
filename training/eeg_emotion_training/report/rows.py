"""From a study's results to what is compared: pure, so that every number can be checked."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eeg_emotion_training.choices import MODELS
from eeg_emotion_training.evaluation.calibration import expected_calibration_error
from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.evaluation.scores import (
    Predictions,
    Score,
    Summary,
    by_trial,
    majority_by_person,
    per_person,
    summarise,
)
from eeg_emotion_training.evaluation.significance import above_chance, holm
from eeg_emotion_training.networks.names import CONSTANT
from eeg_emotion_training.study.plan import StudyRecord
from eeg_emotion_training.study.results import Result, Spec

BALANCED = "balanced_accuracy"
VARIANT = ("montage", "representation", "normaliser")
_DRAWS = 2000


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
        """Return the key that a fold belongs to."""
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
    raw, scaled
        The test windows with the probabilities before and after temperature scaling.
    trial_scaled
        One row for each trial, with the mean probability of its windows.
    windows, trials
        The metrics over windows and over trials.
    raw_ece
        The calibration error over windows before temperature scaling, mean over people.
    """

    key: Key
    folds: tuple[Result, ...]
    raw: Predictions
    scaled: Predictions
    trial_scaled: Predictions
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
    raw, scaled = (
        Predictions(
            person=np.concatenate([fold.person for fold in folds]),
            trial=np.concatenate([fold.trial for fold in folds]).astype(np.int64),
            high=np.concatenate([fold.high for fold in folds]),
            probability=np.concatenate([getattr(fold, name) for fold in folds]),
        )
        for name in ("raw", "probability")
    )
    trial_scaled = by_trial(scaled)
    return Row(
        key=key,
        folds=tuple(folds),
        raw=raw,
        scaled=scaled,
        trial_scaled=trial_scaled,
        windows=summarise(scaled),
        trials=summarise(trial_scaled),
        raw_ece=_mean_ece(raw),
    )


def _mean_ece(p: Predictions) -> float:
    """Average people's calibration errors; much less work than all metrics of theirs."""
    people = [p.person == person for person in np.unique(p.person)]
    return float(
        np.mean([expected_calibration_error(p.probability[of], p.high[of]) for of in people])
    )


def varying(rows: Sequence[Row]) -> list[str]:
    """Return what of montage, representation and normaliser differs among the rows."""
    seen = [row.key for row in rows if not row.key.constant]
    return [name for name in VARIANT if len({getattr(key, name) for key in seen}) > 1]


@dataclass(frozen=True, slots=True)
class Significance:
    """Whether a row's people exceed chance at trial level; p after Holm beside the plain one."""

    people: int
    p: float
    holm: float
    p_majority: float
    holm_majority: float


def significance_of(rows: Sequence[Row]) -> dict[Key, Significance]:
    """Test every row except the constant guesses; Holm over all rows of a protocol, for each test.

    The first test is of balanced accuracy against 0.5, over the people with both classes; the
    second of accuracy against the share of the person's own larger class.
    """
    found: dict[Key, Significance] = {}
    for protocol in dict.fromkeys(row.key.protocol for row in rows):
        p: dict[Key, float] = {}
        p_majority: dict[Key, float] = {}
        for row in rows:
            if row.key.protocol != protocol or row.key.constant:
                continue
            people = per_person(row.trial_scaled)
            majority = majority_by_person(row.trial_scaled)
            balanced = [scores[BALANCED] for scores in people.values()]
            p[row.key] = above_chance(balanced, np.full(len(balanced), 0.5))
            p_majority[row.key] = above_chance(
                [scores["accuracy"] for scores in people.values()],
                [majority[person] for person in people],
            )
        holm_p, holm_majority = holm(p), holm(p_majority)
        found |= {
            row.key: Significance(
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


class Paired(NamedTuple):
    """Two means over the same people, and the mean of the people's differences."""

    people: int
    one: float
    other: float
    difference: Score


def paired(one: Predictions, other: Predictions, metric: str) -> Paired:
    """Compare the people who have both: one minus other."""
    left, right = per_person(one), per_person(other)
    both = np.array([(left[who][metric], right[who][metric]) for who in left if who in right])
    both = both.reshape(-1, 2)
    both = both[np.isfinite(both).all(axis=1)]
    mean, other_mean = both.mean(axis=0).tolist() if len(both) else (math.nan, math.nan)
    return Paired(len(both), mean, other_mean, over_people(both[:, 0] - both[:, 1]))


class Leak(NamedTuple):
    """What a leaky protocol adds to the accuracy over windows of the same people and model."""

    key: Key
    accuracy: Paired


def leaks(rows: Sequence[Row]) -> list[Leak]:
    """Compare every row of a leaky protocol with that of whole trials held out."""
    by_key = {row.key: row for row in rows}
    found = []
    for row in rows:
        honest = by_key.get(row.key._replace(protocol="trial"))
        if honest and not row.key.constant and PROTOCOLS[row.key.protocol].leaks:
            found.append(Leak(row.key, paired(row.scaled, honest.scaled, "accuracy")))
    return found
