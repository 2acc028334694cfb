"""Measures the amplitude of a stream's signal, and infers its unit of voltage.

This is for sources that state no unit. EEG in volts, millivolts and microvolts differs by factors
of a thousand, far more than people and electrodes do.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg import filters

EEG_RMS_UV = (2.0, 100.0)
"""Between 4 and 45 Hz, the EEG of an awake person has some 5 to 30 µV RMS. The range leaves room
for thin skulls, muscles and blinks, and a factor of ten to the ranges of neighbouring units."""

UNIT_RANGES: dict[str, tuple[float, float]] = {
    unit: (EEG_RMS_UV[0] / microvolts, EEG_RMS_UV[1] / microvolts)
    for unit, microvolts in (("V", 1e6), ("mV", 1e3), ("µV", 1.0))
}
"""The RMS values that match each unit. Nanovolts have none: such values are as likely to be a
converter's counts, and no source sends nanovolts without stating it."""

NEEDED_SECONDS = 4.0
"""Contiguous signal that is needed for an amplitude."""

_BAND_HZ = (4.0, 45.0)  # the band that models are made for
_ORDER = 4
_MAINS_Q = 30.0
_SETTLE_SECONDS = 1.0  # four periods of the lower edge: the ringing is down to some per cent
_PIECE_SECONDS = 0.5
_LARGEST = 1e12  # no voltage in any unit, nor a count of any converter, is beyond this


def infer_unit(amplitude: float) -> str | None:
    """Infer the unit of a signal from its RMS between 4 and 45 Hz.

    Parameters
    ----------
    amplitude
        The median over the channels whose unit is not stated, in the stream's own unit.

    Returns
    -------
    str | None
        ``V``, ``mV`` or ``µV``; None if the amplitude matches none of them.
    """
    for unit, (least, most) in UNIT_RANGES.items():
        if least <= amplitude <= most:
            return unit
    return None


class AmplitudeMeter:
    """Measures each channel's amplitude between 4 and 45 Hz, whatever its unit.

    The result does not depend on how the stream is cut into chunks.

    Parameters
    ----------
    channels
        The number of channels of the stream.
    sfreq
        The stream's rate in Hz, 100 to 2048.
    """

    def __init__(self, channels: int, sfreq: float) -> None:
        # The band-pass alone takes only half of 50 Hz away.
        lines = [line for line in filters.MAINS_HZ if line < 0.49 * sfreq]
        self._sos = np.concatenate(
            [
                filters.notches(lines, q=_MAINS_Q, sfreq=sfreq),
                filters.bandpass(*_BAND_HZ, order=_ORDER, sfreq=sfreq),
            ]
        )
        self._channels = channels
        self._piece = round(_PIECE_SECONDS * sfreq)
        self._settle = round(_SETTLE_SECONDS * sfreq)
        self._needed = round(NEEDED_SECONDS * sfreq)
        self.restart()

    def restart(self) -> None:
        """Start over: the next samples do not continue the previous ones."""
        self._filter = filters.CausalFilter(self._sos, self._channels)
        self._offset = np.full(self._channels, np.nan)
        self._held = np.zeros(self._channels)
        self._count = 0
        self._pending = np.empty((self._channels, 0))
        self._pending_good = np.empty((self._channels, 0), dtype=bool)
        # Only the latest pieces, so that a headset that is put on later is measured from then on.
        kept = (self._needed - self._settle) // self._piece
        self._pieces: deque[NDArray[np.float64]] = deque(maxlen=kept)

    @property
    def ready(self) -> bool:
        """Whether enough contiguous signal has been measured."""
        return self._count >= self._needed

    @property
    def needed(self) -> int:
        """The number of further samples that are needed."""
        return max(0, self._needed - self._count)

    @property
    def amplitudes(self) -> NDArray[np.float64]:
        """`(channels,)` RMS in the stream's unit: the median over the last pieces of 0.5 s.

        NaN for a channel without finite samples, and for all channels until `ready`.
        """
        amplitudes = np.full(self._channels, np.nan)
        if self.ready:
            pieces = np.stack(list(self._pieces))
            measured = np.isfinite(pieces).any(axis=0)
            amplitudes[measured] = np.nanmedian(pieces[:, measured], axis=0)
        return amplitudes

    def feed(self, samples: NDArray[np.floating]) -> None:
        """Process the next samples, `(channels, samples)`; values may be anything, even NaN."""
        if not samples.shape[1]:
            return
        values = samples.astype(np.float64)
        good = np.abs(values) <= _LARGEST  # NaN compares false
        skipped = max(0, min(values.shape[1], self._settle - self._count))
        self._count += values.shape[1]
        filtered = self._filter.process(self._clean(values, good))
        self._pending = np.concatenate([self._pending, filtered[:, skipped:]], axis=1)
        self._pending_good = np.concatenate([self._pending_good, good[:, skipped:]], axis=1)
        whole = self._pending.shape[1] // self._piece * self._piece
        for start in range(0, whole, self._piece):
            piece = np.ascontiguousarray(self._pending[:, start : start + self._piece])
            rms = np.sqrt((piece**2).mean(axis=1))
            mostly = self._pending_good[:, start : start + self._piece].mean(axis=1) >= 0.5
            self._pieces.append(np.where(mostly, rms, np.nan))
        self._pending = self._pending[:, whole:]
        self._pending_good = self._pending_good[:, whole:]

    def _clean(self, values: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Subtract each channel's first good sample, and replace bad ones by the last good one.

        Otherwise an electrode's offset of some mV would ring in the filters for seconds, and a
        single NaN would stay in them forever.
        """
        unset = np.isnan(self._offset) & good.any(axis=1)
        self._offset[unset] = values[unset, good[unset].argmax(axis=1)]
        offset = np.nan_to_num(self._offset)[:, None]
        known = np.column_stack([np.ones(self._channels, dtype=bool), good])
        padded = np.column_stack([self._held, np.where(good, values - offset, 0.0)])
        source = np.maximum.accumulate(np.where(known, np.arange(known.shape[1]), 0), axis=1)
        clean: NDArray[np.float64] = np.take_along_axis(padded, source, axis=1)
        self._held = clean[:, -1].copy()
        return clean[:, 1:]
