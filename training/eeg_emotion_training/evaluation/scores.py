"""Metrics of a target, over people, with intervals that respect that windows come in trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion_training.evaluation.calibration import ECE_BINS, bin_index

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "kappa", "ece")
_PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's predictions for windows of held-out people, and the true classes.

    Attributes
    ----------
    person
        `(windows,)` str, the person's id.
    trial
        `(windows,)` int, the trial's index within the person.
    high
        `(windows,)` bool, the rating's class; one for each trial.
    probability
        `(windows,)` float64 of "high". High is predicted where it is above 0.5.
    """

    person: NDArray[np.str_]
    trial: NDArray[np.int64]
    high: NDArray[np.bool_]
    probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        columns = {"person": "U", "trial": "i", "high": "b", "probability": "f"}
        shapes = {name: getattr(self, name).shape for name in columns}
        if len(set(shapes.values())) > 1 or self.high.ndim != 1 or not self.high.size:
            raise ValueError(f"found shapes {shapes}, expected the same (windows,), at least one")
        for name, kinds in columns.items():
            if (dtype := getattr(self, name).dtype).kind not in kinds:
                raise ValueError(f"found {name} of {dtype}, expected str, int, bool and float")
        # Written so that what is not a number fails too.
        outside = ~((self.probability >= 0) & (self.probability <= 1))
        if outside.any():
            raise ValueError(
                f"found a probability of {self.probability[outside][0]}, expected 0 to 1"
            )
        first, index = _trials(self)
        mixed = self.high != self.high[first][index]
        if mixed.any():
            row = int(mixed.argmax())
            raise ValueError(
                f"found both classes in trial {self.trial[row]} of {self.person[row]}, expected "
                "one rating a trial"
            )


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's mean over people and the ends of its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A target's result.

    Attributes
    ----------
    scores
        By metric, in the order of `METRICS`.
    people, trials, windows
        How many were scored; `windows` are rows, so trials again after `by_trial`.
    people_scored
        People with both classes. Balanced accuracy, AUROC and kappa are undefined for the others,
        who are left out of these three.
    majority_accuracy
        Mean over people of the share of the person's larger class: the best constant guess, in
        hindsight.
    """

    scores: Mapping[str, Score]
    people: int
    trials: int
    windows: int
    people_scored: int
    majority_accuracy: float


def by_trial(p: Predictions) -> Predictions:
    """Return one row for each trial with its mean probability, in order of person and trial."""
    first, index = _trials(p)
    mean = np.bincount(index, weights=p.probability) / np.bincount(index)
    return Predictions(p.person[first], p.trial[first], p.high[first], mean)


def summarise(p: Predictions, replicates: int = 2000, seed: int = 0) -> Summary:
    """Compute each metric for each person over all their rows, and average over people.

    The interval is the percentile bootstrap over trials: within each person whole trials are drawn
    with replacement, all windows of a trial together, for windows of a trial are not independent.
    People are not drawn, so the interval is for these people and shows little about others. A
    replicate that leaves a person with one class leaves the person out of what is then undefined.
    The calibration error cannot be negative, so drawing adds to it: its interval lies high and need
    not hold the value.
    """
    if replicates < 1:
        raise ValueError(f"found {replicates} replicates, expected at least 1")
    rng = np.random.default_rng(seed)
    people = _people(p)
    values: dict[str, list[NDArray[np.float64]]] = {metric: [] for metric in METRICS}
    for person in people.values():
        # How often each trial was drawn; the first row is the person as they are.
        trials = len(person.high)
        drawn = rng.multinomial(trials, np.full(trials, 1 / trials), size=replicates)
        weights = np.vstack([np.ones(trials), drawn])
        for metric, value in person.metrics(weights).items():
            values[metric].append(value)
    return Summary(
        scores={metric: _score(np.array(values[metric])) for metric in METRICS},
        people=len(people),
        trials=sum(len(person.high) for person in people.values()),
        windows=len(p.high),
        people_scored=sum(len(np.unique(person.high)) == 2 for person in people.values()),
        majority_accuracy=float(np.mean(list(majority_by_person(p).values()))),
    )


def per_person(p: Predictions) -> dict[str, dict[str, float]]:
    """Return the metrics of each person, in order of their ids; NaN where undefined."""
    return {
        name: {
            metric: float(value[0])
            for metric, value in person.metrics(np.ones((1, len(person.high)))).items()
        }
        for name, person in _people(p).items()
    }


def majority_by_person(p: Predictions) -> dict[str, float]:
    """Return the share of each person's larger class: the chance level of their accuracy."""
    shares = {str(name): float(p.high[p.person == name].mean()) for name in np.unique(p.person)}
    return {name: max(share, 1 - share) for name, share in shares.items()}


