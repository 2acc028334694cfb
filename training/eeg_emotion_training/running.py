"""Runs a planned study to its report, and shows its progress."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from joblib import cpu_count
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from eeg_emotion_training.report.report import write_report
from eeg_emotion_training.study.executors import dask_cluster, processes, run_tasks
from eeg_emotion_training.study.pace import Pace
from eeg_emotion_training.study.plan import Study, StudyError
from eeg_emotion_training.study.results import Record
from eeg_emotion_training.study.task import Task

_PART = re.compile(r"(\d+)/(\d+)")
_LINES = 20  # of progress, where there is no terminal to draw a bar on


class _Progress(Protocol):
    def __call__(self, record: Record, done: int, of: int) -> None: ...


def run_study(
    study: Study,
    *,
    workers: int | None,
    dask: str | None,
    fold_index: str | None,
    console: Console,
) -> None:
    """Run what is unfinished, and write the report once everything is there.

    Parameters
    ----------
    study
        The planned study.
    workers
        Processes on this machine; None is one for each core.
    dask
        Address of a Dask scheduler, instead of processes.
    fold_index
        ``I/N``: only the I-th of N parts of the tasks.
    console
        Where progress is shown.

    Raises
    ------
    StudyError, ExecutorError, ResultError
        If the part does not exist, a worker dies, or a result cannot be written.
    """
    mine = part_of(study.tasks, fold_index)
    chosen = set(mine)
    waiting = [task for task in study.unfinished() if task in chosen]
    if len(waiting) < len(mine):
        console.print(f"{len(mine) - len(waiting)} of {len(mine)} tasks are finished already")
    if waiting:
        # The cores that a job array's node lends, not those of the machine.
        count = min(workers or cpu_count(), len(waiting))
        with (
            dask_cluster(dask) if dask else processes(count) as executor,
            _progress(console, waiting, None if dask else count) as progress,
        ):
            run_tasks(waiting, executor, progress)
    missing = len(study.unfinished())
    if missing:
        console.print(
            f"{missing} of {len(study.tasks)} tasks belong to other parts; once all of them are "
            "finished, run the same command without --fold-index to write the report"
        )
        return
    markdown, html = write_report(study.root)
    console.print(f"wrote {markdown} and {html}", soft_wrap=True)
    console.print(f"TensorBoard: tensorboard --logdir {study.root / 'logs'}", soft_wrap=True)


def part_of(tasks: tuple[Task, ...], fold_index: str | None) -> list[Task]:
    """Return the tasks of one part of a job array; all of them where there is none."""
    if fold_index is None:
        return list(tasks)
    match = _PART.fullmatch(fold_index)
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise StudyError(
            f"found --fold-index {fold_index}, expected I/N with I from 1 to N, such as 1/8"
        )
    return list(tasks[part - 1 :: parts])


@contextmanager
def _progress(console: Console, tasks: Sequence[Task], workers: int | None) -> Iterator[_Progress]:
    """Draw a bar on a terminal; elsewhere write a line now and then."""
    pace = Pace([task.spec for task in tasks], workers)
    at_a_time = f", {workers} at a time" if workers else ""
    console.print(
        f"{len(tasks)} tasks{at_a_time}; an estimate follows after the first few", soft_wrap=True
    )
    estimated = False
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        drawn = bar.add_task("starting workers", total=len(tasks))

        def progress(record: Record, done: int, of: int) -> None:
            nonlocal estimated
            pace.finished(record)
            seconds = pace.seconds_left()
            first_estimate = not estimated and seconds is not None
            estimated |= first_estimate
            spec = record.spec
            what = f"{spec.protocol} {spec.network} {spec.target} {spec.fold}"
            if record.status == "skipped":
                bar.console.print(f"skipped {what}: {record.reason}", soft_wrap=True)
            left = what if seconds is None else f"{what}, about {_duration(seconds)} left"
            bar.update(drawn, completed=done, description=left)
            due = first_estimate or done == of or done % max(1, of // _LINES) == 0
            if due and not console.is_terminal:
                console.print(f"{done}/{of} {left}", soft_wrap=True)

        yield progress


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
