"""What becomes of a network's probability before anyone sees it: scaled, and named or not.

Training chooses the temperature and the range on validation people with these same functions.
"""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

# A float32 softmax cannot tell probabilities apart that are closer to 1 than 6e-8.
_CLIP = 1e-7


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the natural log odds of probabilities, any shape; finite for 0 and 1 too."""
    clipped = np.clip(np.asarray(probability, dtype=np.float64), _CLIP, 1 - _CLIP)
    return np.asarray(scipy.special.logit(clipped), dtype=np.float64)


def scale(probability: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Divide the log odds by the temperature: above 1 moves probabilities towards 0.5.

    What is above 0.5 stays above, so no label changes (Guo et al. 2017, *On Calibration of Modern
    Neural Networks*).
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"found a temperature of {temperature}, expected a number above 0")
    return np.asarray(scipy.special.expit(log_odds(probability) / temperature), dtype=np.float64)


def is_unsure(probability: ArrayLike, band: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which probabilities get no label, any shape: those in the band, its ends included.

    A band of two equal ends holds none.
    """
    given = np.asarray(probability, dtype=np.float64)
    low, high = band
    return np.asarray((low < high) & (low <= given) & (given <= high))
