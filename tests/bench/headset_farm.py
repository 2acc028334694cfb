"""Many headsets in one process: outlets of 32 channels at 128 Hz that play a simulated person.

Usage: headset_farm.py SESSION_ID HEADSETS [--aligned]. Prints "ready" once all outlets exist.
Each headset sends its first sample once it has a reader, so that every sample has one. Windows of
different headsets end at different times; with --aligned all at the same time.

On SIGTERM it sends no more and prints a JSON object: `sent`, samples for each source id, and
`late_ms`, the median and 99th percentile of how late the last 20 s of chunks were sent. The outlets
stay until standard input is closed, as a reader that loses them loses what it has not yet pulled.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import resource
import signal
import sys
import threading
import time
from collections import deque

import numpy as np
import pylsl
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.lsl.configuration import configure
from eeg_emotion.recordings.simulation import SIMULATED_MANUFACTURER, SimulatedPerson

SFREQ = 128
CHUNK = 8  # samples that the replayer sends at once at 128 Hz
LOOK_SECONDS = 0.05  # how often to check for readers
TOLD_SECONDS = 20  # of lateness


class FarmedHeadset:
    """One outlet and its position in the signal.

    Parameters
    ----------
    number
        Names it.
    phase
        Fraction of a second of the clock at which its first sample is taken.
    signal
        `(samples, channels)`, whole chunks; played over and over.
    first
        The sample of it to begin with.
    """

    def __init__(self, number: int, phase: float, signal: NDArray[np.float32], first: int) -> None:
        self.source_id = f"farm-{number}"
        self.sent = 0
        self._phase = phase
        self._signal = signal
        self._first = first
        self._begin = math.inf
        info = pylsl.StreamInfo(
            f"Simulated headset {number}", "EEG", len(DEAP32), SFREQ, "float32", self.source_id
        )
        desc = info.desc()
        desc.append_child_value("manufacturer", SIMULATED_MANUFACTURER)
        desc.append_child_value("simulated", "true")
        desc.append_child("replay").append_child_value("speed", "1")
        channels = desc.append_child("channels")
        for label in DEAP32:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
            channel.append_child_value("type", "EEG")
        self._outlet = pylsl.StreamOutlet(info)

    def begin(self, now: float) -> bool:
        """Begin within a second if there is a reader; return whether there is one."""
        if not self._outlet.have_consumers():
            return False
        self._begin = math.floor(now - self._phase) + 1.0 + self._phase
        return True

    @property
    def due(self) -> float:
        """When the next chunk's last sample is taken, by LSL's clock."""
        return self._begin + (self.sent + CHUNK - 1) / SFREQ

    def send(self) -> None:
        """Send the next chunk."""
        at = (self._first + self.sent) % len(self._signal)
        stamps = self._begin + np.arange(self.sent, self.sent + CHUNK) / SFREQ
        self._outlet.push_chunk(self._signal[at : at + CHUNK], stamps)
        self.sent += CHUNK


def endless_signal() -> NDArray[np.float32]:
    """Return two minutes of signal, `(samples, channels)` µV, that repeat without a step."""
    there = SimulatedPerson(2026, 1).run(0, SFREQ).next(60 * SFREQ, 0.0, 0.0).T
    return np.concatenate([there, there[::-1]]).astype(np.float32)


def plant(count: int, *, aligned: bool) -> list[FarmedHeadset]:
    """Open the outlets."""
    # An outlet with a reader takes about ten file descriptors; the default limit is often 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal = endless_signal()
    return [
        FarmedHeadset(
            number,
            0.0 if aligned else number / count,
            signal,
            number * len(signal) // count // CHUNK * CHUNK,
        )
        for number in range(count)
    ]


def run(headsets: list[FarmedHeadset], stop: threading.Event) -> deque[float]:
    """Send until `stop` is set; return by how many seconds the last chunks were late."""
    late: deque[float] = deque(maxlen=len(headsets) * TOLD_SECONDS * SFREQ // CHUNK)
    waiting = list(enumerate(headsets))
    due: list[tuple[float, int]] = []
    look = pylsl.local_clock()
    while not stop.is_set():
        now = pylsl.local_clock()
        if now >= look:
            begun = [entry for entry in waiting if entry[1].begin(now)]
            waiting = [entry for entry in waiting if entry not in begun]
            for index, headset in begun:
                heapq.heappush(due, (headset.due, index))
            look = now + LOOK_SECONDS
        if due and due[0][0] <= now:
            planned, index = due[0]
            headsets[index].send()
            late.append(now - planned)
            heapq.heapreplace(due, (headsets[index].due, index))
            continue
        time.sleep(max(0.0, min(look, due[0][0] if due else look) - now))
    return late


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("session_id")
    parser.add_argument("headsets", type=int)
    parser.add_argument("--aligned", action="store_true")
    options = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    configure(session_id=options.session_id)
    headsets = plant(options.headsets, aligned=options.aligned)
    print("ready", flush=True)
    late = run(headsets, stop)
    report = {
        "sent": {headset.source_id: headset.sent for headset in headsets},
        "late_ms": (np.percentile(late, [50, 99]) * 1e3).tolist() if late else None,
    }
    print(json.dumps(report), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
