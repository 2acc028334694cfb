"""The actions of a replayed headset, in order: connect, send, disconnect.

All times are seconds of signal since the replay began, whatever its speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Form:
    """A stream's metadata: its channels' labels and units, and its rate in Hz."""

    channels: tuple[str, ...]
    units: tuple[str, ...]
    sfreq: float


@dataclass(frozen=True, slots=True)
class TimedMarker:
    """A marker's text with its time, or once it is sent with its stamp; seconds."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Send:
    """Samples for the outlet, and markers for the marker outlet.

    Attributes
    ----------
    due
        When to send.
    samples
        `(channels, samples)` as the headset sends them; empty if they are lost.
    stamps
        `(samples,)`, seconds since the replay's start by the headset's clock.
    markers
        Markers with their stamps, in the same way.
    unix
        True if the stamps have to be in Unix time.
    sfreq
        The true rate of the samples, Hz.
    """

    due: float
    samples: NDArray[np.floating]
    stamps: NDArray[np.float64]
    markers: tuple[TimedMarker, ...]
    unix: bool
    sfreq: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The outlet closes; if `killed`, for good, and the replay ends."""

    due: float
    killed: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """A new outlet of the same source opens, with this metadata."""

    due: float
    form: Form


Action = Send | Disconnect | Connect
