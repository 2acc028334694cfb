"""Turns a window's measures into the network's features: recentred, with zero mean and unit spread.

The statistics come from the training people and are part of the model, or come from a person's own
rest before use. They never come from windows that are scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.eeg.representation import Reference, Representation

_SMALLEST_SD = 1e-6

NormaliserKind = Literal["training", "rest-baseline"]


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Statistics of each feature, and the reference about which they were computed.

    Attributes
    ----------
    mean, sd
        One value per feature, in the representation's unit.
    kind
        ``training``: from training people only. ``rest-baseline``: from one person's own rest,
        for that person only.
    reference
        The argument of `Representation.recentre`; empty for most representations.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    kind: NormaliserKind = "training"
    reference: Reference = ()

    def apply(
        self, windows: NDArray[np.floating], representation: Representation
    ) -> NDArray[np.float32]:
        """Return the network's `(..., steps, features)` of `(..., steps, measures)`."""
        features = representation.recentre(windows, self.reference)
        return np.asarray((features - np.array(self.mean)) / np.array(self.sd), dtype=np.float32)


def fit_normaliser(
    parts: Sequence[NDArray[np.floating]],
    representation: Representation,
    kind: NormaliserKind = "training",
) -> Normaliser:
    """Fit a normaliser to windows of training people, or of one person's rest.

    Parameters
    ----------
    parts
        `(..., steps, measures)` each: windows, as many per part as fit into memory in double
        precision. How they are divided matters only for rounding.
    representation
        The representation of the windows.
    kind
        Whose windows they are.

    Raises
    ------
    ValueError
        If a feature is not finite or does not vary.
    """
    mean_row, _ = _moments(part.reshape(-1, part.shape[-1]) for part in parts)
    reference = representation.reference(mean_row[np.newaxis])
    features = (representation.recentre(part, reference) for part in parts)
    mean, sd = _moments(part.reshape(-1, part.shape[-1]) for part in features)
    if (sd < _SMALLEST_SD).any():
        raise ValueError(
            f"found {int((sd < _SMALLEST_SD).sum())} features that do not vary, expected none; "
            "check the data for dead channels"
        )
    return Normaliser(tuple(mean.tolist()), tuple(sd.tolist()), kind, reference)


def _moments(
    parts: Iterable[NDArray[np.floating]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of each column over all rows of all parts."""
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for part in parts:
        rows = part.astype(np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("found features that are not finite, expected finite ones")
        # Chan, Golub, LeVeque 1983: squares about the mean, since sums of squares cancel.
        step = rows.mean(axis=0) - mean
        total = count + len(rows)
        squares = squares + ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)
        squares = squares + step**2 * (count * len(rows) / total)
        mean = mean + step * (len(rows) / total)
        count = total
    return mean, np.sqrt(squares / max(count, 1))
