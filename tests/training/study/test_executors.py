from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests.support.study_people import made_people, plan

from eeg_emotion_training.data.sources import DataError
from eeg_emotion_training.study import executors
from eeg_emotion_training.study.executors import ExecutorError, dask_cluster, processes, run_tasks
from eeg_emotion_training.study.plan import Study
from eeg_emotion_training.study.results import Record, ResultError, load_result
from eeg_emotion_training.study.task import Task, run_task

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # What `processes` sets is undone after the test.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Eight tasks of some milliseconds."""
    return plan(made_people(1), tmp_path)


@pytest.fixture
def one_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


class Told:
    """Keeps the progress that was reported to it."""

    def __init__(self) -> None:
        self.all: list[tuple[Record, int, int]] = []

    def __call__(self, record: Record, done: int, of: int) -> None:
        self.all.append((record, done, of))


@pytest.mark.needs("time")
def test_processes_of_this_machine_run_all_tasks(study: Study) -> None:
    reported = Told()
    with processes(2) as executor:
        run_tasks(study.tasks, executor, reported)
        assert executor.submit(os.getenv, "TF_NUM_INTRAOP_THREADS").result() == "1"
        # Spawned, not forked: TensorFlow does not survive a fork.
        kinds = {type(worker).__name__ for worker in multiprocessing.active_children()}
        assert kinds == {"SpawnProcess"}
        assert executor.submit(os.getpid).result() != os.getpid()
    assert not study.unfinished()
    assert [(done, of) for _, done, of in reported.all] == [(n, 8) for n in range(1, 9)]
    assert {record.spec.digest for record, *_ in reported.all} == {
        t.spec.digest for t in study.tasks
    }


def test_a_worker_that_is_killed_costs_only_what_was_running(
    study: Study, tmp_path: Path, one_thread: Executor
) -> None:
    # The third task reads its windows' manifest from a pipe that nobody writes to, until its worker
    # is killed: then it is known to be in the middle of its work.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    stuck = study.tasks[2]
    stuck = replace(stuck, people=tuple(replace(one, manifest=pipe) for one in stuck.people))
    tasks = [*study.tasks[:2], stuck, *study.tasks[3:]]

    def kill_when_it_reads() -> None:
        with pipe.open("wb"):  # waits until the worker has opened it
            for worker in multiprocessing.active_children():
                assert worker.pid is not None
                kinds.add(type(worker).__name__)
                os.kill(worker.pid, signal.SIGKILL)

    kinds: set[str] = set()
    killer = threading.Thread(target=kill_when_it_reads, daemon=True)
    killer.start()
    reported = Told()
    with (
        processes(1) as executor,
        pytest.raises(
            ExecutorError,
            match=r"a worker process died .*; 2 of 8 tasks are finished and kept: run the same "
            "command again to continue, with fewer --workers",
        ),
    ):
        run_tasks(tasks, executor, reported)
    killer.join()
    # Spawned, not forked: TensorFlow does not survive a fork.
    assert kinds == {"SpawnProcess"}
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "1"  # which a worker inherits
    assert [done for _, done, _ in reported.all] == [1, 2]
    assert study.unfinished() == list(study.tasks[2:])
    run_tasks(study.unfinished(), one_thread, reported)
    assert not study.unfinished()


