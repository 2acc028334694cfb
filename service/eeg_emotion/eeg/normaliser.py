"""Brings features to zero mean and unit spread by statistics that travel with the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SMALLEST_SD = 1e-6


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Mean and standard deviation of each feature over the training people's windows.

    Attributes
    ----------
    kind
        ``training``: the statistics come from training people only.
    mean, sd
        One value per feature, in the representation's unit (µV or dB).
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    kind: Literal["training"] = "training"

    def apply(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Normalise `(..., features)`."""
        return np.asarray((rows - np.array(self.mean)) / np.array(self.sd), dtype=np.float32)


def fit_normaliser(rows: NDArray[np.floating]) -> Normaliser:
    """Fit to `(rows, features)` of training people.

    Raises
    ------
    ValueError
        If a feature is not finite or does not vary: the model could not see it.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    sd = rows.std(axis=0, dtype=np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(sd).all()):
        raise ValueError("found features that are not finite, expected finite ones")
    if (sd < _SMALLEST_SD).any():
        raise ValueError(
            f"found {int((sd < _SMALLEST_SD).sum())} features that do not vary, expected none; "
            "look for dead channels in the training data"
        )
    return Normaliser(mean=tuple(mean.tolist()), sd=tuple(sd.tolist()))
