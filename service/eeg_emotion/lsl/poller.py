"""One thread that reads all inlets in turn.

Measured: 256 inlets of 32 channels at 128 Hz, read every 4 ms by one thread, cost 35 % of a core;
one thread per inlet does not scale. Samples are processed in the same thread, so nothing queues
between reading and the model. The thread serves all headsets, so each has a budget of its time.
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

from eeg_emotion.errors import EegEmotionError
from eeg_emotion.logs import get_logger
from eeg_emotion.lsl.budget import Budget, BudgetExceeded
from eeg_emotion.lsl.inlet import LARGEST_PULL_SECONDS, HeadsetLostError

logger = get_logger(__name__)

_PERIOD_SECONDS = 0.004  # adds 2 ms on average to a window's age, for a few percent of a core
# Reading an inlet costs the same whether or not anything has arrived, so many are read less often:
# 256 every 32 ms.
_INLETS_A_PERIOD = 32
_CLOCK_SECONDS = 5.0  # the interval of refreshing each clock offset


class PolledInlet(Protocol):
    """What the poller needs of an inlet."""

    @property
    def overflowed(self) -> bool:
        """Return whether the last `pull` came so late that samples had been dropped."""
        ...

    def pull(self, min_samples: int) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        """Return what has arrived, without blocking; fewer than `min_samples` may be left."""
        ...

    def refresh_clock_offset(self) -> None:
        """Update to the newest clock offset."""
        ...


class Listener(Protocol):
    """Receives, in the poller's thread, what an inlet delivers."""

    @property
    def min_samples(self) -> int:
        """The fewest samples that are useful now."""
        ...

    def samples(self, samples: NDArray[np.floating], stamps: NDArray[np.float64]) -> None:
        """Handle `(channels, samples)` and their stamps `(samples,)`, seconds."""
        ...

    def overloaded(self) -> None:
        """Handle that what follows was read so late that samples may be lost on this side."""
        ...

    def lost(self) -> None:
        """Handle the end of the connection by its source; nothing follows."""
        ...

    def refused(self, error: EegEmotionError) -> None:
        """Handle that the inlet is read no more, and why; nothing follows."""
        ...


class Poller:
    """Reads inlets and passes what arrives to their listeners.

    Parameters
    ----------
    round_over
        Called in the poller's thread each time all inlets have been read once.
    clock
        Seconds; for the interval of refreshing clock offsets.
    spent
        Seconds that this thread has worked; for each headset's budget.
    """

    def __init__(
        self,
        round_over: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._round_over = round_over
        self._clock = clock
        self._spent = spent
        self._lock = threading.Lock()
        self._inlets: dict[str, _Polled] = {}

    def add(self, key: str, inlet: PolledInlet, listener: Listener) -> None:
        """Read this inlet from the next round on."""
        with self._lock:
            now = self._clock()
            self._inlets[key] = _Polled(inlet, listener, now + _CLOCK_SECONDS, Budget(now), now)

    def remove(self, key: str) -> None:
        """Stop reading an inlet. A round under way may still deliver its samples."""
        with self._lock:
            self._inlets.pop(key, None)

    def run(self, stop: Callable[[float], bool]) -> None:
        """Read until `stop(seconds)`, which waits that long, returns True."""
        inlets: list[tuple[str, _Polled]] = []
        while not stop(_PERIOD_SECONDS * max(1, math.ceil(len(inlets) / _INLETS_A_PERIOD))):
            with self._lock:
                inlets = list(self._inlets.items())
            # Samples left in an inlet are lost if its source goes, so they are left only if
            # reading them piece by piece would cost too much.
            sparing = len(inlets) > _INLETS_A_PERIOD
            spent = self._spent()
            for key, polled in inlets:
                try:
                    now = self._clock()
                    if self._read(polled, now, polled.listener.min_samples if sparing else 1):
                        before, spent = spent, self._spent()
                        polled.budget.charge(spent - before, now)
                except BudgetExceeded as error:
                    self.remove(key)
                    polled.listener.refused(error)
                except HeadsetLostError:
                    self.remove(key)
                    polled.listener.lost()
                except Exception:  # whatever it is, the other inlets continue
                    logger.exception("stream cannot be read", stream=key)
                    self.remove(key)
                    polled.listener.lost()
            self._round_over()

    def _read(self, polled: _Polled, now: float, min_samples: int) -> bool:
        """Read an inlet; return whether anything had arrived."""
        if now >= polled.clock_due:
            polled.clock_due = now + _CLOCK_SECONDS
            polled.inlet.refresh_clock_offset()
        samples, stamps = polled.inlet.pull(min_samples)
        late, polled.read_at = now - polled.read_at, now
        if not len(stamps):
            return False
        if late > LARGEST_PULL_SECONDS or polled.inlet.overflowed:
            polled.listener.overloaded()
        polled.listener.samples(samples, stamps)
        return True


@dataclass(slots=True)
class _Polled:
    inlet: PolledInlet
    listener: Listener
    clock_due: float
    budget: Budget
    read_at: float
