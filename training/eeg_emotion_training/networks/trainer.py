"""Trains one network on one fold: fixed steps, or the step that validation windows choose."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.evaluation.protocols import Fold
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.early_stopping import EarlyStopping
from eeg_emotion_training.networks.keras_import import load_keras
from eeg_emotion_training.networks.names import NetworkName
from eeg_emotion_training.networks.recurrent import build_network, reset, resident
from eeg_emotion_training.networks.settings import TrainSettings

_POINTS = 50  # evaluations of a training
_FEWEST_STEPS = 10  # between two evaluations
_PATIENCE = 15  # evaluations without a lower validation loss, before training ends early
_EVALUATED = 512  # training windows whose loss is followed: an evaluation must be cheap
_BATCH = 256  # of windows that are only predicted
# One compiled network serves all folds of about as many windows.
_CAPACITY = 512


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained network and its predictions.

    Attributes
    ----------
    network
        The Keras network over `(batch, steps, features)`. It is the caller's until the next
        training in this process.
    validation, test
        Probabilities of high, one for each window of the part.
    best_step
        The step whose weights are kept.
    curve
        The course of the training.
    """

    network: Any
    validation: NDArray[np.float64]
    test: NDArray[np.float64]
    best_step: int
    curve: tuple[Point, ...]


def train(
    features: NDArray[np.float32],
    high: NDArray[np.bool_],
    fold: Fold,
    network_name: NetworkName,
    settings: TrainSettings,
    follow: Callable[[Point], None],
) -> Trained:
    """Train on the fold's training windows.

    With a validation part, the weights are those of the lowest loss on it, and training ends when
    that has not fallen for a while. Without one, training runs its full length: the test part
    chooses nothing, here or anywhere.

    Parameters
    ----------
    features
        `(windows, steps, features)`, normalised, all parts together.
    high
        `(windows,)` labels.
    fold
        The windows of each part.
    network_name
        Which of the paper's four to train.
    settings
        Its size, and how long and in what order it is trained.
    follow
        Called with each point of the curve as it comes.

    Raises
    ------
    DataError
        If training has diverged.
    """
    windows, steps, width = features.shape
    capacity = -(-windows // _CAPACITY) * _CAPACITY
    network, model = _compiled(network_name, steps, width, settings.units, capacity)
    reset(model, settings.seed)
    model.get_layer("resident").put(features)
    rng = np.random.default_rng(settings.seed)
    evaluated = rng.permutation(fold.training)[:_EVALUATED]
    labels = high.astype(np.int32)
    every = max(_FEWEST_STEPS, settings.steps // _POINTS)
    curve: list[Point] = []
    stopping = EarlyStopping[list[NDArray[np.float32]]](_PATIENCE)
    started = time.perf_counter()
    batches = _batches(fold.training, settings.batch_size, rng)
    for step in range(1, settings.steps + 1):
        batch = next(batches)
        model.train_on_batch(batch, labels[batch])
        if step % every and step != settings.steps:
            continue
        point = _evaluate(model, step, time.perf_counter() - started, high, fold, evaluated)
        curve.append(point)
        follow(point)
        loss = point.validation_loss
        if loss is not None and stopping.on_evaluation(step, loss, network.get_weights):
            break
    if stopping.best_weights is not None:
        network.set_weights(stopping.best_weights)
    return Trained(
        network=network,
        validation=predict(model, fold.validation),
        test=predict(model, fold.test),
        best_step=stopping.best_step or settings.steps,
        curve=tuple(curve),
    )


def predict(model: Any, windows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the probability of high for some of the resident windows, `(windows,)`.

    Raises
    ------
    DataError
        If training has diverged.
    """
    if not len(windows):
        return np.empty(0)
    padded = np.resize(windows, -(-len(windows) // _BATCH) * _BATCH).astype(np.int32)
    outputs = [
        np.asarray(model.predict_on_batch(batch))[:, 1] for batch in padded.reshape(-1, _BATCH)
    ]
    probability = np.concatenate(outputs)[: len(windows)].astype(np.float64)
    if not np.isfinite(probability).all():
        raise DataError(
            "training diverged: found probabilities that are not finite, expected finite ones; "
            "look for extreme values in the data"
        )
    return probability


def _evaluate(
    model: Any,
    step: int,
    seconds: float,
    high: NDArray[np.bool_],
    fold: Fold,
    evaluated: NDArray[np.intp],
) -> Point:
    training = predict(model, evaluated)
    validated = len(fold.validation) > 0
    return Point(
        step=step,
        seconds=round(seconds, 3),
        training_loss=_loss(high[evaluated], training),
        training_accuracy=_accuracy(high[evaluated], training),
        validation_loss=(
            _loss(high[fold.validation], predict(model, fold.validation)) if validated else None
        ),
        test_accuracy=(
            None if validated else _accuracy(high[fold.test], predict(model, fold.test))
        ),
    )


def _batches(
    windows: NDArray[np.intp], size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int32]]:
    """Return batches of equal size for ever: every window comes once before any comes again."""
    waiting = np.empty(0, dtype=np.int32)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(windows).astype(np.int32)])
        yield waiting[:size]
        waiting = waiting[size:]


def _loss(high: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    return float(log_loss(high, probability, labels=[False, True]))


def _accuracy(high: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    return float(((probability > 0.5) == high).mean())


# By what it was compiled for; only the newest, since each holds its windows.
_newest: dict[tuple[object, ...], tuple[Any, Any]] = {}


def _compiled(
    name: NetworkName, steps: int, width: int, units: int, capacity: int
) -> tuple[Any, Any]:
    key = (name, steps, width, units, capacity)
    if key not in _newest:
        # The one before is let go of first: two tables of raw windows are gigabytes.
        _newest.clear()
        load_keras().backend.clear_session()
        gc.collect()
        network = build_network(name, steps, width, units)
        _newest[key] = network, resident(network, capacity)
    return _newest[key]
