"""Interpolation of missing electrodes by spherical splines.

Source: Perrin, Pernier, Bertrand, Echallier 1989, *Spherical splines for scalp potential and
current density mapping*, Electroencephalography and Clinical Neurophysiology 72(2), 184-187.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

_STIFFNESS = 4  # the paper's m
_TERMS = 50  # with m = 4 the 50th term is below 1e-11 of the first
_REGULARISATION = 1e-5  # keeps the system well conditioned if electrodes are close


def interpolation_matrix(
    known: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the matrix that maps potentials at known positions to those at wanted positions.

    Parameters
    ----------
    known, wanted
        Positions on the unit sphere, `(known, 3)` and `(wanted, 3)`.

    Returns
    -------
    NDArray[np.float64]
        `(wanted, known)`. Its rows sum to one: a common potential is preserved.
    """
    count = len(known)
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = _spline(known @ known.T) + _REGULARISATION * np.eye(count)
    system[:count, count] = system[count, :count] = 1.0
    coefficients = np.linalg.inv(system)[:, :count]
    evaluate = np.hstack([_spline(wanted @ known.T), np.ones((len(wanted), 1))])
    return np.ascontiguousarray(evaluate @ coefficients)


def _spline(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    n = np.arange(1, _TERMS + 1)
    weights = np.concatenate([[0.0], (2 * n + 1) / (n * (n + 1.0)) ** _STIFFNESS / (4 * np.pi)])
    return np.asarray(legendre.legval(np.clip(cosines, -1.0, 1.0), weights))
