"""Whether blinks should invalidate windows: their effect on estimates of people held out.

People at rest and at mental arithmetic, of PhysioNet EEGMAT 1.0.0 (Zyma et al. 2019, Data 4(1):14,
ODC-BY 1.0): 24 people, whose blinks the authors removed. Blinks of `tests/support/blinks.py` are
added to a person's windows and rest; the models are trained on the signals without them. Folds of
three people, of six for the network; a person's windows are standardised by their own 60 s of rest;
nothing is chosen on the people held out. Intervals are 95 % of a bootstrap over people.

make bench ARGS="tests/bench/bench_blinks.py"    # minutes for each representation
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tests.support.blinks import Blinks, add_blinks
from tests.support.needs import SHARED
from tests.support.report import Report

from eeg_emotion.eeg.layout import most_interpolated, plan_layout
from eeg_emotion.eeg.montage import TEN_TWENTY19
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.eeg.representation import BandPower, RawSignal, Representation, Tangent
from eeg_emotion_training.choices import REPRESENTATIONS
from eeg_emotion_training.data.sources import PersonSignal
from eeg_emotion_training.data.table_source import TableSource
from eeg_emotion_training.data.windows import PersonWindows, cut_person
from eeg_emotion_training.evaluation.protocols import Fold
from eeg_emotion_training.networks.settings import TrainSettings
from eeg_emotion_training.networks.trainer import train

Array = NDArray[np.float64]
Disturb = Callable[[Array, float, np.random.Generator], Array]

SEED = 7
SIZES_UV = (300.0, 600.0, 900.0)
FOREHEAD = ("Fp1", "Fp2")
LOOSE = ("C3", "P4")
_NEVER = (1e6, 2e6)
ANYTHING = QualityLimits(
    line_noise_uv=_NEVER, muscle_uv=_NEVER, movement_uv=_NEVER, drift_uv=_NEVER, rms_uv=_NEVER
)
STRENGTH = 0.01  # of the logistic regression, one for all
NETWORK = TrainSettings(units=64, steps=100, batch_size=64, seed=1)
NETWORK_FOLDS = 4  # the linear model has one for three people


# Movement ends the trust in a channel, as it did for every representation


class StrictBandPower(BandPower):
    @property
    def lowest_hz(self) -> float:
        return 0.0


class StrictTangent(Tangent):
    @property
    def lowest_hz(self) -> float:
        return 0.0


def strict(representation: Representation) -> Representation:
    if isinstance(representation, BandPower):
        return StrictBandPower(bands=representation.bands)
    return StrictTangent() if isinstance(representation, Tangent) else representation


# What is added to people's signals


def blinking(uv: float) -> Disturb:
    return lambda samples, sfreq, rng: add_blinks(samples, TEN_TWENTY19, sfreq, Blinks(uv), rng)


def swaying(samples: Array, sfreq: float, rng: np.random.Generator) -> Array:
    """Sway two electrodes' cables: 800 µV at 0.7 to 1.3 Hz, for a third of the time."""
    time = np.arange(samples.shape[1]) / sfreq
    moved = samples.copy()
    for name in LOOSE:
        wave = np.sin(2 * np.pi * (rng.uniform(0.7, 1.3) * time + rng.uniform()))
        now = np.sin(2 * np.pi * (0.1 * time + rng.uniform())) > 0.5
        moved[TEN_TWENTY19.index(name)] += 800.0 * wave * now
    return moved


def popping(samples: Array, sfreq: float, rng: np.random.Generator) -> Array:
    """Let two electrodes pop 10 times a minute: steps of about 1 mV that fade within 0.5 s."""
    moved = samples.copy()
    fading = np.exp(-np.arange(round(3.0 * sfreq)) / (0.5 * sfreq))
    for name in LOOSE:
        for at in np.flatnonzero(rng.random(samples.shape[1]) < 10.0 / 60.0 / sfreq):
            part = moved[TEN_TWENTY19.index(name), at : at + len(fading)]
            part += (
                rng.choice([-1.0, 1.0]) * rng.lognormal(np.log(1000.0), 0.3) * fading[: len(part)]
            )
    return moved


