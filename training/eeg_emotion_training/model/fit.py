"""Fits one network to one target for use, and tests it on people who were held out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.inference.calibration import scale
from eeg_emotion.inference.contract import (
    Calibration,
    HeldOut,
    ReliabilityBin,
    RestBaseline,
    Target,
    TrainedOn,
)
from eeg_emotion_training.data.code_version import code_version
from eeg_emotion_training.data.normalising import fit_to_training, normalised
from eeg_emotion_training.data.sources import DataError, Source, digest_of, refuse_unknown
from eeg_emotion_training.data.windows import PersonWindows, cut_person
from eeg_emotion_training.evaluation.calibration import (
    bin_index,
    expected_calibration_error,
    fit_temperature,
    reliability,
    unsure_band,
)
from eeg_emotion_training.evaluation.protocols import FOR_USE, Fold, WindowIndex, index_of
from eeg_emotion_training.evaluation.scores import Predictions, by_trial, summarise
from eeg_emotion_training.model.run import Run, refuse_existing, save_run
from eeg_emotion_training.networks.curve import Point
from eeg_emotion_training.networks.names import NetworkName
from eeg_emotion_training.networks.scalars import scalars
from eeg_emotion_training.networks.settings import TrainSettings
from eeg_emotion_training.networks.trainer import Trained, train

_RELIABILITY_BINS = 10  # as in the report's plot


class FitSettings(TrainSettings):
    """What may be chosen about a fit."""

    target: str
    path: PathSettings
    network: NetworkName
    normaliser: NormaliserKind = "training"


def read_people(
    source: Source, path: PathSettings, announce: Callable[[str], None]
) -> list[PersonWindows]:
    """Cut everyone's trials into windows, except those that the service would refuse to score."""
    people = []
    for person in sorted(source.digests):
        windows = cut_person(person, source.read(person), path)
        people.append(windows.only_scorable())
        left_out = len(windows.trial) - len(people[-1].trial)
        announce(
            f"read {person}: {len(windows.high)} trials, {len(windows.trial)} windows"
            + (f", {left_out} of them left out for poor signal" if left_out else "")
        )
    return people


def fit(
    people: Sequence[PersonWindows],
    source: Source,
    settings: FitSettings,
    out: Path,
    announce: Callable[[str], None],
) -> Run:
    """Fit, calibrate, test on people never seen, and write the run's folder.

    The step with the lowest loss on validation people is taken, and their windows choose the
    temperature and what is unsure; test people choose nothing.

    Raises
    ------
    SplitError, DataError, RunError
        If there are too few people, a part has one class only, the training windows cannot be
        normalised, or `out` exists.
    """
    refuse_existing(out)
    refuse_unknown(settings.target, source)
    out.parent.mkdir(parents=True, exist_ok=True)
    index = index_of(people, source.labels.index(settings.target))
    (fold,) = FOR_USE.folds(index, settings.seed)
    parts = {"training": fold.training, "validation": fold.validation, "test": fold.test}
    for name, part in parts.items():
        _refuse_one_class(index.high[part], settings.target, name)
    who = {name: tuple(np.unique(index.person[part]).tolist()) for name, part in parts.items()}
    representation = settings.path.representation
    features = normalised(people, fold.training, representation, settings.normaliser)
    announce(
        f"{settings.target}: people: {len(who['training'])} for training ({len(fold.training)} "
        f"windows), {len(who['validation'])} for validation, {len(who['test'])} held out "
        f"({', '.join(who['test'])})"
    )
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".unfinished-") as scratch:
        unfinished = Path(scratch) / out.name
        with scalars(unfinished / "logs") as write:

            def follow(point: Point) -> None:
                write(point)
                announce(
                    f"step {point.step}: loss {point.training_loss:.4f}, accuracy "
                    f"{point.training_accuracy:.3f}; validation loss {point.validation_loss:.4f}"
                )

            trained = train(features, index.high, fold, settings.network, settings, follow)
        calibration = _calibrate(trained, index, fold, len(who["validation"]))
        run = Run(
            target=Target(name=settings.target, calibration=calibration),
            network=settings.network,
            path=settings.path,
            normaliser=(
                RestBaseline()
                if settings.normaliser == "rest-baseline"
                else fit_to_training(people, fold.training, representation)
            ),
            label_policy=source.label_policy,
            trained_on=TrainedOn(
                dataset=source.name,
                simulated=source.simulated,
                people=len(who["training"]),
                windows=len(fold.training),
                digest=digest_of({name: source.digests[name] for name in who["training"]}),
            ),
            training_people=who["training"],
            validation_people=who["validation"],
            test_people=who["test"],
            held_out=_test(trained, index, fold, settings.target, calibration),
            best_step=trained.best_step,
            curve=trained.curve,
            code_version=code_version(),
            **settings.train_settings(),
        )
        save_run(out, run, trained.network, unfinished)
    return run


def _calibrate(trained: Trained, index: WindowIndex, fold: Fold, people: int) -> Calibration:
    high = index.high[fold.validation]
    temperature = fit_temperature(trained.validation, high)
    probability = scale(trained.validation, temperature)
    return Calibration(
        temperature=temperature,
        unsure=unsure_band(probability, high),
        windows=len(high),
        people=people,
        ece_before=round(expected_calibration_error(trained.validation, high), 4),
        ece_after=round(expected_calibration_error(probability, high), 4),
    )


def _test(
    trained: Trained, index: WindowIndex, fold: Fold, target: str, calibration: Calibration
) -> HeldOut:
    predictions = Predictions(
        index.person[fold.test],
        index.trial[fold.test].astype(np.int64),
        index.high[fold.test],
        scale(trained.test, calibration.temperature),
    )
    windows, trials = summarise(predictions), summarise(by_trial(predictions))
    of_trials = trials.scores["balanced_accuracy"]
    return HeldOut(
        target=target,
        protocol=FOR_USE.text,
        people=windows.people,
        trials=windows.trials,
        windows=windows.windows,
        accuracy=round(windows.scores["accuracy"].value, 4),
        balanced_accuracy=round(windows.scores["balanced_accuracy"].value, 4),
        auroc=round(windows.scores["auroc"].value, 4),
        majority_accuracy=round(windows.majority_accuracy, 4),
        ece=round(windows.scores["ece"].value, 4),
        trial_balanced_accuracy=round(of_trials.value, 4),
        trial_interval=(round(of_trials.low, 4), round(of_trials.high, 4)),
        reliability=_bins(predictions.probability, predictions.high),
    )


def _bins(probability: NDArray[np.float64], high: NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """Return the points of a calibration plot, over all people's windows together."""
    filled = np.unique(bin_index(probability, _RELIABILITY_BINS)).tolist()
    predicted, observed, windows = reliability(probability, high, _RELIABILITY_BINS)
    return tuple(
        ReliabilityBin(
            low=place / _RELIABILITY_BINS,
            high=(place + 1) / _RELIABILITY_BINS,
            predicted=round(mean, 6),
            observed=round(share, 6),
            windows=count,
        )
        for place, mean, share, count in zip(
            filled, predicted.tolist(), observed.tolist(), windows.tolist(), strict=True
        )
    )


def _refuse_one_class(high: NDArray[np.bool_], target: str, part: str) -> None:
    if len(np.unique(high)) < 2:
        raise DataError(
            f"found only {'high' if high[0] else 'low'} {target} among the {part} people, "
            "expected both classes; add people or choose another seed"
        )
