"""Several headsets in one process, each a simulated person with faults of its own.

Called as `python fault_farm.py SESSION '["drop 2s @9", …]'`: the n-th fault is person n's. Each
begins when it is listened to; the process ends when its standard input is closed.
"""

from __future__ import annotations

import json
import sys
import threading

from eeg_emotion.headset import lsl
from eeg_emotion.headset.faults import parse_faults
from eeg_emotion.headset.replayer import Replayer
from eeg_emotion.recordings.simulation import simulated_recording


def main() -> None:
    session, faults = sys.argv[1], json.loads(sys.argv[2])
    lsl.configure(session_id=session)
    stop = threading.Event()
    replayers = [
        Replayer(simulated_recording(7, number), faults=parse_faults(text))
        for number, text in enumerate(faults)
    ]
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in replayers]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
