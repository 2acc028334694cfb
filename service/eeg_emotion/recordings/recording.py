"""A recording: named channels, units and rate, and its signal as contiguous stretches.

Everything that can be replayed or trained on has this form: a DEAP file, a file that MNE or pyxdf
reads, a simulated person. Two stretches that do not follow each other are separated by a gap, and
no window may span it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.errors import EegEmotionError


class RecordingError(EegEmotionError):
    """A recording cannot be read, or is not what it claims to be."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker at one sample of a stretch, such as a trial's ratings as a JSON object."""

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
        True if the first sample is one sample period after the previous stretch's last.
    markers
        Markers of this stretch, in order of their samples.
    stamps
        `(samples,)` seconds at which they were measured, by the source's clock; None where the
        format states no more than the nominal rate.
    """

    samples: NDArray[np.floating]
    follows: bool = False
    markers: tuple[Marker, ...] = ()
    stamps: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """EEG with its metadata.

    Attributes
    ----------
    name
        The name for people, such as ``DEAP s01``.
    source_id
        Stable and unique, so that a restarted replay is the same headset.
    channels, units
        One label and one unit per channel, as the source states them.
    sfreq
        Samples per second.
    manufacturer
        The maker of the device or the data.
    simulated
        True if the signal does not come from a person. It is shown wherever the data are shown.
    stretches
        Returns the signal from its beginning, on each call. It may be endless.
    notes
        What was found odd and read nevertheless, a sentence each, to be shown to people.
    """

    name: str
    source_id: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    sfreq: float
    manufacturer: str
    simulated: bool
    stretches: Callable[[], Iterator[Stretch]]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.units):
            raise RecordingError(
                f"{self.name}: found {len(self.channels)} channel names and {len(self.units)} "
                "units, expected one unit per channel"
            )
        if not 0 < self.sfreq < math.inf:
            raise RecordingError(
                f"{self.name}: found a rate of {self.sfreq} Hz, expected a positive one; "
                "an irregular stream cannot be replayed: choose another stream or file"
            )
