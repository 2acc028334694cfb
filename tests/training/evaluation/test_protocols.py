from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.examples import examples
from tests.support.study_people import made_people, plan

from eeg_emotion_training.evaluation.protocols import (
    FOR_USE,
    LOSO,
    PAPER,
    PROTOCOLS,
    SEGMENT,
    STIMULUS,
    TRIAL,
    Fold,
    LeakError,
    Protocol,
    SplitError,
    WindowIndex,
    leak_share,
)
from eeg_emotion_training.study import task as task_module
from eeg_emotion_training.study.task import run_task

# What each protocol promises, written down a second time: units that are apart in the test, and
# those that are apart in validation. None: there is no validation part.
PROMISED: dict[str, tuple[set[str], set[str] | None]] = {
    "paper": ({"windows"}, None),
    "segment": ({"windows"}, None),
    "trial": ({"windows", "trials"}, {"windows", "trials"}),
    "loso": ({"windows", "trials", "people"}, {"windows", "trials", "people"}),
    "stimulus": (
        {"windows", "trials", "people", "stimuli"},
        {"windows", "trials", "people"},
    ),
}
WITHIN_PERSON = ("paper", "segment", "trial")


def made_index(people: int, trials: int, windows: int, seed: int = 0) -> WindowIndex:
    """Everyone saw the same stimuli, in an order of their own; labels are drawn by trial."""
    rng = np.random.default_rng(seed)
    persons = np.repeat([f"p{number}" for number in range(people)], trials * windows)
    shown = np.concatenate([rng.permutation(trials) for _ in range(people)])
    return WindowIndex(
        person=persons,
        trial=np.tile(np.repeat(np.arange(trials, dtype=np.int32), windows), people),
        stimulus=np.repeat([f"video {number}" for number in shown], windows),
        high=np.repeat(rng.random(people * trials) < 0.4, windows),
    )


def units(index: WindowIndex, unit: str, part: np.ndarray) -> set[object]:
    columns: dict[str, Callable[[int], object]] = {
        "windows": lambda w: w,
        "trials": lambda w: (index.person[w], index.trial[w]),
        "people": lambda w: index.person[w],
        "stimuli": lambda w: index.stimulus[w],
    }
    return {columns[unit](int(w)) for w in part}


def assert_as_promised(name: str, index: WindowIndex, folds: list[Fold]) -> None:
    of_test, of_validation = PROMISED[name]
    tested: list[int] = []
    for fold in folds:
        parts = [fold.training.tolist(), fold.validation.tolist(), fold.test.tolist()]
        everything = [window for part in parts for window in part]
        assert len(set(everything)) == len(everything)
        others = np.concatenate([fold.training, fold.validation])
        for unit in of_test:
            assert not units(index, unit, fold.test) & units(index, unit, others)
        if of_validation is None:
            assert not len(fold.validation)
        else:
            assert len(fold.validation)
            for unit in of_validation:
                assert not units(index, unit, fold.validation) & units(index, unit, fold.training)
        assert len(fold.training)
        tested += fold.test.tolist()
    assert sorted(tested) == list(range(len(index.high)))
    assert len({fold.name for fold in folds}) == len(folds)


