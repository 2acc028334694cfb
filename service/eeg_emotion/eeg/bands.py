"""Band power of the head's regions, for display; not a feature of any model."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import scipy  # loads scipy.signal, which takes a second, on first use
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import REGIONS, region_of

BANDS: Mapping[str, tuple[float, float]] = {
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 45.0),
}
"""Edges in Hz, the lower inclusive and the upper exclusive. The outer edges are those of the path's
band-pass, which halves the power there."""

_SEGMENT_SECONDS = 2.0  # resolves 0.5 Hz


def region_power(
    signal: NDArray[np.floating],
    channels: tuple[str, ...],
    left_out: Collection[str],
    sfreq: float,
) -> dict[str, dict[str, float | None]]:
    """Return the mean power of each region's electrodes in each band.

    Welch's method (Welch 1967, doi:10.1109/TAU.1967.1161901) with Hann windows of 2 s, integrated
    over the band.

    Parameters
    ----------
    signal
        `(channels, samples)` µV.
    channels
        The channels' names.
    left_out
        Channels that are not counted, such as interpolated ones.
    sfreq
        Hz.

    Returns
    -------
    dB above 1 µV² by region and band; None if no electrode is left or nothing is measured.
    """
    frequencies, density = scipy.signal.welch(
        signal, sfreq, nperseg=min(round(_SEGMENT_SECONDS * sfreq), signal.shape[1])
    )
    width = frequencies[1] - frequencies[0]
    found: dict[str, dict[str, float | None]] = {}
    for region in REGIONS:
        rows = [
            row
            for row, channel in enumerate(channels)
            if region_of(channel) == region and channel not in left_out
        ]
        found[region] = {
            name: _decibels(
                density[rows][:, (low <= frequencies) & (frequencies < high)].sum(axis=1) * width
            )
            for name, (low, high) in BANDS.items()
        }
    return found


def _decibels(powers: NDArray[np.float64]) -> float | None:
    mean = float(powers.mean()) if len(powers) else 0.0
    return round(10.0 * float(np.log10(mean)), 2) if mean > 0.0 else None
