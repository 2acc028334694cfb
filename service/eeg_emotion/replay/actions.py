"""What a replayed headset does, one after the other: connects, sends, goes.

All times are seconds of signal since the replay began, whatever its speed is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Form:
    """What a stream states: its channels' labels and units, and its rate in Hz."""

    channels: tuple[str, ...]
    units: tuple[str, ...]
    sfreq: float


@dataclass(frozen=True, slots=True)
class Note:
    """A marker's text with its time, or with its stamp once it is sent; seconds."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Send:
    """Samples for the outlet, and markers for theirs.

    Attributes
    ----------
    due
        When.
    samples
        `(channels, samples)` as the headset sends them; none where they are lost.
    stamps
        `(samples,)`, seconds after the replay's begin as the headset's clock says.
    notes
        Markers with their stamps, likewise.
    unix
        True where the stamps are to be Unix time.
    sfreq
        The true rate of the samples, Hz.
    """

    due: float
    samples: NDArray[np.floating]
    stamps: NDArray[np.float64]
    notes: tuple[Note, ...]
    unix: bool
    sfreq: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The outlet goes; where `killed`, for good, and the replay with it."""

    due: float
    killed: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """An outlet of the same source comes, of this form."""

    due: float
    form: Form


Action = Send | Disconnect | Connect
