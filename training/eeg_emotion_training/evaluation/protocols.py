"""Protocols: which windows train, which choose, and which are only tested on.

A protocol only splits. It declares what it holds apart, and every split is held against that
declaration before anything is trained on it. What a protocol does not hold apart leaks: windows of
one trial share the trial's background, so that a network may know the trial instead of the emotion.

The folds are scikit-learn's where a splitter of its own makes them: `LeaveOneGroupOut` over people,
and `PredefinedSplit` of the parts that `_deal` assigned. The assignment itself is ours. Shuffled
`StratifiedKFold`, `GroupKFold` and `StratifiedGroupKFold` draw other parts from the same seed, so
finished studies could not be compared with new ones; and none of them draws by names (people of one
seed would be split alike), nor holds people and stimuli apart at once.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.data.windows import PersonWindows

FOLDS = 4  # the paper's number
PAPER_WINDOW_SECONDS = 5.25  # 63 s in 12 windows of 672 samples; the paper calls them 5 s
WINDOW_SECONDS = 5.0

Unit = Literal["windows", "trials", "people", "stimuli"]


class SplitError(EegEmotionError):
    """The windows cannot be split as the protocol demands."""


class LeakError(EegEmotionError):
    """A split mixes what its protocol declares to hold apart."""


@dataclass(frozen=True, slots=True)
class WindowIndex:
    """What a protocol may know of the windows, one entry each.

    Attributes
    ----------
    person, trial, stimulus
        `(windows,)`: whose it is, the trial's number within the person, and what was shown.
    high
        `(windows,)`: its label.
    """

    person: NDArray[np.str_]
    trial: NDArray[np.int32]
    stimulus: NDArray[np.str_]
    high: NDArray[np.bool_]

    def units(self, unit: Unit) -> NDArray[np.generic]:
        """Return for each window the name of the unit that it belongs to."""
        if unit == "windows":
            return np.arange(len(self.high))
        if unit == "people":
            return self.person
        if unit == "stimuli":
            return self.stimulus
        return np.char.add(np.char.add(self.person, "/"), self.trial.astype(np.str_))

    def take(self, windows: NDArray[np.intp]) -> WindowIndex:
        """Return the index of some of the windows."""
        return WindowIndex(
            self.person[windows], self.trial[windows], self.stimulus[windows], self.high[windows]
        )


@dataclass(frozen=True, slots=True)
class Fold:
    """One split: numbers of windows, each in at most one part.

    `validation` may be empty; then nothing is chosen, and training runs its full length.
    """

    name: str
    training: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]

    def digest(self, index: WindowIndex) -> str:
        """Name the split by what lies in each part."""
        trials = index.units("trials")
        sha256 = hashlib.sha256()
        for part in (self.training, self.validation, self.test):
            sha256.update("\n".join(f"{trials[w]}:{w}:{index.high[w]}" for w in part).encode())
            sha256.update(b"|")
        return sha256.hexdigest()


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way to split.

    Attributes
    ----------
    name
        Its name on the command line and in every table.
    text
        What is held out, in words.
    test_apart
        Units of which no one lies both in the test and outside it.
    validation_apart
        Units of which no one lies both in validation and in training; empty without validation.
    within_person
        True where every person is split alone.
    baseline
        True where windows begin with the trial's baseline, as the paper's do.
    window_seconds
        A window's length.
    split
        Makes the folds of an index.
    """

    name: str
    text: str
    test_apart: tuple[Unit, ...]
    validation_apart: tuple[Unit, ...]
    within_person: bool
    baseline: bool
    window_seconds: float
    split: Callable[[WindowIndex, int], list[Fold]]

    @property
    def leaks(self) -> bool:
        """True where windows of one trial may lie on both sides."""
        return self.test_apart == ("windows",)

    def folds(self, index: WindowIndex, seed: int) -> list[Fold]:
        """Split, and prove that every fold holds apart what the protocol declares.

        Raises
        ------
        SplitError
            If there is too little to split.
        LeakError
            If a fold mixes what must be apart.
        """
        folds = self.split(index, seed)
        for fold in folds:
            self.assert_apart(fold, index)
        return folds

    def assert_apart(self, fold: Fold, index: WindowIndex) -> None:
        """Refuse a fold that mixes what the protocol declares to hold apart."""
        others = np.concatenate([fold.training, fold.validation])
        pairs = [("test", fold.test, "training or validation", others, self.test_apart)]
        if len(fold.validation):
            pairs.append(
                ("validation", fold.validation, "training", fold.training, self.validation_apart)
            )
        for name, part, other_name, other, apart in pairs:
            # Windows are always apart, whatever else is.
            for unit in ("windows", *apart):
                of = index.units(unit)
                shared = np.intersect1d(of[part], of[other])
                if len(shared):
                    raise LeakError(
                        f"protocol {self.name}, {fold.name}: found {len(shared)} {unit} both in "
                        f"{name} and in {other_name}, such as {shared[0]}; expected none. Nothing "
                        "was trained: mend the split"
                    )
        needed = {"train": fold.training, "test": fold.test}
        if self.validation_apart:
            needed["choose the step"] = fold.validation
        for what, part in needed.items():
            if not len(part):
                raise SplitError(
                    f"protocol {self.name}, {fold.name}: found no windows to {what}, expected "
                    "some; add data, or choose another protocol"
                )


