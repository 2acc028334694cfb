"""A headset script: send the EEG of a device over Lab Streaming Layer, with pylsl.

Start before: nothing. The daemon finds the stream: `eeg-emotion serve`.
Run it with:  python headset.py
Check it:     eeg-emotion doctor
End it with:  Ctrl-C

As it stands, it sends simulated noise that resembles EEG, and says so in its metadata. Replace the
class `Device` with reads of your device, and correct what is stated above it. LSL asks for no
credentials: whoever reaches this machine over the network can read the stream.
"""

from __future__ import annotations

import time

import numpy as np
import pylsl
from numpy.typing import NDArray

# What the daemon learns of your device. It finds channels by their labels, never by position.
NAME, SOURCE_ID = "My headset", "my-headset-1"  # the id stays the same when the script restarts
RATE = 128.0  # Hz
UNIT = "microvolts"
LABELS = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1"),
    *("Oz", "Pz", "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2"),
    *("P4", "P8", "PO4", "O2"),
)
SIMULATED = True  # False once the samples are a person's


class Device:
    """Stands for your device: YOUR READS GO HERE, in `read`."""

    def __init__(self) -> None:
        self._random = np.random.default_rng()
        self._level = np.zeros(len(LABELS))
        self._chunk = round(RATE / 8)
        self._time = pylsl.local_clock()

    def read(self) -> tuple[NDArray[np.float32], float]:
        """Wait for the next chunk.

        Returns
        -------
        The samples, `(samples, channels)` in `UNIT`, and when the last one was taken, on the clock
        of `pylsl.local_clock()`. Stamp when the device took a sample, not when you send it: if its
        radio takes 40 ms, subtract 0.040.
        """
        self._time += self._chunk / RATE
        time.sleep(max(0.0, self._time - pylsl.local_clock()))
        steps = self._random.normal(0.0, 6.0, (self._chunk, len(LABELS)))
        samples = np.empty_like(steps)
        for row, step in enumerate(steps):  # slow changes are larger than fast ones, as in EEG
            self._level = 0.95 * self._level + step
            samples[row] = self._level
        return samples.astype(np.float32), self._time


def describe() -> pylsl.StreamInfo:
    """Return the stream's metadata, in the form that the daemon reads."""
    info = pylsl.StreamInfo(NAME, "EEG", len(LABELS), RATE, pylsl.cf_float32, SOURCE_ID)
    desc = info.desc()
    desc.append_child_value("manufacturer", "me")
    desc.append_child_value("simulated", "true" if SIMULATED else "false")
    channels = desc.append_child("channels")
    for label in LABELS:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", UNIT)
        channel.append_child_value("type", "EEG")
    return info


def main() -> None:
    """Send what the device reads, until Ctrl-C."""
    device = Device()
    outlet = pylsl.StreamOutlet(describe())
    print(f"sending {len(LABELS)} channels at {RATE:g} Hz as {NAME!r}; Ctrl-C ends it")
    try:
        while True:
            samples, last = device.read()
            outlet.push_chunk(samples, last)  # LSL stamps the others by the rate
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
