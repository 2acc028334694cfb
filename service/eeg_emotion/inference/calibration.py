"""Calibrates a network's probabilities: temperature scaling, and the range without a label.

Training chooses the temperature and the range on validation people with these same functions.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

# A float32 softmax cannot distinguish probabilities that are closer to 1 than 6e-8.
_CLIP = 1e-7


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the natural log odds of probabilities, any shape; finite for 0 and 1 too."""
    clipped = np.clip(np.asarray(probability, dtype=np.float64), _CLIP, 1 - _CLIP)
    return np.asarray(scipy.special.logit(clipped), dtype=np.float64)


def scale(probability: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Divide the log odds by the temperature: above 1 moves probabilities towards 0.5.

    Probabilities above 0.5 stay above it, so no label changes (Guo et al. 2017, *On Calibration of
    Modern Neural Networks*).
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"found a temperature of {temperature}, expected a number above 0")
    return np.asarray(scipy.special.expit(log_odds(probability) / temperature), dtype=np.float64)


def is_unsure(probability: ArrayLike, band: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which probabilities, of any shape, get no label: those in the closed band.

    A band with two equal ends contains none.
    """
    given = np.asarray(probability, dtype=np.float64)
    low, high = band
    return np.asarray((low < high) & (low <= given) & (given <= high))