# People and their windows


@cache
def people() -> dict[str, tuple[float, PersonSignal]]:
    """Return each person's rate and signals in µV."""
    source = TableSource(SHARED / "eegmat" / "table-with-rest.csv", TEN_TWENTY19)
    found = {}
    for person in sorted(source.digests):
        signal = source.read(person)
        rows, factors = signal.layout.rows, signal.layout.microvolts[:, np.newaxis]
        found[person] = (
            signal.sfreq,
            replace(
                signal,
                trials=[replace(t, samples=t.samples[rows] * factors) for t in signal.trials],
                rest=[replace(r, samples=r.samples[rows] * factors) for r in signal.rest],
            ),
        )
    return found


def windows(
    representation: Representation,
    disturb: Disturb | None,
    limits: QualityLimits | None,
    lacking: tuple[str, ...] = (),
) -> list[PersonWindows]:
    """Cut every person's windows, with something added, and as if some channels were lacking."""
    settings = PathSettings(
        channels=TEN_TWENTY19,
        representation=representation,
        max_interpolated=most_interpolated(TEN_TWENTY19),
    )
    names = [name for name in TEN_TWENTY19 if name not in lacking]
    rows = [TEN_TWENTY19.index(name) for name in names]
    layout = plan_layout(
        names,
        ["uV"] * len(names),
        channels=TEN_TWENTY19,
        max_interpolated=settings.max_interpolated,
    )
    cut = []
    for number, (person, (sfreq, signal)) in enumerate(people().items()):

        def changed(samples: NDArray[np.floating], *key: int, sfreq: float = sfreq) -> Array:
            given = samples.astype(np.float64)
            if disturb is not None:
                given = disturb(given, sfreq, np.random.default_rng([SEED, *key]))
            return given[rows]

        altered = PersonSignal(
            layout=layout,
            sfreq=sfreq,
            trials=[
                replace(trial, samples=changed(trial.samples, number, 0, index))
                for index, trial in enumerate(signal.trials)
            ],
            rest=[
                replace(rest, samples=changed(rest.samples, number, 1, index))
                for index, rest in enumerate(signal.rest)
            ],
        )
        cut.append(cut_person(person, altered, settings, limits=limits))
    return cut


def features(cut: Sequence[PersonWindows], representation: Representation) -> NDArray[np.float32]:
    """Return the windows by the person's own rest: for linear models one row each."""
    found = []
    for person in cut:
        assert person.rest is not None, f"{person.person} has too little rest"
        given = person.rest.apply(person.measures, representation)
        if isinstance(representation, Tangent):
            given = given[:, -1]
        elif isinstance(representation, BandPower):
            given = given.mean(axis=1, dtype=np.float32)
        found.append(given)
    return np.concatenate(found)


# The models and their scores


@dataclass(frozen=True)
class Truth:
    """Whose each window is, and whether they do arithmetic in it."""

    person: NDArray[np.intp]
    high: NDArray[np.bool_]


def linear(
    clean: NDArray[np.float32], arms: Sequence[NDArray[np.float32]], truth: Truth
) -> list[Array]:
    found = [np.empty(len(truth.high)) for _ in arms]
    folds = (truth.person.max() + 1) // 3
    for fold in range(folds):
        test = truth.person % folds == fold
        model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)
        model.fit(clean[~test], truth.high[~test])
        for probability, arm in zip(found, arms, strict=True):
            probability[test] = model.predict_proba(arm[test])[:, 1]
    return found


