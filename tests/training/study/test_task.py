from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.study_people import MadePeople, made_people, plan

from eeg_emotion_training.data.windows import PersonWindows
from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.study import task as task_module
from eeg_emotion_training.study.plan import Study
from eeg_emotion_training.study.results import Result, load_result
from eeg_emotion_training.study.task import (
    Task,
    TaskError,
    labelled_index,
    load_people,
    run_task,
)


def run(task: Task) -> Result:
    record = run_task(task)
    result = load_result(task.results, task.spec)
    assert result is not None
    assert result.record == record
    return result


def of(study: Study, network: str) -> list[Task]:
    return [task for task in study.tasks if task.spec.network == network]


def test_a_result_states_who_was_tested_and_what_was_true(tmp_path: Path) -> None:
    study = plan(made_people(3), tmp_path, protocols=("loso",), networks=("majority",))
    for task in study.tasks:
        result = run(task)
        assert result.record.status == "done"
        assert set(result.person.tolist()) == {task.spec.fold}
        assert result.trial.tolist() == np.repeat(np.arange(8), 2).tolist()
        assert result.high.tolist() == (result.trial % 2 == 1).tolist()
        assert result.probability.tolist() == [0.5] * 16  # half of the trials are high
        assert (result.record.training_people, result.record.training_windows) == (1, 16)
        assert result.record.leak_share == 0.0


def test_a_leaky_result_states_how_much_leaked(tmp_path: Path) -> None:
    study = plan(made_people(1), tmp_path, protocols=("segment",), networks=("majority",))
    assert max(run(task).record.leak_share for task in study.tasks) > 0.5


def test_a_probability_is_scaled_where_there_are_validation_windows(tmp_path: Path) -> None:
    study = plan(made_people(2), tmp_path, protocols=("segment", "trial"), networks=("logistic",))
    for task in study.tasks:
        result = run(task)
        temperature = result.record.temperature
        if task.spec.protocol == "segment":
            assert temperature == 1.0
            assert result.probability.tolist() == result.raw.tolist()
        else:
            odds = np.log(result.raw / (1 - result.raw)) / temperature
            assert result.probability == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-6)
            assert temperature != 1.0


def test_a_finished_task_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (task, *_) = plan(made_people(1), tmp_path).tasks
    first = run_task(task)
    monkeypatch.setattr(task_module, "_run", lambda _: pytest.fail("ran again"))
    assert run_task(task) == first


