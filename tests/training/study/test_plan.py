from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.study_people import CHANNELS, MadePeople, made_people, plan

from eeg_emotion_training.evaluation.protocols import PROTOCOLS
from eeg_emotion_training.networks.settings import DEFAULTS
from eeg_emotion_training.study import plan as study_module
from eeg_emotion_training.study.plan import (
    LeftOut,
    Study,
    StudyError,
    StudySettings,
    load_record,
)
from eeg_emotion_training.study.task import load_people, run_task


def counts(study: Study, *fields: str) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(getattr(task.spec, name) for name in fields) for task in study.tasks)


def test_there_is_a_task_for_every_fold_network_and_target(tmp_path: Path) -> None:
    study = plan(
        made_people(4),
        tmp_path,
        protocols=("paper", "segment", "trial", "loso", "stimulus"),
        networks=("bn-gru", "lstm", "majority", "person-majority", "logistic"),
        targets=("valence", "arousal"),
    )
    folds = {"paper": 16, "segment": 16, "trial": 16, "loso": 4, "stimulus": 16}
    assert counts(study, "protocol", "network", "target") == {
        (protocol, network, target): count
        for protocol, count in folds.items()
        for network in ("bn-gru", "lstm", "majority", "person-majority", "logistic")
        for target in ("valence", "arousal")
    }
    assert len({task.spec.digest for task in study.tasks}) == len(study.tasks)
    assert not study.record.left_out
    assert study.record.people == ("p1", "p2", "p3", "p4")
    # Tasks with one compiled network come together, so that a worker compiles it once.
    shapes = [(t.spec.network, t.spec.protocol) for t in study.tasks]
    assert len([1 for a, b in itertools.pairwise(shapes) if a != b]) + 1 == 25


def test_the_record_holds_the_whole_study(tmp_path: Path) -> None:
    study = plan(made_people(3, notes=("one is missing",)), tmp_path, protocols=("trial", "loso"))
    assert load_record(study.root) == study.record
    assert study.record.specs == tuple(task.spec for task in study.tasks)
    assert (study.record.dataset, study.record.simulated) == ("made people", True)
    assert study.record.notes == ("one is missing",)
    assert study.record.label_rule == "as they were made"


def test_a_folder_without_a_study_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        load_record(tmp_path)
    (tmp_path / "study.json").write_text('{"settings": 1}')
    with pytest.raises(StudyError, match="holds no study"):
        load_record(tmp_path)


def test_a_model_comes_only_where_the_variant_makes_a_difference_to_it(tmp_path: Path) -> None:
    study = plan(
        made_people(1),
        tmp_path,
        networks=("gru", "majority", "logistic"),
        representations=("raw", "bands"),
        montages={"four": CHANNELS, "two": CHANNELS[:2]},
    )
    assert counts(study, "network", "representation", "montage") == {
        ("gru", "raw", "four"): 4,
        ("gru", "bands", "four"): 4,
        ("gru", "raw", "two"): 4,
        ("gru", "bands", "two"): 4,
        ("logistic", "bands", "four"): 4,
        ("logistic", "bands", "two"): 4,
        ("majority", "raw", "four"): 4,
    }


def test_the_linear_model_sees_bands_where_the_networks_see_samples(tmp_path: Path) -> None:
    study = plan(made_people(1), tmp_path, networks=("gru", "logistic"), representations=("raw",))
    assert set(counts(study, "network", "representation")) == {
        ("gru", "raw"),
        ("logistic", "bands"),
    }


def test_no_settings_are_confused(tmp_path: Path) -> None:
    """Every setting that changes a result changes its name."""
    people = made_people(1)
    names = [{task.spec.digest for task in plan(people, tmp_path).tasks}]
    changed: list[dict[str, Any]] = [
        {"units": 5},
        {"steps": 21},
        {"batch_size": 9},
        {"seed": 2},
        {"labels": "shuffled"},
        {"montages": {"four": (*CHANNELS[:3], "O1")}},  # other electrodes under the same name
        {"representations": ("bands7",)},
        {"normalisers": ("rest-baseline",)},
        {"targets": ("arousal",)},
    ]
    names += [{task.spec.digest for task in plan(people, tmp_path, **c).tasks} for c in changed]
    assert len(set.union(*names)) == sum(len(name) for name in names)


def digests(study: Study, protocol: str, person: str) -> set[str]:
    return {
        task.spec.digest
        for task in study.tasks
        if task.spec.protocol == protocol and task.spec.fold.startswith(person)
    }


