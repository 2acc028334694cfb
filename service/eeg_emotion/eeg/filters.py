"""Causal filters that carry their state, so that chunk borders never matter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal


class CausalFilter:
    """Second-order sections run over `(channels, samples)`, continuing where they stopped.

    The sections work in float64: a 4 Hz edge at 128 Hz loses precision in float32.
    """

    def __init__(self, sos: NDArray[np.float64], channels: int) -> None:
        self._sos = sos
        self._state = np.zeros((len(sos), channels, 2))

    def process(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filter the next samples, `(channels, samples)` in and out."""
        filtered, self._state = signal.sosfilt(self._sos, samples, axis=1, zi=self._state)
        return np.asarray(filtered)


def bandpass(low_hz: float, high_hz: float, *, order: int, sfreq: float) -> NDArray[np.float64]:
    """Design a Butterworth band-pass as second-order sections; `order` counts each slope."""
    if not 0 < low_hz < high_hz < sfreq / 2:
        raise ValueError(
            f"found a band of {low_hz} to {high_hz} Hz at {sfreq} Hz, expected it to rise and to "
            "lie between 0 and half the rate"
        )
    return np.asarray(signal.butter(order, [low_hz, high_hz], "bandpass", fs=sfreq, output="sos"))


def notches(lines_hz: Sequence[float], *, q: float, sfreq: float) -> NDArray[np.float64]:
    """Design notches of quality `q` at the mains' frequencies; `(lines, 6)`, empty for none."""
    sections = [signal.tf2sos(*signal.iirnotch(line, q, fs=sfreq)) for line in lines_hz]
    return np.concatenate(sections) if sections else np.empty((0, 6))


def group_delay_seconds(sos: NDArray[np.float64], at_hz: float, sfreq: float) -> float:
    """Give the time by which the filter delays activity at one frequency."""
    step_hz = 0.01
    frequencies = np.array([at_hz - step_hz, at_hz + step_hz])
    _, response = signal.sosfreqz(sos, worN=frequencies, fs=sfreq)
    phase = np.unwrap(np.angle(response))
    return float(-(phase[1] - phase[0]) / (2 * np.pi * 2 * step_hz))
