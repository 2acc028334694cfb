"""Estimates how long a study will go on, from how long its finished tasks took."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean, median

from eeg_emotion_training.networks.names import BASELINES
from eeg_emotion_training.study.results import Record, Spec

_Kind = tuple[str, ...]


class Pace:
    """The time that is left.

    Tasks differ a thousandfold: a guess needs milliseconds, a network seconds, and each worker's
    first network of a kind is compiled, which is slower than training a small one. So each kind
    is timed apart, and in it the tasks that were compiled. Networks of which none has finished are
    taken to be like those that have; baselines are taken to be instant until one has finished.

    Parameters
    ----------
    tasks
        All that are waiting, by what they are to run.
    workers
        How many run at a time; None where workers come and go: then as many as have kept busy.
    clock
        Seconds.
    """

    def __init__(
        self,
        tasks: Sequence[Spec],
        workers: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = Counter(_kind(task) for task in tasks)
        self._took: dict[_Kind, list[float]] = defaultdict(list)
        self._workers = workers
        self._compiled = workers or 1  # of each kind of network: one by each worker
        self._clock = clock
        self._started = clock()

    def finished(self, record: Record) -> None:
        """Record a task that has finished."""
        kind = _kind(record.spec)
        self._waiting[kind] -= 1
        self._took[kind].append(record.seconds)

    def seconds_left(self) -> float | None:
        """Estimate the seconds until all tasks have finished; None while nothing is known."""
        compiling = [seconds for kind in self._took for seconds in self._split(kind)[0]]
        training = [seconds for kind in self._took for seconds in self._split(kind)[1]]
        left = 0.0
        for kind, waiting in self._waiting.items():
            took = self._took.get(kind, [])
            if _is_baseline(kind):
                left += waiting * (fmean(took) if took else 0.0)
                continue
            begins = min(waiting, max(0, self._compiled - len(took)))
            others = self._split(kind)[1] or training
            if (begins and not compiling) or (waiting > begins and not others):
                return None
            left += begins * median(compiling) if begins else 0.0
            left += (waiting - begins) * fmean(others) if waiting > begins else 0.0
        return left / self._at_a_time()

    def _split(self, kind: _Kind) -> tuple[list[float], list[float]]:
        """Return what the tasks took that were compiled, the slowest ones, and what others took."""
        if _is_baseline(kind):
            return [], []
        took = sorted(self._took.get(kind, []), reverse=True)
        return took[: self._compiled], took[self._compiled :]

    def _at_a_time(self) -> float:
        if self._workers is not None:
            return self._workers
        busy = sum(map(sum, self._took.values()))
        return max(1.0, busy / max(self._clock() - self._started, 1e-9))


def _kind(spec: Spec) -> _Kind:
    return (spec.network, spec.protocol, spec.montage, spec.representation)


def _is_baseline(kind: _Kind) -> bool:
    return kind[0] in BASELINES