def test_a_result_depends_on_exactly_the_people_of_its_fold(tmp_path: Path) -> None:
    """MOABB#628: cached results were taken for another set of people."""
    protocols = ("segment", "trial", "loso", "stimulus")
    studies = [
        plan(MadePeople(seeds), tmp_path, protocols=protocols)
        for seeds in (
            {"p1": 1, "p2": 2, "p3": 3},
            {"p1": 1, "p2": 2, "p3": 99},  # another p3
            {"p1": 1, "p2": 2, "p3": 3, "p4": 4},
        )
    ]
    first = studies[0]
    for protocol in ("segment", "trial"):
        for person in ("p1", "p2"):
            assert len(digests(first, protocol, person)) == 8
            for other in studies[1:]:
                assert digests(other, protocol, person) == digests(first, protocol, person)
        assert not digests(studies[1], protocol, "p3") & digests(first, protocol, "p3")
    for other in studies[1:]:
        for protocol in ("loso", "stimulus"):
            assert not digests(other, protocol, "p") & digests(first, protocol, "p")


def test_the_same_study_is_planned_the_same_whatever_the_order_of_people(tmp_path: Path) -> None:
    protocols = ("trial", "loso", "stimulus")
    one = plan(MadePeople({"p1": 1, "p2": 2, "p3": 3}), tmp_path / "a", protocols=protocols)
    two = plan(MadePeople({"p3": 3, "p1": 1, "p2": 2}), tmp_path / "b", protocols=protocols)
    assert one.record == two.record


def test_people_with_too_few_trials_are_left_out_by_name(tmp_path: Path) -> None:
    people = made_people(2, trials={"p2": 4})
    study = plan(people, tmp_path, targets=("valence", "arousal"), normalisers=("training",))
    assert set(counts(study, "fold")) == {(f"p1-{number}",) for number in range(1, 5)}
    assert study.record.left_out == tuple(
        LeftOut(protocol="trial", target=target, who="p2", reason=study.record.left_out[0].reason)
        for target in ("valence", "arousal")
    )
    assert "p2: found 4 trials, expected at least 5" in study.record.left_out[0].reason


def test_who_is_left_out_is_named_once_however_many_variants_there_are(tmp_path: Path) -> None:
    people = made_people(2, trials={"p2": 4})
    study = plan(people, tmp_path, representations=("bands", "raw"), networks=("gru",))
    assert [item.who for item in study.record.left_out] == ["p2"]


def test_a_data_set_of_too_few_people_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="found 2 people, expected at least 3"):
        plan(made_people(2), tmp_path, protocols=("loso",))


def test_a_study_of_nothing_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match="no fold that can be run with these options: p1: found 3 trials"
    ):
        plan(made_people(1, trials={"p1": 3}), tmp_path)


def test_the_papers_protocol_is_refused_where_there_is_no_baseline(tmp_path: Path) -> None:
    people = made_people(3, baseline_seconds=None)
    with pytest.raises(StudyError, match="found the protocol paper for made people, expected DEAP"):
        plan(people, tmp_path, protocols=("trial", "paper"))
    assert plan(people, tmp_path, protocols=("trial", "segment")).tasks


def test_rest_baselines_are_left_out_of_the_papers_protocol_with_a_reason(tmp_path: Path) -> None:
    study = plan(
        made_people(1),
        tmp_path,
        protocols=("paper", "segment"),
        normalisers=("rest-baseline", "training"),
    )
    assert counts(study, "protocol", "normaliser", "network") == {
        ("paper", "training", "logistic"): 4,
        # A constant guess needs no normaliser; it stays, whichever comes first.
        ("paper", "training", "majority"): 4,
        ("segment", "rest-baseline", "logistic"): 4,
        ("segment", "training", "logistic"): 4,
        ("segment", "rest-baseline", "majority"): 4,
    }
    (left,) = study.record.left_out
    assert (left.protocol, left.who) == ("paper", "rest baseline")
    assert "which may not be scored" in left.reason


