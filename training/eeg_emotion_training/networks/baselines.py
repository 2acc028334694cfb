"""What a network must beat: constant guesses, and a linear model on the same windows."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from eeg_emotion_training.evaluation.protocols import Fold, WindowIndex

_STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_STRENGTH = 1e-2  # where there is no validation part to choose by


def majority(index: WindowIndex, fold: Fold) -> NDArray[np.float64]:
    """Guess the training part's share of high for every test window, `(test,)`."""
    return np.full(len(fold.test), index.high[fold.training].mean())


def person_majority(index: WindowIndex, fold: Fold) -> NDArray[np.float64]:
    """Guess each test person's own share of high, `(test,)`.

    It is taken from all of the person's windows, those of the test among them: the best that any
    constant guess could have done, known only in hindsight.
    """
    shares = {
        person: index.high[index.person == person].mean()
        for person in np.unique(index.person[fold.test])
    }
    return np.array([shares[person] for person in index.person[fold.test]])


def logistic(
    features: NDArray[np.float32], index: WindowIndex, fold: Fold, *, last_step: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit a logistic regression to one row of features for each window.

    Parameters
    ----------
    features
        `(windows, steps, features)`, normalised.
    index, fold
        The windows' labels, and which of them train.
    last_step
        True where a window's last row sums it up, False where the mean of its rows does.

    Returns
    -------
    tuple
        The probabilities of high of the validation windows and of the test windows. The penalty
        is the one with the lowest validation loss, or a fixed one without a validation part.
    """
    rows = features[:, -1] if last_step else features.mean(axis=1, dtype=np.float32)
    best, least = None, np.inf
    for strength in _STRENGTHS if len(fold.validation) else (_STRENGTH,):
        model = LogisticRegression(C=strength, max_iter=1000)
        with warnings.catch_warnings():
            # A model that has not quite converged is as good a candidate as any.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(rows[fold.training], index.high[fold.training])
        loss = (
            log_loss(
                index.high[fold.validation],
                model.predict_proba(rows[fold.validation])[:, 1],
                labels=[False, True],
            )
            if len(fold.validation)
            else 0.0
        )
        if loss < least:
            best, least = model, loss
    if best is None:
        raise ValueError("found no finite validation loss, expected one; look at the features")
    validation, test = (
        best.predict_proba(rows[part])[:, 1] if len(part) else np.empty(0)
        for part in (fold.validation, fold.test)
    )
    return validation, test
