from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.study_people import made_people, plan

from eeg_emotion_training import running
from eeg_emotion_training.running import part_of, run_study
from eeg_emotion_training.study import executors
from eeg_emotion_training.study.executors import ExecutorError
from eeg_emotion_training.study.plan import Study, StudyError
from eeg_emotion_training.study.results import Record
from eeg_emotion_training.study.task import Task, run_task


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Run tasks in a thread of this process, and list them."""
    tasks: list[Task] = []

    @contextmanager
    def one_thread(workers: int) -> Iterator[Executor]:
        with ThreadPoolExecutor(1) as executor:
            yield executor

    def run_and_list(task: Task) -> Record:
        tasks.append(task)
        return run_task(task)

    monkeypatch.setattr(running, "processes", one_thread)
    monkeypatch.setattr(executors, "run_task", run_and_list)
    return tasks


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """List the studies whose report is asked for, instead of drawing it."""
    roots: list[Path] = []

    def write(root: Path) -> tuple[Path, Path]:
        roots.append(root)
        return root / "report.md", root / "report.html"

    monkeypatch.setattr(running, "write_report", write)
    return roots


def run(study: Study, fold_index: str | None = None) -> str:
    """Run a study, and return what was shown."""
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    run_study(study, workers=1, dask=None, fold_index=fold_index, console=console)
    return shown.getvalue()


def test_a_study_runs_once_and_its_report_is_written(
    tmp_path: Path, ran: list[Task], reports: list[Path]
) -> None:
    study = plan(made_people(2), tmp_path)
    shown = run(study)
    assert ran == list(study.tasks)
    assert reports == [study.root]
    assert shown.startswith("16 tasks, 1 at a time; an estimate follows after the first few\n")
    assert "16/16 trial logistic valence p2-4, about 0 s left" in shown
    assert f"wrote {study.root / 'report.md'}" in shown
    again = run(plan(made_people(2), tmp_path))
    assert len(ran) == 16
    assert "16 of 16 tasks are finished already" in again
    assert reports == [study.root] * 2


def test_a_lost_result_is_run_again_alone(
    tmp_path: Path, ran: list[Task], reports: list[Path]
) -> None:
    study = plan(made_people(1), tmp_path)
    run(study)
    lost = study.tasks[3]
    (lost.results / f"{lost.spec.digest}.npz").unlink()
    ran.clear()
    assert "7 of 8 tasks are finished already" in run(study)
    assert ran == [lost]


def test_a_skipped_fold_is_shown_with_its_reason(
    tmp_path: Path, ran: list[Task], reports: list[Path]
) -> None:
    shown = run(plan(made_people(1, only_low=("p1",)), tmp_path, networks=("majority",)))
    assert "skipped trial majority valence p1-1: p1-1: found only low valence" in shown


def test_parts_of_a_job_array_share_the_tasks_and_the_last_writes_the_report(
    tmp_path: Path, ran: list[Task], reports: list[Path]
) -> None:
    study = plan(made_people(1), tmp_path)
    for part, left in (("3/3", 6), ("1/3", 3)):
        assert f"{left} of 8 tasks belong to other parts" in run(study, part)
        assert not reports
    run(study, "2/3")
    assert reports == [study.root]
    assert len(ran) == 8
    assert set(ran) == set(study.tasks)


def test_parts_are_disjoint_and_cover_everything(tmp_path: Path) -> None:
    tasks = plan(made_people(2), tmp_path).tasks
    assert part_of(tasks, None) == list(tasks)
    for parts in (1, 2, 3, 7, 16, 40):
        shares = [part_of(tasks, f"{part}/{parts}") for part in range(1, parts + 1)]
        assert sorted(tasks.index(task) for share in shares for task in share) == list(range(16))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "1/0", "-1/3", "1", "1/", "a/b", "1/3 ", "", "1.0/3"]
)
def test_an_impossible_part_is_refused(
    text: str, tmp_path: Path, ran: list[Task], reports: list[Path]
) -> None:
    study = plan(made_people(1), tmp_path)
    with pytest.raises(StudyError, match=r"found --fold-index .*, expected I/N with I from 1 to N"):
        run(study, text)
    assert not ran


def test_no_report_is_written_of_a_run_that_failed(
    tmp_path: Path, ran: list[Task], reports: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = plan(made_people(1), tmp_path)

    def fail(task: Task) -> Record:
        raise OSError("gone")

    monkeypatch.setattr(executors, "run_task", fail)
    with pytest.raises(ExecutorError, match="OSError: gone"):
        run(study)
    assert not reports


def test_workers_are_no_more_than_tasks(
    tmp_path: Path, ran: list[Task], reports: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    one_thread = vars(running)["processes"]

    def counting(workers: int) -> object:
        asked.append(workers)
        return one_thread(workers)

    monkeypatch.setattr(running, "processes", counting)
    study = plan(made_people(1), tmp_path, networks=("majority",))
    run_study(study, workers=64, dask=None, fold_index=None, console=Console(file=io.StringIO()))
    assert asked == [4]


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (89.0, "89 s"), (600.0, "10 min"), (9000.0, "2.5 h")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert running._duration(seconds) == text