@pytest.mark.parametrize("name", PROMISED)
@given(
    people=st.integers(4, 9),
    trials=st.integers(5, 11),
    windows=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
@examples(25)
def test_every_window_is_tested_once_by_a_model_that_saw_nothing_of_its_unit(
    name: str, people: int, trials: int, windows: int, seed: int
) -> None:
    people = 1 if name in WITHIN_PERSON else people
    index = made_index(people, trials, windows, seed)
    assert_as_promised(name, index, PROTOCOLS[name].folds(index, seed))


def digest_of_folds(protocol: Protocol) -> str:
    index = made_index(1 if protocol.within_person else 7, trials=10, windows=3, seed=5)
    folds = protocol.folds(index, seed=11)
    text = "".join(f"{fold.name} {fold.digest(index)}\n" for fold in folds)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_folds_are_those_of_earlier_releases() -> None:
    """A result is named by its split: with other folds, finished studies would start over."""
    assert {one.name: digest_of_folds(one) for one in (*PROTOCOLS.values(), FOR_USE)} == {
        "paper": "75f2e61dc1c328c5",
        "segment": "75f2e61dc1c328c5",
        "trial": "a8a0accbf4c1a95b",
        "loso": "689ed8c0d62708ab",
        "stimulus": "5022ff8996e40c3e",
        "people": "a1443ffed0a3ee67",
    }


def test_the_promises_are_of_all_protocols() -> None:
    assert set(PROMISED) == set(PROTOCOLS)


@pytest.mark.parametrize("protocol", [PAPER, SEGMENT], ids=lambda p: p.name)
def test_three_quarters_train_as_in_the_paper_and_classes_are_shared_out(
    protocol: Protocol,
) -> None:
    index = made_index(1, trials=40, windows=12)
    for fold in protocol.folds(index, seed=1):
        assert (len(fold.training), len(fold.test)) == (360, 120)
        share = index.high[fold.test].mean()
        assert share == pytest.approx(index.high.mean(), abs=1 / 120)


def test_of_forty_trials_ten_are_tested_on_and_six_choose_the_step() -> None:
    index = made_index(1, trials=40, windows=12)
    for fold in TRIAL.folds(index, seed=1):
        counts = [len(units(index, "trials", p)) for p in (fold.training, fold.validation)]
        assert (*counts, len(units(index, "trials", fold.test))) == (24, 6, 10)
        # Each part has its share of both classes, to a trial.
        highs = len(units(index, "trials", fold.test[index.high[fold.test]]))
        assert highs == pytest.approx(index.high.mean() * 10, abs=1)


def test_loso_tests_each_person_alone_and_a_fifth_of_the_others_choose() -> None:
    index = made_index(11, trials=5, windows=2)
    folds = LOSO.folds(index, seed=1)
    assert [units(index, "people", fold.test) for fold in folds] == [
        {person} for person in np.unique(index.person)
    ]
    assert {len(units(index, "people", fold.validation)) for fold in folds} == {2}
    # Not the same two every time.
    assert len({frozenset(units(index, "people", fold.validation)) for fold in folds}) > 3


@pytest.mark.parametrize("people", [3, 4, 6])
def test_stimulus_tests_every_person_on_every_stimulus_once(people: int) -> None:
    index = made_index(people, trials=8, windows=2)
    tested = [
        (index.person[w], index.stimulus[w])
        for fold in STIMULUS.folds(index, seed=1)
        for w in fold.test[::1]
    ]
    assert len(tested) == len(index.high)
    assert len(set(tested)) == people * 8


def contents(index: WindowIndex, folds: list[Fold]) -> dict[str, list[set[tuple[str, int, int]]]]:
    """Return for each fold its parts, named by person, trial and place within the trial."""
    place: dict[tuple[str, int], int] = {}
    names = []
    for person, trial in zip(index.person.tolist(), index.trial.tolist(), strict=True):
        place[person, trial] = place.get((person, trial), -1) + 1
        names.append((person, trial, place[person, trial]))
    return {
        fold.name: [
            {names[w] for w in part} for part in (fold.training, fold.validation, fold.test)
        ]
        for fold in folds
    }


@pytest.mark.parametrize("name", PROMISED)
def test_the_same_seed_draws_the_same_split_and_another_one_another(name: str) -> None:
    index = made_index(1 if name in WITHIN_PERSON else 6, trials=12, windows=3)
    split = PROTOCOLS[name].folds
    assert contents(index, split(index, 7)) == contents(index, split(index, 7))
    assert contents(index, split(index, 7)) != contents(index, split(index, 8))


@pytest.mark.parametrize("protocol", [LOSO, STIMULUS, FOR_USE], ids=lambda p: p.name)
def test_the_order_of_people_does_not_matter(protocol: Protocol) -> None:
    index = made_index(6, trials=8, windows=3)
    order = np.concatenate([np.flatnonzero(index.person == f"p{n}") for n in (3, 0, 5, 1, 4, 2)])
    turned = index.take(order)
    assert contents(turned, protocol.folds(turned, 4)) == contents(index, protocol.folds(index, 4))


@pytest.mark.parametrize("name", WITHIN_PERSON)
def test_people_of_one_seed_are_not_split_alike(name: str) -> None:
    """Otherwise one unlucky draw would be in everyone's result."""
    index = made_index(1, trials=12, windows=3)
    other = replace(index, person=np.full(len(index.high), "q"))
    tests = [
        [fold.test.tolist() for fold in PROTOCOLS[name].folds(one, 1)] for one in (index, other)
    ]
    assert tests[0] != tests[1]


def test_for_use_a_quarter_is_held_out_and_a_fifth_of_the_others_chooses() -> None:
    index = made_index(20, trials=5, windows=1)
    (fold,) = FOR_USE.folds(index, seed=1)
    parts = [units(index, "people", p) for p in (fold.training, fold.validation, fold.test)]
    assert [len(part) for part in parts] == [12, 3, 5]
    assert len(set.union(*parts)) == 20


@pytest.mark.parametrize("name", PROMISED)
def test_only_leaky_protocols_test_on_trials_that_were_trained_on(name: str) -> None:
    index = made_index(1 if name in WITHIN_PERSON else 5, trials=10, windows=12)
    shares = [leak_share(fold, index) for fold in PROTOCOLS[name].folds(index, seed=1)]
    if name in ("paper", "segment"):
        assert min(shares) > 0.95
        assert PROTOCOLS[name].leaks
        assert "leaky" in PROTOCOLS[name].text
    else:
        assert shares == [0.0] * len(shares)
        assert not PROTOCOLS[name].leaks


def test_leak_share_counts_windows_whose_trial_was_trained_on() -> None:
    index = made_index(1, trials=4, windows=2)
    fold = Fold("f", training=np.array([0, 2]), validation=np.array([4]), test=np.array([1, 3, 5]))
    assert leak_share(fold, index) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("name", "people", "trials", "windows", "message"),
    [
        ("paper", 1, 3, 1, "p0: found 3 windows, expected at least 4"),
        ("segment", 1, 1, 3, "p0: found 3 windows, expected at least 4"),
        ("trial", 1, 4, 12, "p0: found 4 trials, expected at least 5"),
        ("loso", 2, 9, 2, "the data set: found 2 people, expected at least 3"),
        ("stimulus", 2, 9, 2, "the data set: found 2 people, expected at least 3"),
        ("stimulus", 5, 3, 2, "the data set: found 3 stimuli, expected at least 4"),
    ],
)
def test_too_little_to_hold_apart_is_refused(
    name: str, people: int, trials: int, windows: int, message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        PROTOCOLS[name].folds(made_index(people, trials, windows), 1)


def test_no_window_at_all_is_refused_too() -> None:
    nothing = made_index(1, 5, 2).take(np.empty(0, dtype=np.intp))
    for name in WITHIN_PERSON:
        with pytest.raises(SplitError, match="found 0"):
            PROTOCOLS[name].folds(nothing, 1)


@pytest.mark.parametrize("part", ["training", "validation", "test"])
def test_a_fold_without_a_part_that_its_protocol_promises_is_refused(part: str) -> None:
    """For instance where no one who was drawn to choose saw the stimuli that are left."""
    index = made_index(6, trials=8, windows=2)
    nobody: dict[str, Any] = {part: np.empty(0, dtype=np.intp)}
    fold = replace(STIMULUS.folds(index, 1)[0], **nobody)
    with pytest.raises(SplitError, match="found no windows to"):
        STIMULUS.assert_apart(fold, index)


def leaking(protocol: Protocol) -> Protocol:
    """Put a window into training although the protocol declares it held out with the test."""

    def split(index: WindowIndex, seed: int) -> list[Fold]:
        folds = protocol.split(index, seed)
        last = folds[-1]
        unit = protocol.test_apart[-1]
        # Another window of the unit where there is one; the tested one itself only under paper.
        if unit == "windows":
            let_in, test = last.test[:1], last.test
        else:
            of = index.units(unit)
            same = np.flatnonzero(of == of[last.test[0]])
            others = np.setdiff1d(same, np.concatenate([last.training, last.validation]))
            let_in, test = others[-1:], np.setdiff1d(last.test, others[-1:])
        folds[-1] = replace(last, training=np.append(last.training, let_in), test=test)
        return folds

    return replace(protocol, split=split)


@pytest.mark.parametrize("name", PROMISED)
def test_a_split_that_leaks_is_refused_by_its_own_declaration(name: str) -> None:
    index = made_index(1 if name in WITHIN_PERSON else 5, trials=8, windows=3)
    with pytest.raises(LeakError, match=f"protocol {name}, .*expected none. Nothing was trained"):
        leaking(PROTOCOLS[name]).folds(index, 1)


@pytest.mark.parametrize("name", ["trial", "loso", "stimulus"])
def test_who_chooses_the_step_may_not_train_either(name: str) -> None:
    protocol = PROTOCOLS[name]
    index = made_index(1 if name in WITHIN_PERSON else 5, trials=8, windows=3)
    fold = protocol.folds(index, 1)[0]
    last = fold.validation[-1:]
    mixed = replace(fold, training=np.append(fold.training, last), validation=fold.validation[:-1])
    with pytest.raises(LeakError, match="both in validation and in training"):
        protocol.assert_apart(mixed, index)


@pytest.mark.parametrize("name", ["segment", "trial", "loso", "stimulus"])
def test_nothing_is_trained_on_a_split_that_leaks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = made_people(4)
    (task, *_) = plan(people, tmp_path, protocols=(name,), networks=("logistic",)).tasks
    (tmp_path / "study" / "study.json").unlink()
    monkeypatch.setitem(PROTOCOLS, name, leaking(PROTOCOLS[name]))
    trained: list[object] = []
    monkeypatch.setattr(task_module, "normalised", lambda *given: trained.append(given))
    with pytest.raises(LeakError):
        plan(people, tmp_path, protocols=(name,))
    # Nor by a worker whose splitter leaks although the one that planned did not.
    with pytest.raises(LeakError):
        run_task(task)
    assert not trained
    assert not (tmp_path / "study").exists() or not list((tmp_path / "study").rglob("*.*"))
