"""Measures LSL's own way from push to pull, in a process of its own.

Usage: lsl_reference.py SESSION_ID SECONDS. Prints the latencies in ms as a JSON list: from a
chunk's last stamp to its being pulled, the same clock and the same start as the service's figure.
"""

from __future__ import annotations

import json
import sys

import pylsl

from eeg_emotion.headset.lsl import configure

session_id, seconds = sys.argv[1], float(sys.argv[2])
configure(session_id=session_id)
(info,) = pylsl.resolve_bypred("type='EEG'", minimum=1, timeout=20)
inlet = pylsl.StreamInlet(info, max_buflen=12, recover=False, as_numpy=True)
inlet.open_stream(timeout=10)
offset = inlet.time_correction(timeout=10)
latencies, end = [], pylsl.local_clock() + seconds
while (now := pylsl.local_clock()) < end:
    _, stamps = inlet.pull_chunk(timeout=0.2, min_samples=1)
    if len(stamps):
        latencies.append((pylsl.local_clock() - stamps[-1] - offset) * 1e3)
print(json.dumps(latencies))
