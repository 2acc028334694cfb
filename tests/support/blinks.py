"""Simulated blinks, to be added to a signal without any: where on the head, how large, how often.

A model, and not a recording. A blink is largest above the eyes. From there it falls exponentially
with the distance from the nearer eye, to the 9 % of it that Corby and Kopell found at the vertex
(1972, Psychophysiology 9, 640-644).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import positions

_ABOVE_THE_EYES = ("Fp1", "Fp2")
_AT_THE_VERTEX = 0.093


def blink_weights(channels: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the share of a blink that each channel shows, `(channels,)`, 1 at Fp1 and Fp2."""
    vertex = _distance(("Cz",))[0]
    shares: NDArray[np.float64] = _AT_THE_VERTEX ** (_distance(channels) / vertex)
    return shares


def _distance(channels: tuple[str, ...]) -> NDArray[np.float64]:
    eyes = positions(_ABOVE_THE_EYES)
    between = np.linalg.norm(positions(channels)[:, np.newaxis] - eyes, axis=2)
    nearest: NDArray[np.float64] = between.min(axis=1)
    return nearest


@dataclass(frozen=True, slots=True)
class Blinks:
    """How a person blinks.

    Attributes
    ----------
    uv
        The median peak above the eyes.
    a_minute
        How many on average; people at rest blink 17 times a minute, and 26 in a conversation
        (Bentivoglio et al. 1997, Movement Disorders 12, 1028-1034).
    spread
        Standard deviation of the logarithm of the peak.
    closing_seconds, opening_seconds
        The range of each of the two, of which the eye's closing is the faster.
    """

    uv: float
    a_minute: float = 20.0
    spread: float = 0.25
    closing_seconds: tuple[float, float] = (0.07, 0.13)
    opening_seconds: tuple[float, float] = (0.13, 0.27)

    def course(self, samples: int, sfreq: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return µV above the eyes, `(samples,)`; blinks neither overlap nor come in a rhythm."""
        course = np.zeros(samples)
        longest = self.closing_seconds[1] + self.opening_seconds[1]
        pause = 60.0 / self.a_minute - longest
        at = rng.exponential(pause)
        while (first := round(at * sfreq)) < samples:
            blink = self._one(sfreq, rng)[: samples - first]
            course[first : first + len(blink)] += blink
            at += longest + rng.exponential(pause)
        return course

    def _one(self, sfreq: float, rng: np.random.Generator) -> NDArray[np.float64]:
        closing, opening = (
            round(rng.uniform(*seconds) * sfreq)
            for seconds in (self.closing_seconds, self.opening_seconds)
        )
        rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(closing) / closing)
        fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(opening) / opening)
        peak = self.uv * np.exp(rng.normal(0.0, self.spread))
        shape: NDArray[np.float64] = peak * np.concatenate([rise, fall])
        return shape


def add_blinks(
    samples: NDArray[np.floating],
    channels: tuple[str, ...],
    sfreq: float,
    blinks: Blinks,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return `(channels, samples)` in µV with blinks added to each channel by its place."""
    course = blinks.course(samples.shape[1], sfreq, rng)
    blinking: NDArray[np.float64] = samples + np.outer(blink_weights(channels), course)
    return blinking
