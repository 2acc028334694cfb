"""How far a probability of "high" can be believed, and what makes it more believable.

Everything here is fitted on validation windows: neither training nor test people choose any of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression

from eeg_emotion.inference.calibration import log_odds

ECE_BINS = 15
ALWAYS_UNSURE = (0.0, 1.0)
NEVER_UNSURE = (0.5, 0.5)

# Beyond these the scaled probability is a step or a constant; no use in looking further.
_TEMPERATURES = (0.05, 20.0)
# Isotonic regression ends in the few most confident windows, however lucky: fewer than a tenth of
# all do not speak for a model.
_LEAST_SURE_SHARE = 0.1
# Means of 0 and 1 that equal the limit up to rounding have reached it.
_ROUNDING = 1e-9
# Confidences that differ by less, below the resolution of a float32 softmax, are the same.
_DECIMALS = 9


def expected_calibration_error(
    probability: ArrayLike, high: ArrayLike, bins: int = ECE_BINS
) -> float:
    """Measure how far probabilities of "high" are from the shares that are high, 0 to 1.

    The expected calibration error of Naeini et al. 2015 and Guo et al. 2017 in its binary form:
    bins of equal width over the probability of "high", and in each the difference between the mean
    probability and the share that is high, weighted by the bin's count. It is the class-wise form
    for two classes, not the form over the confidence in whichever class was predicted.

    Parameters
    ----------
    probability
        `(n,)` of "high", 0 to 1.
    high
        `(n,)` bool.
    bins
        The number of bins. A bin holds its lower edge; the last one holds 1 as well.
    """
    checked, truth = _check(probability, high)
    excess = np.bincount(bin_index(checked, bins), weights=checked - truth, minlength=bins)
    return float(np.abs(excess).sum() / len(checked))


def reliability(
    probability: ArrayLike, high: ArrayLike, bins: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the points of a reliability diagram, one for each bin that is not empty.

    Returns
    -------
    tuple
        Mean probability of "high", share that is high, and count, `(bins not empty,)` each, in
        rising order of probability.
    """
    checked, truth = _check(probability, high)
    index = bin_index(checked, bins)
    counts = np.bincount(index, minlength=bins)
    filled = counts > 0
    sums = (np.bincount(index, weights=of, minlength=bins)[filled] for of in (checked, truth))
    mean_probability, share_high = (total / counts[filled] for total in sums)
    return mean_probability, share_high, counts[filled].astype(np.int64)


def bin_index(probability: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """Return the bin of equal width that each probability lies in, `(n,)`, 0 to `bins` - 1."""
    if bins < 1:
        raise ValueError(f"found {bins} bins, expected at least 1")
    return np.minimum((probability * bins).astype(np.int64), bins - 1)


def fit_temperature(probability: ArrayLike, high: ArrayLike) -> float:
    """Find the temperature with the lowest log loss on validation windows, 0.05 to 20.

    Temperature scaling after Guo et al. 2017, "On Calibration of Modern Neural Networks". Where
    probabilities separate the classes perfectly, or contradict them, the answer is the end of the
    range.

    Parameters
    ----------
    probability
        `(n,)` of "high", 0 to 1, as predicted by the network.
    high
        `(n,)` bool.

    Raises
    ------
    ValueError
        If all windows are of one class: then the best probability would be 0 or 1.
    """
    checked, truth = _check(probability, high)
    if len(np.unique(truth)) < 2:
        raise ValueError(
            f"found only {'high' if truth[0] else 'low'} windows, expected both; "
            "add validation people"
        )
    # Positive where the probability leans to the wrong side.
    wrong = np.where(truth, -1.0, 1.0) * log_odds(checked)

    def log_loss(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, wrong * math.exp(-log_temperature)).mean())

    # The loss is convex in 1/T, so it has one minimum over log T.
    low, high_end = map(math.log, _TEMPERATURES)
    return math.exp(minimize_scalar(log_loss, bounds=(low, high_end), method="bounded").x)


def unsure_band(
    probability: ArrayLike, high: ArrayLike, least_accuracy: float = 0.6
) -> tuple[float, float]:
    """Find the band about 0.5 within which a label would be wrong too often.

    Isotonic regression estimates the accuracy of the label, high above 0.5, as a function that
    never falls with the confidence |p - 0.5|. The band holds the confidences at which it is below
    `least_accuracy`, and ends half way to the first at which it is not.

    A model that would be sure of fewer than a tenth of the windows is always unsure: isotonic
    regression ends in the most confident few, and at chance these are as often lucky as not.

    Parameters
    ----------
    probability
        `(n,)` of "high", 0 to 1, as it will be shown: after `scale`, if it is scaled.
    high
        `(n,)` bool.
    least_accuracy
        The share of right labels below which the label is "unsure".

    Returns
    -------
    tuple
        Low and high end, for `is_unsure`. `NEVER_UNSURE`, (0.5, 0.5), where every confidence is
        good enough; `ALWAYS_UNSURE`, (0, 1), where none is.
    """
    checked, truth = _check(probability, high)
    if not 0 <= least_accuracy <= 1:
        raise ValueError(f"found a least accuracy of {least_accuracy}, expected 0 to 1")
    confidence = np.abs(checked - 0.5).round(_DECIMALS)
    right = ((checked > 0.5) == truth).astype(np.float64)
    accuracy = IsotonicRegression().fit_transform(confidence, right)
    sure = accuracy >= least_accuracy - _ROUNDING
    if sure.all():
        return NEVER_UNSURE
    if sure.mean() < _LEAST_SURE_SHARE:
        return ALWAYS_UNSURE
    edge = float(confidence[~sure].max() + confidence[sure].min()) / 2
    return 0.5 - edge, 0.5 + edge


def _check(
    probability: ArrayLike, high: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    checked = np.asarray(probability, dtype=np.float64)
    truth = np.asarray(high)
    if checked.ndim != 1 or checked.shape != truth.shape or not checked.size:
        raise ValueError(
            f"found probabilities of shape {checked.shape} and labels of {truth.shape}, expected "
            "one of each for each window, and at least one window"
        )
    # Written so that what is not a number fails too.
    if not ((checked >= 0) & (checked <= 1)).all():
        raise ValueError(
            f"found probabilities from {checked.min()} to {checked.max()}, expected 0 to 1"
        )
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"found labels {np.unique(truth)}, expected True and False")
    return checked, truth.astype(np.bool_)