@dataclass(frozen=True, slots=True)
class _Person:
    """Sums of one person's trials, from which every metric follows for any weighting of trials.

    Attributes
    ----------
    high
        `(trials,)` bool.
    windows, predicted_high
        `(trials,)` counts.
    excess
        `(trials, bins)`: sum of probability minus truth over the windows in each bin.
    concordant
        `(trials high, trials low)`: pairs of windows in which the high one has the higher
        probability; equal ones count half.
    """

    high: NDArray[np.bool_]
    windows: NDArray[np.float64]
    predicted_high: NDArray[np.float64]
    excess: NDArray[np.float64]
    concordant: NDArray[np.float64]

    def metrics(self, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return each metric for each weighting: `(replicates, trials)` to `(replicates,)`."""
        of_high, of_low = weights[:, self.high], weights[:, ~self.high]
        high = of_high @ self.windows[self.high]
        low = of_low @ self.windows[~self.high]
        hit = of_high @ self.predicted_high[self.high]
        false_alarm = of_low @ self.predicted_high[~self.high]
        rejected = low - false_alarm
        predicted_high, predicted_low = hit + false_alarm, high - hit + rejected
        all_windows = high + low
        right = hit + rejected
        both = (high > 0) & (low > 0)
        f1_high = _ratio(2 * hit, high + predicted_high)
        f1_low = _ratio(2 * rejected, low + predicted_low)
        by_luck = (high * predicted_high + low * predicted_low) / all_windows
        pairs = ((of_high @ self.concordant) * of_low).sum(axis=1)
        return {
            "accuracy": right / all_windows,
            "balanced_accuracy": (_ratio(hit, high) + _ratio(rejected, low)) / 2,
            # A class that neither occurs nor is predicted has no F1 and does not enter the mean.
            "macro_f1": _mean(np.array([f1_high, f1_low])),
            "auroc": _ratio(pairs, high * low),
            "kappa": np.where(both, _ratio(right - by_luck, all_windows - by_luck), np.nan),
            "ece": np.abs(weights @ self.excess).sum(axis=1) / all_windows,
        }


def _people(p: Predictions) -> dict[str, _Person]:
    """Sum each person's trials; in order of ids and trials, whatever that of the rows."""
    people = {}
    for name in np.unique(p.person):
        rows = p.person == name
        probability, truth = p.probability[rows], p.high[rows]
        _, first, index = np.unique(p.trial[rows], return_index=True, return_inverse=True)
        high = truth[first]
        member = (index == np.arange(len(first))[:, None]).astype(np.float64)
        in_bin = bin_index(probability, ECE_BINS)[:, None] == np.arange(ECE_BINS)
        above, below = probability[truth][:, None], probability[~truth]
        concordant = (above > below) + 0.5 * (above == below)
        people[str(name)] = _Person(
            high=high,
            windows=member.sum(axis=1),
            predicted_high=member @ (probability > 0.5),
            excess=member @ ((probability - truth)[:, None] * in_bin),
            concordant=member[high][:, truth] @ concordant @ member[~high][:, ~truth].T,
        )
    return people


def _trials(p: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each trial, `(trials,)`, and each row's trial, `(windows,)`."""
    person = np.unique(p.person, return_inverse=True)[1]
    _, first, index = np.unique(
        np.column_stack([person, p.trial]), axis=0, return_index=True, return_inverse=True
    )
    return first, index.reshape(-1)


def _score(values: NDArray[np.float64]) -> Score:
    """Average `(people, 1 + replicates)` over people; the first column is the value."""
    value, *replicates = _mean(values).tolist()
    defined = [replicate for replicate in replicates if np.isfinite(replicate)]
    low, high = np.percentile(defined, _PERCENTILES) if defined else (np.nan, np.nan)
    return Score(value, float(low), float(high))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over the first axis what is defined; NaN, without a warning, where nothing is."""
    defined = np.isfinite(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=0), defined.sum(axis=0))


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    undefined = np.full(whole.shape, np.nan)
    divided: NDArray[np.float64] = np.divide(part, whole, out=undefined, where=whole > 0)
    return divided
