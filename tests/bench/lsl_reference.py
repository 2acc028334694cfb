"""Measure LSL's own latency from push to pull, in a process of its own.

Usage: lsl_reference.py SESSION_ID SECONDS CHUNK. Prints the latencies in ms as a JSON list: from
the stamp of a chunk's last sample, which is when it was due, to its being pulled. The service's
figure begins at the same stamp. CHUNK is how many samples the headset sends at once.
"""

from __future__ import annotations

import json
import statistics
import sys

import pylsl

from eeg_emotion.lsl.configuration import configure

session_id, seconds, chunk = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
configure(session_id=session_id)
(info,) = pylsl.resolve_bypred("type='EEG'", minimum=1, timeout=20)
inlet = pylsl.StreamInlet(info, max_buflen=12, recover=False, as_numpy=True)
inlet.open_stream(timeout=10)
offset = inlet.time_correction(timeout=10)
inlet.flush()  # samples that arrived while connecting waited for us, not for LSL
latencies: list[float] = []
end = pylsl.local_clock() + seconds
while pylsl.local_clock() < end:
    _, stamps = inlet.pull_chunk(timeout=0.2, min_samples=1)
    received = pylsl.local_clock()
    latencies += [(received - stamp - offset) * 1e3 for stamp in stamps]
# The earlier samples of a chunk waited for its last: only the last show LSL's own latency. Which
# of each `chunk` samples that is depends on when this program came; theirs is the lowest latency.
classes = [latencies[first::chunk] for first in range(chunk)]
print(json.dumps(min(classes, key=statistics.median)))
