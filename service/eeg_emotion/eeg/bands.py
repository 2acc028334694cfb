"""Band power of the head's regions, for display; not a feature of any model."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import scipy  # loads scipy.signal, which takes a second, on first use
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import REGIONS, region_of
from eeg_emotion.eeg.representation import FOUR_BANDS

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
    # The outer edges are those of the path's band-pass, which takes off half the power there.
    inside = {
        band: (band.low_hz <= frequencies) & (frequencies < band.high_hz) for band in FOUR_BANDS
    }
    found: dict[str, dict[str, float | None]] = {}
    for region in REGIONS:
        rows = [
            row
            for row, channel in enumerate(channels)
            if region_of(channel) == region and channel not in left_out
        ]
        found[region] = {
            band.name: _decibels(density[rows][:, inside[band]].sum(axis=1) * width)
            for band in FOUR_BANDS
        }
    return found


def _decibels(powers: NDArray[np.float64]) -> float | None:
    mean = float(powers.mean()) if len(powers) else 0.0
    return round(10.0 * float(np.log10(mean)), 2) if mean > 0.0 else None
