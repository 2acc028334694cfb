"""A recording: named channels, units and rate, and its signal as contiguous stretches.

Everything that can be replayed or trained on has this shape: a DEAP file, a file that MNE or
pyxdf reads, a simulated person. Two stretches that do not follow each other are a gap, and no
window may span it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError


class RecordingError(EegEmotionError):
    """A recording cannot be read, or is not what it claims to be."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A note at one sample of a stretch, such as a trial's ratings as a JSON object."""

    sample: int
    text: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Contiguous samples.

    Attributes
    ----------
    samples
        `(channels, samples)` in the recording's units.
    follows
        True where the first sample comes one sample period after the last stretch's last.
    markers
        Notes on this stretch, in order of their sample.
    """

    samples: NDArray[np.floating]
    follows: bool = False
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """EEG with its metadata.

    Attributes
    ----------
    name
        For people, such as ``DEAP s01``.
    source_id
        Stable and unique, so that a replay that is started again is the same headset.
    channels, units
        One label and one unit per channel, as the source states them.
    sfreq
        Samples per second.
    manufacturer
        Who made the device or the data.
    simulated
        True where no person's brain made this signal. It is shown wherever the data are shown.
    stretches
        Gives the signal from its beginning, each time it is called. It may be endless.
    """

    name: str
    source_id: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    sfreq: float
    manufacturer: str
    simulated: bool
    stretches: Callable[[], Iterator[Stretch]]

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.units):
            raise RecordingError(
                f"{self.name}: found {len(self.channels)} channel names and {len(self.units)} "
                "units, expected one unit for each channel"
            )
        if not self.sfreq > 0:
            raise RecordingError(
                f"{self.name}: found a rate of {self.sfreq} Hz, expected a positive one; "
                "an irregular stream cannot be replayed"
            )