def recurrent(
    clean: NDArray[np.float32], arms: Sequence[NDArray[np.float32]], truth: Truth
) -> list[Array]:
    found = np.empty((len(arms), len(truth.high)))
    count = len(truth.high)
    for number in range(NETWORK_FOLDS):
        test = np.flatnonzero(truth.person % NETWORK_FOLDS == number)
        fold = Fold(
            name=f"fold {number}",
            training=np.setdiff1d(np.arange(count), test),
            validation=np.empty(0, dtype=np.intp),
            test=np.concatenate([test + count * (1 + arm) for arm in range(len(arms))]),
        )
        every = np.concatenate([clean, *arms])
        labels = np.tile(truth.high, 1 + len(arms))
        trained = train(every, labels, fold, "bn-gru", NETWORK, lambda point: None)
        found[:, test] = trained.test.reshape(len(arms), len(test))
    return list(found)


def balanced_accuracy(probability: Array, high: NDArray[np.bool_]) -> float:
    if high.all() or not high.any():
        return float("nan")
    said = probability > 0.5
    return float((said[high].mean() + (~said[~high]).mean()) / 2)


def interval(values: Sequence[float]) -> str:
    """Return the mean over people who have a value, and its interval."""
    known = np.array([value for value in values if np.isfinite(value)])
    rng = np.random.default_rng(SEED)
    draws = known[rng.integers(0, len(known), (2000, len(known)))].mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    return f"{known.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def compare(probability: Array, clean: Array, scored: NDArray[np.bool_], truth: Truth) -> str:
    """Report what an arm's scored windows came to, beside the same ones without a disturbance."""
    accuracy, change, moved, turned = [], [], [], []
    for person in range(truth.person.max() + 1):
        rows = np.flatnonzero((truth.person == person) & scored)
        if not len(rows):
            continue
        one, other, high = probability[rows], clean[rows], truth.high[rows]
        accuracy.append(balanced_accuracy(one, high))
        change.append(accuracy[-1] - balanced_accuracy(other, high))
        moved.append(float(np.abs(one - other).mean()))
        turned.append(float(((one > 0.5) != (other > 0.5)).mean()))
    return (
        f"scored {scored.mean():4.0%}  BA {np.nanmean(accuracy):.3f}, change {interval(change)}  "
        f"probability moves {np.mean(moved):.3f}, crosses 0.5 {np.mean(turned):5.1%}"
    )


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared recordings")
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_blinks(name: str, report: Report) -> None:
    representation = REPRESENTATIONS[name]
    raw = isinstance(representation, RawSignal)
    arms = {"without": windows(representation, None, ANYTHING)}
    disturbances: dict[str, Disturb] = {f"blinks of {uv:.0f} µV": blinking(uv) for uv in SIZES_UV}
    disturbances |= {"two electrodes sway": swaying, "two electrodes pop": popping}
    for what, disturb in disturbances.items():
        arms[f"{what}: all left in"] = left_in = windows(representation, disturb, ANYTHING)
        arms[f"{what}: the same, rest without"] = [
            replace(person, rest=calm.rest)
            for person, calm in zip(left_in, arms["without"], strict=True)
        ]
        arms[f"{what}: as served"] = windows(representation, disturb, None)
        if not raw:
            arms[f"{what}: movement refused"] = windows(strict(representation), disturb, None)
        lacking = FOREHEAD if what.startswith("blinks") else LOOSE
        arms[f"{what}: filled in"] = windows(representation, disturb, ANYTHING, lacking)
    cut = arms["without"]
    truth = Truth(
        person=np.repeat(np.arange(len(cut)), [len(person.trial) for person in cut]),
        high=np.concatenate([person.high[person.trial, 0] for person in cut]),
    )
    given = [features(arm, representation) for arm in arms.values()]
    found = (recurrent if raw else linear)(given[0], given, truth)
    for (what, arm), probability in zip(arms.items(), found, strict=True):
        scored = np.concatenate([person.scorable for person in arm])
        report(f"{name}, {what}", compare(probability, found[0], scored, truth))