class DiesWhileTakingTasks(Executor):
    """Its worker dies at the third task, as one does that runs out of memory when it starts."""

    def __init__(self) -> None:
        self.taken = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.taken += 1
        if self.taken == 3:
            raise BrokenProcessPool("a child process terminated abruptly")
        future: Future[Any] = Future()
        if self.taken == 1:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_worker_that_dies_while_tasks_are_handed_out_is_reported_too(study: Study) -> None:
    with pytest.raises(ExecutorError, match=r"a worker process died .*; 1 of 8 tasks are finish"):
        run_tasks(study.tasks, DiesWhileTakingTasks(), Told())


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (
            ZeroDivisionError("by zero"),
            ExecutorError,
            "trial p1-3 majority valence failed: ZeroDivisionError: by zero; 2 of 8 tasks are "
            "finished and kept: run the same command again to continue",
        ),
        (
            DataError("found no windows"),
            ExecutorError,
            "trial p1-3 majority valence: found no windows; 2 of 8 tasks are finished and kept: "
            "run the same command again to continue",
        ),
        (ResultError("the disk is full"), ResultError, "the disk is full"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_task_that_fails_is_named(
    error: Exception,
    raised: type[Exception],
    message: str,
    study: Study,
    one_thread: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def third_fails(task: Task) -> Record:
        if (task.spec.fold, task.spec.network) == ("p1-3", "majority"):
            raise error
        return run_task(task)

    monkeypatch.setattr(executors, "run_task", third_fails)
    with pytest.raises(raised) as caught:
        run_tasks(study.tasks, one_thread, Told())
    assert str(caught.value) == message
    assert {task.spec.network for task in study.tasks[:4]} == {"majority"}


def test_an_interrupted_run_starts_no_more_and_the_next_goes_on(
    study: Study, one_thread: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = threading.Event()
    ran: list[Task] = []

    def fourth_waits(task: Task) -> Record:
        ran.append(task)
        if len(ran) == 4:
            assert interrupted.wait(60)
        return run_task(task)

    def interrupt(record: Record, done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(executors, "run_task", fourth_waits)
    with pytest.raises(KeyboardInterrupt):
        run_tasks(study.tasks, one_thread, interrupt)
    interrupted.set()
    one_thread.shutdown()
    assert ran == list(study.tasks[:4])
    assert study.unfinished() == list(study.tasks[4:])
    with ThreadPoolExecutor(1) as executor:
        run_tasks(study.unfinished(), executor, Told())
    assert not study.unfinished()
    assert ran == list(study.tasks)


@pytest.mark.parametrize(
    "apart", [False, pytest.param(True, marks=pytest.mark.needs("time"))], ids=["threads", "apart"]
)
def test_a_dask_cluster_runs_a_study(study: Study, apart: bool) -> None:
    distributed = pytest.importorskip("distributed")
    reported = Told()
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=apart,
            dashboard_address=None,
            protocol="tcp",
            host="127.0.0.1",
        ) as cluster,
        dask_cluster(cluster.scheduler_address) as executor,
    ):
        run_tasks(study.tasks, executor, reported)
        pids = {executor.submit(os.getpid).result() for _ in range(2)}
        assert (os.getpid() not in pids) == apart
    assert not study.unfinished()
    for task in study.tasks:
        assert load_result(task.results, task.spec) is not None
    assert [done for _, done, _ in reported.all] == list(range(1, 9))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere://127.0.0.1:8786"])
def test_an_address_without_a_scheduler_is_reported(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    client = distributed.Client

    def impatient(address: str, **options: Any) -> Any:
        return client(address, **(options | {"timeout": 0.5}))

    monkeypatch.setattr(distributed, "Client", impatient)
    with (
        pytest.raises(ExecutorError, match=f"no Dask scheduler at {address}, .*'dask scheduler'"),
        dask_cluster(address),
    ):
        pytest.fail("there is a scheduler")


_KILLED_STUDY = """
import os, signal
from eeg_emotion_training.study.executors import processes

if __name__ == "__main__":
    with processes(1) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        executor.submit(signal.pause)
        signal.pause()
"""


def test_workers_of_a_killed_study_end_too(tmp_path: Path) -> None:
    script = tmp_path / "killed_study.py"
    script.write_text(_KILLED_STUDY, encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()


@pytest.mark.needs("time")
def test_two_threads_of_one_worker_train_what_one_does(tmp_path: Path) -> None:
    """A Dask worker has several threads by default, and Keras one model for all of them."""
    said = []
    for threads in (1, 2):
        study = plan(made_people(1), tmp_path / str(threads), networks=("gru",))
        with ThreadPoolExecutor(threads) as executor:
            run_tasks(study.tasks, executor, lambda *_: None)
        results = [load_result(task.results, task.spec) for task in study.tasks]
        said.append([result.raw for result in results if result is not None])
    assert len(said[0]) == len(study.tasks) == 4
    for alone, beside in zip(*said, strict=True):
        np.testing.assert_array_equal(alone, beside)