def windows(person: str, trials: int = 20) -> PersonWindows:
    """Three windows a trial; the second label is constant."""
    high = np.zeros((trials, 2), dtype=np.bool_)
    high[: trials // 4, 0] = True
    return PersonWindows(
        person=person,
        measures=np.zeros((3 * trials, 2, 2), np.float32),
        trial=np.repeat(np.arange(trials, dtype=np.int32), 3),
        scorable=np.ones(3 * trials, np.bool_),
        high=high,
        stimuli=tuple(f"video {number}" for number in range(trials)),
        rest=None,
    )


def test_shuffled_labels_are_permuted_by_trial_within_each_person() -> None:
    people = [windows("a"), windows("b")]
    true = labelled_index(people, "true", 1, 0)
    shuffled = labelled_index(people, "shuffled", 1, 0)
    for name in ("person", "trial", "stimulus"):
        assert getattr(shuffled, name).tolist() == getattr(true, name).tolist()
    by_trial = shuffled.high.reshape(2, 20, 3)
    assert (by_trial == by_trial[:, :, :1]).all()  # windows of a trial stay together
    assert by_trial[:, :, 0].sum(axis=1).tolist() == [5, 5]  # each person keeps their share
    assert by_trial[0].tolist() != by_trial[1].tolist()  # no one permutation for all
    assert by_trial[0].tolist() != true.high[:60].reshape(20, 3).tolist()


def test_the_shuffle_depends_on_the_seed_and_the_person_alone() -> None:
    both = labelled_index([windows("a"), windows("b")], "shuffled", 1, 0)
    alone = labelled_index([windows("b")], "shuffled", 1, 0)
    assert both.high[60:].tolist() == alone.high.tolist()
    assert labelled_index([windows("b")], "shuffled", 2, 0).high.tolist() != alone.high.tolist()


def test_shuffled_labels_are_what_is_trained_and_tested_on(tmp_path: Path) -> None:
    people = made_people(1)
    study = plan(people, tmp_path, networks=("majority",), labels="shuffled")
    (kept,) = study.tasks[0].people
    index = labelled_index(load_people([kept], PROTOCOLS["trial"]), "shuffled", 1, 0)
    said = dict(zip(index.trial.tolist(), index.high.tolist(), strict=True))
    found: dict[int, bool] = {}
    for task in study.tasks:
        result = run(task)
        found |= dict(zip(result.trial.tolist(), result.high.tolist(), strict=True))
    assert found == said
    assert found != {trial: trial % 2 == 1 for trial in range(8)}


def test_a_fold_of_one_class_is_recorded_and_not_trained(tmp_path: Path) -> None:
    study = plan(made_people(2, only_low=("p2",)), tmp_path, networks=("logistic",))
    for task in study.tasks:
        result = run(task)
        if task.spec.fold.startswith("p1"):
            assert result.record.status == "done"
        else:
            assert result.record.status == "skipped"
            assert "found only low valence in the training part" in result.record.reason
            assert not len(result.probability)
    assert not study.unfinished()


def test_a_person_without_rest_has_no_rest_baseline_and_that_is_recorded(tmp_path: Path) -> None:
    people = made_people(1, rest_seconds=10)
    study = plan(people, tmp_path, networks=("logistic",), normalisers=("rest-baseline",))
    result = run(study.tasks[0])
    assert result.record.status == "skipped"
    assert "found too little clean rest" in result.record.reason


def test_a_network_records_its_training_and_the_step_it_chose(tmp_path: Path) -> None:
    study = plan(made_people(1), tmp_path, networks=("bn-gru",), steps=40)
    task = study.tasks[0]
    record = run(task).record
    assert [point.step for point in record.curve] == [10, 20, 30, 40]
    losses = {point.step: point.validation_loss for point in record.curve}
    assert record.best_step == min(losses, key=lambda step: losses[step] or 0.0)
    assert all(point.test_accuracy is None for point in record.curve)
    assert [path.name.startswith("events.out") for path in task.logs.iterdir()] == [True]


@pytest.mark.parametrize("field", ["data_sha256", "code_version", "backend"])
def test_a_worker_that_sees_something_else_than_was_planned_writes_no_result(
    field: str, tmp_path: Path
) -> None:
    """A worker of a cluster may have been started before the code or the data changed."""
    task = plan(made_people(1), tmp_path).tasks[0]
    other = replace(task, spec=task.spec.model_copy(update={field: "other"}))
    with pytest.raises(TaskError, match=f"found the {field} .*, expected other .*restart the work"):
        run_task(other)
    assert not task.results.exists()


def test_another_split_than_was_planned_writes_no_result(tmp_path: Path) -> None:
    task = plan(made_people(1), tmp_path).tasks[0]
    with pytest.raises(TaskError, match="found another split"):
        run_task(replace(task, spec=task.spec.model_copy(update={"split_sha256": "other"})))
    assert not task.results.exists()


def test_a_long_lived_worker_reads_changed_windows_again(tmp_path: Path) -> None:
    """The files have the same names, so a memory of them by name would give the old ones."""

    def said(seed: int, folder: Path) -> list[float]:
        people = MadePeople({"p1": seed})
        task = plan(people, folder, cache=folder / "cache", networks=("logistic",)).tasks[0]
        return [float(value) for value in run(task).raw]

    first = said(1, tmp_path / "a")
    changed = said(2, tmp_path / "a")
    assert changed != first
    assert changed == said(2, tmp_path / "b")


def test_the_digest_of_a_fold_is_of_its_people_in_order(tmp_path: Path) -> None:
    task = plan(made_people(3), tmp_path, protocols=("loso",)).tasks[0]
    manifests = [hashlib.sha256(item.manifest.read_bytes()).hexdigest() for item in task.people]
    assert task.spec.data_sha256 == hashlib.sha256("".join(manifests).encode()).hexdigest()