def index_of(people: Sequence[PersonWindows], label: int) -> WindowIndex:
    """List the windows of people, one person after the other, with one of their labels."""
    return WindowIndex(
        person=np.concatenate([np.full(len(one.trial), one.person) for one in people]),
        trial=np.concatenate([one.trial for one in people]),
        stimulus=np.concatenate([np.array(one.stimuli)[one.trial] for one in people]),
        high=np.concatenate([one.high[one.trial, label] for one in people]),
    )


def leak_share(fold: Fold, index: WindowIndex) -> float:
    """Return the share of test windows of whose trial other windows were trained on."""
    trials = index.units("trials")
    return float(np.isin(trials[fold.test], trials[fold.training]).mean())


def _rng(seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def _deal(high: NDArray[np.bool_], parts: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Deal items into parts of equal size and, as far as may be, of equal shares of each class."""
    order = np.concatenate([rng.permutation(np.flatnonzero(high == value)) for value in (0, 1)])
    dealt = np.empty(len(high), dtype=np.intp)
    dealt[order] = np.arange(len(high)) % parts
    return dealt


def _trials_of(index: WindowIndex) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the trials of one person, and the label of each."""
    trials, first = np.unique(index.trial, return_index=True)
    return trials, index.high[first]


def refuse_few_people(count: int) -> None:
    """Refuse fewer people than one to train, one to choose and one to test."""
    _refuse_fewer("the data set", "people", count, 3)


def _refuse_few(index: WindowIndex, what: str, found: int, fewest: int) -> None:
    alone = what in ("windows", "trials") and len(index.person) > 0
    _refuse_fewer(str(index.person[0]) if alone else "the data set", what, found, fewest)


def _refuse_fewer(who: str, what: str, found: int, fewest: int) -> None:
    if found < fewest:
        raise SplitError(
            f"{who}: found {found} {what}, expected at least {fewest} to hold some apart; add "
            "data, leave the person out, or choose another protocol"
        )


# scikit-learn is imported where it splits: the command line needs this module, and not the extra,
# to refuse too few people.
def _split_windows(index: WindowIndex, seed: int) -> list[Fold]:
    _refuse_few(index, "windows", len(index.high), FOLDS)
    from sklearn.model_selection import PredefinedSplit

    dealt = _deal(index.high, FOLDS, _rng(seed, "windows", index.person[0]))
    nobody = np.empty(0, dtype=np.intp)
    return [
        Fold(f"{index.person[0]}-{number}", training, nobody, test)
        for number, (training, test) in enumerate(PredefinedSplit(dealt).split(), start=1)
    ]


def _split_trials(index: WindowIndex, seed: int) -> list[Fold]:
    trials, high = _trials_of(index)
    _refuse_few(index, "trials", len(trials), FOLDS + 1)
    from sklearn.model_selection import PredefinedSplit

    rng = _rng(seed, "trials", index.person[0])
    folds = []
    split = PredefinedSplit(_deal(high, FOLDS, rng)).split()
    for number, (rest, tested) in enumerate(split, start=1):
        # A fifth of the other trials choose the step and the temperature.
        chooses = _deal(high[rest], min(5, len(rest)), rng) == 0
        folds.append(
            Fold(
                f"{index.person[0]}-{number}",
                training=np.flatnonzero(np.isin(index.trial, trials[rest[~chooses]])),
                validation=np.flatnonzero(np.isin(index.trial, trials[rest[chooses]])),
                test=np.flatnonzero(np.isin(index.trial, trials[tested])),
            )
        )
    return folds


def _split_people(index: WindowIndex, seed: int) -> list[Fold]:
    _refuse_few(index, "people", len(np.unique(index.person)), 3)
    from sklearn.model_selection import LeaveOneGroupOut

    folds = []
    for rest, test in LeaveOneGroupOut().split(index.person, groups=index.person):
        person, others = index.person[test[0]], np.unique(index.person[rest])
        chooses = np.isin(index.person[rest], _draw_fifth(others, _rng(seed, "people", person)))
        folds.append(Fold(person, training=rest[~chooses], validation=rest[chooses], test=test))
    return folds


def _split_people_and_stimuli(index: WindowIndex, seed: int) -> list[Fold]:
    people, stimuli = np.unique(index.person), np.unique(index.stimulus)
    _refuse_few(index, "people", len(people), 3)
    _refuse_few(index, "stimuli", len(stimuli), FOLDS)
    rng = _rng(seed, "stimuli")
    of_people = rng.permutation(len(people)) % min(FOLDS, len(people))
    of_stimuli = rng.permutation(len(stimuli)) % FOLDS
    folds = []
    for group in range(of_people.max() + 1):
        tested, others = people[of_people == group], people[of_people != group]
        chooses = _draw_fifth(others, rng)
        for part in range(FOLDS):
            shown = np.isin(index.stimulus, stimuli[of_stimuli == part])
            folds.append(
                Fold(
                    f"people-{group + 1}-stimuli-{part + 1}",
                    training=np.flatnonzero(
                        np.isin(index.person, np.setdiff1d(others, chooses)) & ~shown
                    ),
                    validation=np.flatnonzero(np.isin(index.person, chooses) & ~shown),
                    test=np.flatnonzero(np.isin(index.person, tested) & shown),
                )
            )
    return folds


def _split_for_use(index: WindowIndex, seed: int) -> list[Fold]:
    people = np.unique(index.person)
    _refuse_few(index, "people", len(people), 3)
    rng = _rng(seed, "use")
    tested = rng.choice(people, max(1, round(len(people) / 4)), replace=False)
    others = np.setdiff1d(people, tested)
    chooses = _draw_fifth(others, rng)
    return [
        Fold(
            "held-out people",
            training=np.flatnonzero(np.isin(index.person, np.setdiff1d(others, chooses))),
            validation=np.flatnonzero(np.isin(index.person, chooses)),
            test=np.flatnonzero(np.isin(index.person, tested)),
        )
    ]


def _draw_fifth(people: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.str_]:
    return rng.choice(people, max(1, round(len(people) / 5)), replace=False)


PAPER = Protocol(
    name="paper",
    text="windows held out at random within each person, baseline inside, 12 of 672 samples a "
    "trial, 75 % train and 25 % test; other windows of the same trials train (leaky)",
    test_apart=("windows",),
    validation_apart=(),
    within_person=True,
    baseline=True,
    window_seconds=PAPER_WINDOW_SECONDS,
    split=_split_windows,
)
SEGMENT = Protocol(
    name="segment",
    text="as paper, but the baseline is cut off, 12 windows of 640 samples a trial (leaky)",
    test_apart=("windows",),
    validation_apart=(),
    within_person=True,
    baseline=False,
    window_seconds=WINDOW_SECONDS,
    split=_split_windows,
)
TRIAL = Protocol(
    name="trial",
    text="whole trials held out within each person; other trials of the person train, a fifth of "
    "those choose the step",
    test_apart=("windows", "trials"),
    validation_apart=("windows", "trials"),
    within_person=True,
    baseline=False,
    window_seconds=WINDOW_SECONDS,
    split=_split_trials,
)
LOSO = Protocol(
    name="loso",
    text="each person held out in turn; a fifth of the other people choose the step",
    test_apart=("windows", "trials", "people"),
    validation_apart=("windows", "trials", "people"),
    within_person=False,
    baseline=False,
    window_seconds=WINDOW_SECONDS,
    split=_split_people,
)
STIMULUS = Protocol(
    name="stimulus",
    text="people and stimuli both held out; a fifth of the other people choose the step",
    test_apart=("windows", "trials", "people", "stimuli"),
    validation_apart=("windows", "trials", "people"),
    within_person=False,
    baseline=False,
    window_seconds=WINDOW_SECONDS,
    split=_split_people_and_stimuli,
)
FOR_USE = Protocol(
    name="people",
    text="people held out; others chose the step, the temperature and what is unsure",
    test_apart=("windows", "trials", "people"),
    validation_apart=("windows", "trials", "people"),
    within_person=False,
    baseline=False,
    window_seconds=WINDOW_SECONDS,
    split=_split_for_use,
)
"""How a model for use is made: one split, no part of a study."""

PROTOCOLS = {protocol.name: protocol for protocol in (PAPER, SEGMENT, TRIAL, LOSO, STIMULUS)}
