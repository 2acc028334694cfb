"""A headset in a process of its own, which a test may stop or kill.

Called as `python headset.py SESSION SOURCE_ID SAMPLES FAULTS`, with the samples in a file of NumPy:
it begins when it is listened to, and plays them over and over. Simulating a person would cost each
process a second.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.lsl import configuration as lsl
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.replay.faults import parse_faults
from eeg_emotion.replay.replayer import Replayer


@contextlib.contextmanager
def headset_process(
    session: str, source_id: str, samples: NDArray[np.float64], faults: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a headset until the context ends; `samples` are `(32, samples)` µV at 128 Hz."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "samples.npy")
        np.save(file, samples)
        process = subprocess.Popen([sys.executable, __file__, session, source_id, file, faults])
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def main(session: str, source_id: str, file: str, faults: str) -> None:
    lsl.configure(session_id=session)
    stretch = Stretch(np.load(file), follows=True)
    recording = Recording(
        name="Test headset",
        source_id=source_id,
        channels=DEAP32,
        units=("microvolts",) * len(DEAP32),
        sfreq=128.0,
        manufacturer="test",
        simulated=True,
        stretches=lambda: repeat(stretch),
    )
    Replayer(recording, faults=parse_faults(faults)).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