def test_a_representation_that_does_not_fit_the_papers_windows_is_left_out(tmp_path: Path) -> None:
    """5.25 s are 21 steps, which the tangent's rows of four steps do not divide."""
    study = plan(
        made_people(1),
        tmp_path,
        protocols=("paper", "segment"),
        representations=("tangent", "bands"),
    )
    assert counts(study, "protocol", "representation", "network") == {
        ("paper", "bands", "logistic"): 4,
        ("paper", "bands", "majority"): 4,
        ("segment", "tangent", "logistic"): 4,
        ("segment", "bands", "logistic"): 4,
        ("segment", "tangent", "majority"): 4,
    }
    (left,) = study.record.left_out
    assert (left.protocol, left.who) == ("paper", "tangent")
    assert "found windows of 21 rows" in left.reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocols": ("trail",)}, "the protocol trail, expected some of paper, segment, trial"),
        ({"networks": ("gru", "svm")}, "the network svm, expected some of .*bn-gru.*logistic"),
        ({"targets": ("fear",)}, "the target fear, expected some of valence, arousal"),
        ({"representations": ("psd",)}, "the representation psd, expected some of raw, bands"),
        ({"networks": ()}, "found no network, expected some of"),
        ({"targets": ("valence", "valence")}, "a target named twice in valence, valence"),
    ],
)
def test_unknown_names_are_refused_with_those_that_are_known(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match=message):
        plan(made_people(3), tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="epochs"):
        StudySettings.model_validate(
            {
                "protocols": ("trial",),
                "networks": ("gru",),
                "targets": ("valence",),
                "montages": {},
                "epochs": 3,
            }
            | DEFAULTS.model_dump()
        )


def test_a_rerun_has_only_to_do_what_is_not_finished(tmp_path: Path) -> None:
    people = made_people(2)
    study = plan(people, tmp_path)
    assert study.unfinished() == list(study.tasks)
    # Interrupted after three.
    for task in study.tasks[:3]:
        run_task(task)
    again = plan(people, tmp_path)
    assert again.unfinished() == list(study.tasks[3:])
    for task in again.unfinished():
        run_task(task)
    assert not plan(people, tmp_path).unfinished()
    results = sorted((tmp_path / "study" / "results").iterdir())
    assert len(results) == len(study.tasks)
    lost = study.tasks[5]
    (lost.results / f"{lost.spec.digest}.npz").unlink()
    assert plan(people, tmp_path).unfinished() == [lost]


def test_changed_code_runs_everything_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = plan(made_people(1), tmp_path)
    for task in study.tasks:
        run_task(task)
    monkeypatch.setattr(study_module, "code_version", lambda: "0.1.0+other")
    again = plan(made_people(1), tmp_path)
    assert len(again.unfinished()) == len(study.tasks)


def test_windows_that_the_service_would_not_score_are_left_to_the_paper_alone(
    tmp_path: Path,
) -> None:
    class WithADeadChannel(MadePeople):
        def read(self, person: str) -> Any:
            signal = super().read(person)
            dead = signal.trials[0].samples.copy()
            dead[2] = 0.0
            first = replace(signal.trials[0], samples=dead)
            return replace(signal, trials=[first, *signal.trials[1:]])

    study = plan(WithADeadChannel({"p1": 1}), tmp_path, protocols=("paper", "segment"))
    assert study.record.windows_unusable == 2
    windows = {
        task.spec.protocol: {
            trial
            for person in load_people(task.people, PROTOCOLS[task.spec.protocol])
            for trial in person.trial.tolist()
        }
        for task in study.tasks
    }
    assert windows == {"paper": set(range(8)), "segment": set(range(1, 8))}


@pytest.mark.parametrize("protocol", ["loso", "trial"])
def test_a_person_without_a_usable_window_is_left_out_and_named(
    protocol: str, tmp_path: Path
) -> None:
    study = plan(made_people(4, unworn=("p2",)), tmp_path, protocols=(protocol,))
    assert [(item.who, item.reason.split(" has ")[0]) for item in study.record.left_out] == [
        ("p2", "no window")
    ]
    assert "p2" not in {task.spec.fold.split("-")[0] for task in study.tasks}


def test_a_place_that_cannot_be_a_folder_is_reported_before_anything_is_converted(
    tmp_path: Path,
) -> None:
    (tmp_path / "study").write_text("a file", encoding="utf-8")
    said: list[str] = []
    with pytest.raises(StudyError, match=r"cannot create the folder .*study: .*--out"):
        plan(made_people(1), tmp_path, said.append)
    assert said == []


def test_curves_of_other_settings_are_kept_apart(tmp_path: Path) -> None:
    one, other = (plan(made_people(1), tmp_path, steps=steps) for steps in (20, 30))
    assert not {task.logs for task in one.tasks} & {task.logs for task in other.tasks}


def test_a_protocol_with_too_few_people_is_left_out_beside_one_that_has_enough(
    tmp_path: Path,
) -> None:
    study = plan(made_people(1), tmp_path, protocols=("trial", "loso"))
    assert {task.spec.protocol for task in study.tasks} == {"trial"}
    (left_out,) = study.record.left_out
    assert (left_out.protocol, left_out.who) == ("loso", "all people")
    assert "found 1 people, expected at least 3" in left_out.reason
