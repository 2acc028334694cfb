"""Covariance matrices as rows of numbers, and their tangent vectors.

The space of covariance matrices is curved; at a reference it is approximated by a flat space, in
which ordinary classifiers work. If the reference is first mapped to the identity, the tangent
vector is the matrix logarithm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A direction with less than this share of the strongest one's variance counts as empty: the average
# reference and interpolated channels leave such directions.
_EMPTY = 1e-7


def to_rows(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper triangles, `(..., channels, channels)` to `(..., entries)`."""
    upper = np.triu_indices(matrices.shape[-1])
    return np.asarray(matrices[..., upper[0], upper[1]])


def to_matrices(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric matrices of upper triangles, the inverse of `to_rows`."""
    channels = round((np.sqrt(8 * rows.shape[-1] + 1) - 1) / 2)
    upper = np.triu_indices(channels)
    matrices = np.empty((*rows.shape[:-1], channels, channels))
    matrices[..., upper[0], upper[1]] = rows
    matrices[..., upper[1], upper[0]] = rows
    return matrices


def tangent_vectors(
    rows: NDArray[np.float64], reference: NDArray[np.float64], shrinkage: float
) -> NDArray[np.float64]:
    """Return the tangent vectors of covariances at a reference.

    Parameters
    ----------
    rows
        `(..., entries)` upper triangles, µV².
    reference
        `(entries,)` upper triangle of the reference, µV².
    shrinkage
        Weight of the identity, to which the reference itself is mapped; 0 works only if all
        matrices have full rank.

    Returns
    -------
    ndarray
        `(..., entries)`: upper triangles of the matrix logarithms, off-diagonal ones times
        sqrt(2). Directions in which the reference is empty contribute nothing.
    """
    values, vectors = np.linalg.eigh(to_matrices(reference))
    held = values > _EMPTY * values[-1]
    # From channels to the reference's own directions, each of unit variance.
    whiten = vectors[:, held] / np.sqrt(values[held])
    matrices = whiten.T @ to_matrices(rows) @ whiten
    matrices = (1.0 - shrinkage) * matrices + shrinkage * np.eye(int(held.sum()))
    eigenvalues, eigenvectors = np.linalg.eigh(matrices)
    # A covariance has no negative eigenvalue, but rows stored in single precision may have one,
    # from rounding errors that whitening amplifies, and it would have no logarithm.
    eigenvalues = np.maximum(eigenvalues, shrinkage)
    logarithms = (eigenvectors * np.log(eigenvalues)[..., np.newaxis, :]) @ np.swapaxes(
        eigenvectors, -1, -2
    )
    # Back to channels, so that an entry means the same pair of electrodes for every person.
    logarithms = vectors[:, held] @ logarithms @ vectors[:, held].T
    weights = to_rows(np.where(np.eye(len(values), dtype=bool), 1.0, np.sqrt(2.0)))
    return to_rows(logarithms) * weights
