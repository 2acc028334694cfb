"""Fits one network to one target, on people kept apart from those it is tested on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

import eeg_emotion
from eeg_emotion.eeg.normaliser import Normaliser, fit_normaliser
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.inference.contract import HeldOut, LabelPolicy, Target, TrainedOn
from eeg_emotion.recordings.deap import HIGH_ABOVE_5, LABELS
from eeg_emotion_training.network import build_bn_gru
from eeg_emotion_training.run import Run, refuse_existing, save_run
from eeg_emotion_training.split import PeopleSplit, split_people
from eeg_emotion_training.windows import DataError, PersonWindows, digest

PROTOCOL = (
    "people held out, 5 s windows without overlap; other held-out people chose the epoch; the "
    "normaliser was fitted on training people only"
)
_PATIENCE_EPOCHS = 8


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What may be chosen about a fit."""

    target: str
    path: PathSettings
    units: int = 64
    epochs: int = 40
    batch_size: int = 64
    seed: int = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """Windows of one part: `(windows, steps, features)` and 0 or 1 for each."""

    features: NDArray[np.float32]
    high: NDArray[np.int64]
    trials: int


def fit(
    people: Sequence[PersonWindows],
    settings: FitSettings,
    out: Path,
    announce: Callable[[str], None],
) -> Run:
    """Fit, test on people never seen, and write the run's folder.

    The best epoch is the one with the lowest loss on validation people; test people choose
    nothing.

    Raises
    ------
    SplitError, DataError, RunError
        If there are too few people, a part has one class only, a feature does not vary, or `out`
        exists.
    """
    refuse_existing(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    tf.config.experimental.enable_op_determinism()
    split = split_people([person.number for person in people], seed=settings.seed)
    by_number = {person.number: person for person in people}
    training = [by_number[number] for number in split.training]
    steps, width = training[0].features.shape[2:]
    try:
        normaliser = fit_normaliser(
            np.concatenate([person.features.reshape(-1, width) for person in training])
        )
    except ValueError as error:
        raise DataError(f"the training people cannot be normalised: {error}") from error
    parts = {
        name: _join([by_number[number] for number in numbers], normaliser, settings.target, name)
        for name, numbers in (
            ("training", split.training),
            ("validation", split.validation),
            ("test", split.test),
        )
    }
    announce(
        f"{settings.target}: {len(split.training)} people train "
        f"({len(parts['training'].high)} windows), {len(split.validation)} choose the epoch, "
        f"{len(split.test)} are held out ({', '.join(f's{n:02d}' for n in split.test)})"
    )
    network = build_bn_gru(steps, width, settings.units)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".unfinished-") as scratch:
        unfinished = Path(scratch) / out.name
        best_epoch = _train(network, parts, settings, unfinished / "logs", announce)
        run = Run(
            target=Target(name=settings.target),
            path=settings.path,
            normaliser=normaliser,
            label_policy=LabelPolicy(id=HIGH_ABOVE_5.id, text=HIGH_ABOVE_5.text),
            trained_on=_describe_training(training, len(parts["training"].high)),
            training_people=split.training,
            validation_people=split.validation,
            test_people=split.test,
            held_out=_test(network, parts, split, settings.target),
            units=settings.units,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            best_epoch=best_epoch,
            seed=settings.seed,
            code_version=eeg_emotion.__version__,
        )
        save_run(out, run, network, unfinished)
    return run


def _train(
    network: Any,
    parts: dict[str, _Part],
    settings: FitSettings,
    logs: Path,
    announce: Callable[[str], None],
) -> int:
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=_PATIENCE_EPOCHS, restore_best_weights=True
    )

    def tell(epoch: int, results: dict[str, float]) -> None:
        announce(
            f"epoch {epoch + 1}/{settings.epochs}: loss {results['loss']:.4f}, accuracy "
            f"{results['accuracy']:.3f}; validation people: loss {results['val_loss']:.4f}, "
            f"accuracy {results['val_accuracy']:.3f}"
        )

    network.fit(
        parts["training"].features,
        parts["training"].high,
        validation_data=(parts["validation"].features, parts["validation"].high),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        verbose=0,
        callbacks=[
            stopping,
            keras.callbacks.TensorBoard(log_dir=str(logs)),
            keras.callbacks.LambdaCallback(on_epoch_end=tell),
        ],
    )
    return int(stopping.best_epoch) + 1


def _join(people: Sequence[PersonWindows], normaliser: Normaliser, target: str, name: str) -> _Part:
    features, high = [], []
    for person in people:
        trials, windows = person.features.shape[:2]
        flat = person.features.reshape(trials * windows, *person.features.shape[2:])
        features.append(normaliser.apply(flat.astype(np.float64)))
        column = HIGH_ABOVE_5.high(person.ratings[:, LABELS.index(target)])
        high.append(np.repeat(column.astype(np.int64), windows))
    joined = np.concatenate(high)
    if len(np.unique(joined)) < 2:
        raise DataError(
            f"found only {'high' if joined[0] else 'low'} {target} among the {name} people, "
            "expected both; add people or choose another seed"
        )
    trials = sum(len(person.ratings) for person in people)
    return _Part(np.concatenate(features), joined, trials)


def _test(network: Any, parts: dict[str, _Part], split: PeopleSplit, target: str) -> HeldOut:
    part = parts["test"]
    high = network.predict(part.features, batch_size=256, verbose=0)[:, 1]
    said = high > 0.5
    # The majority is taken from the training people: the test people choose nothing.
    majority = parts["training"].high.mean() > 0.5
    return HeldOut(
        target=target,
        protocol=PROTOCOL,
        people=len(split.test),
        trials=part.trials,
        windows=len(part.high),
        accuracy=round(float(accuracy_score(part.high, said)), 4),
        balanced_accuracy=round(float(balanced_accuracy_score(part.high, said)), 4),
        auroc=round(float(roc_auc_score(part.high, high)), 4),
        majority_accuracy=round(float((part.high == majority).mean()), 4),
    )


def _describe_training(people: Sequence[PersonWindows], windows: int) -> TrainedOn:
    simulated = people[0].simulated
    return TrainedOn(
        dataset="simulated people in DEAP's format" if simulated else "DEAP",
        simulated=simulated,
        people=len(people),
        windows=windows,
        digest=digest(people),
    )
