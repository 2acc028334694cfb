"""One thread that reads all inlets in turn.

Measured: 256 inlets of 32 channels at 128 Hz, read every 4 ms by one thread, cost 35 % of a core;
a thread for each does not scale. What arrives is processed in the same thread, so nothing queues
between reading and the model.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.logs import get_logger
from eeg_emotion.lsl.inlet import HeadsetLostError

logger = get_logger(__name__)

_PERIOD_SECONDS = 0.004  # adds 2 ms on average to a window's age, for a few percent of a core
# Asking an inlet costs the same whether it brings anything, so many are asked less often: 256 every
# 32 ms.
_INLETS_A_PERIOD = 32
_CLOCK_SECONDS = 5.0  # how often each clock offset is refreshed


class PolledInlet(Protocol):
    """What the poller needs of an inlet."""

    def pull(self, min_samples: int) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        """Take and return what has arrived, without waiting; fewer than `min_samples` may stay."""
        ...

    def refresh_clock_offset(self) -> None:
        """Take over the newest clock offset."""
        ...


class Listener(Protocol):
    """Who is told, in the poller's thread, what an inlet brings."""

    @property
    def min_samples(self) -> int:
        """With how many samples something can be done."""
        ...

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        """Take `(channels, samples)` and their stamps."""
        ...

    def lost(self) -> None:
        """Hear that the source closed the connection; nothing follows."""
        ...


class Poller:
    """Reads inlets and hands what they bring to their listeners.

    Parameters
    ----------
    round_over
        Called in the poller's thread each time all inlets have been read once.
    clock
        Seconds; says when the clock offsets are due.
    """

    def __init__(
        self, round_over: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._round_over = round_over
        self._clock = clock
        self._lock = threading.Lock()
        self._inlets: dict[str, _Polled] = {}

    def add(self, key: str, inlet: PolledInlet, listener: Listener) -> None:
        """Read this inlet from the next round on."""
        with self._lock:
            self._inlets[key] = _Polled(inlet, listener, self._clock() + _CLOCK_SECONDS)

    def remove(self, key: str) -> None:
        """Read it no more. A round that is under way may still hand over its samples."""
        with self._lock:
            self._inlets.pop(key, None)

    def run(self, stop: Callable[[float], bool]) -> None:
        """Read until `stop(seconds)`, which waits that long, says so."""
        inlets: list[tuple[str, _Polled]] = []
        while not stop(_PERIOD_SECONDS * max(1, math.ceil(len(inlets) / _INLETS_A_PERIOD))):
            with self._lock:
                inlets = list(self._inlets.items())
            # What stays in an inlet is lost if its source goes: it is left there only where
            # taking it piece by piece would cost too much.
            sparing = len(inlets) > _INLETS_A_PERIOD
            for key, polled in inlets:
                try:
                    self._read(polled, polled.listener.min_samples if sparing else 1)
                except HeadsetLostError:
                    self.remove(key)
                    polled.listener.lost()
                except Exception:  # whatever it is, the others' lines go on
                    logger.exception("stream cannot be read", stream=key)
                    self.remove(key)
                    polled.listener.lost()
            self._round_over()

    def _read(self, polled: _Polled, min_samples: int) -> None:
        if self._clock() >= polled.clock_due:
            polled.clock_due = self._clock() + _CLOCK_SECONDS
            polled.inlet.refresh_clock_offset()
        samples, stamps = polled.inlet.pull(min_samples)
        if len(stamps):
            polled.listener.samples(samples, stamps)


@dataclass(slots=True)
class _Polled:
    inlet: PolledInlet
    listener: Listener
    clock_due: float
