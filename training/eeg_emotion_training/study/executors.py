"""Hands tasks to any executor of `concurrent.futures`, and reports progress."""

from __future__ import annotations

import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from eeg_emotion.errors import EegEmotionError
from eeg_emotion_training.study.results import Record, ResultError
from eeg_emotion_training.study.task import Task, run_task


class ExecutorError(EegEmotionError):
    """Tasks cannot be run, or a worker died."""


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """Return worker processes on this machine, one thread each.

    They are spawned, not forked: TensorFlow does not survive a fork.
    """
    # Workers inherit the environment; two of them with as many threads as cores would fight.
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for name, value in threads.items():
        os.environ.setdefault(name, value)
    executor = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_leave_with_parent,
    )
    try:
        yield executor
    finally:
        # An error or Ctrl-C must not wait for all that is still queued.
        executor.shutdown(wait=True, cancel_futures=True)


def _leave_with_parent() -> None:
    """End this worker when the process that started it has gone, however that ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    # Otherwise a worker of a killed study would train on for hours, for nobody.
    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """Return the workers of a Dask cluster, which must see the same files.

    Raises
    ------
    ExecutorError
        If there is no scheduler at the address.
    """
    from distributed import Client

    try:
        # Tried first: a client that finds no scheduler goes on trying in the background.
        _, _, place = address.rpartition("//")
        host, _, port = place.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        client: Any = Client(address, timeout=10, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ExecutorError(
            f"found no Dask scheduler at {address}, expected one such as tcp://127.0.0.1:8786: "
            f"{error}; start it with 'dask scheduler', and workers with 'dask worker'"
        ) from error
    with client:
        # A task draws no random numbers of its own, but it writes a file: never merge two.
        yield client.get_executor(pure=False)


def run_tasks(
    tasks: Sequence[Task],
    executor: Executor,
    progress: Callable[[Record, int, int], None],
) -> None:
    """Run all tasks and wait for them.

    Parameters
    ----------
    tasks
        In the order in which they are handed out.
    executor
        Runs them.
    progress
        Called after each with its record, how many are done, and how many there are.

    Raises
    ------
    ExecutorError
        If a worker died or a task failed in a way that is no property of its data. What is
        finished is kept.
    """
    futures: dict[Future[Record], Task] = {}
    try:
        for task in tasks:
            futures[_submit(executor, task, futures, len(tasks))] = task
        for done, future in enumerate(as_completed(futures), start=1):
            progress(_record(future, futures, len(tasks)), done, len(tasks))
    finally:
        for future in futures:
            future.cancel()


def _submit(
    executor: Executor, task: Task, futures: Mapping[Future[Record], Task], of: int
) -> Future[Record]:
    # Handing out takes a while, in which a worker may die already.
    try:
        return executor.submit(run_task, task)
    except BrokenProcessPool as error:
        raise _died(futures, of) from error


def _record(future: Future[Record], futures: Mapping[Future[Record], Task], of: int) -> Record:
    spec = futures[future].spec
    what = f"{spec.protocol} {spec.fold} {spec.network} {spec.target}"
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _died(futures, of) from error
    except ResultError:
        raise
    except EegEmotionError as error:
        raise ExecutorError(f"{what}: {error}; {_kept(futures, of)}") from error
    except Exception as error:
        raise ExecutorError(
            f"{what} failed: {type(error).__name__}: {error}; {_kept(futures, of)}"
        ) from error


def _died(futures: Iterable[Future[Record]], of: int) -> ExecutorError:
    return ExecutorError(
        f"a worker process died (killed, or out of memory?); {_kept(futures, of)}, with fewer "
        "--workers if memory was short"
    )


def _kept(futures: Iterable[Future[Record]], of: int) -> str:
    finished = sum(f.done() and not f.cancelled() and f.exception() is None for f in futures)
    return f"{finished} of {of} tasks are finished and kept: run the same command again to continue"
