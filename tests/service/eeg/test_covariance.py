from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.covariance import tangent_vectors, to_matrices, to_rows

RNG = np.random.default_rng(0)
CHANNELS = 8


@pytest.fixture(scope="module")
def peer() -> SimpleNamespace:
    """pyriemann, imported only where it is compared with: that takes a second."""
    from pyriemann.geometry.distance import distance_riemann
    from pyriemann.geometry.tangentspace import tangent_space

    return SimpleNamespace(distance=distance_riemann, tangent_space=tangent_space)


def covariances(
    count: int, channels: int = CHANNELS, mixing: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Covariances of full rank in the space before the mixing, µV²."""
    samples = RNG.normal(0.0, 5.0, (count, channels, 4 * channels))
    if mixing is not None:
        samples = mixing @ samples
    return np.asarray(samples @ samples.transpose(0, 2, 1) / samples.shape[-1])


def logarithms(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric matrices whose tangent vectors these are."""
    matrices = to_matrices(vectors) / np.sqrt(2.0)
    diagonal = np.arange(matrices.shape[-1])
    matrices[..., diagonal, diagonal] *= np.sqrt(2.0)
    return np.asarray(matrices)


def test_a_row_contains_the_upper_triangle_line_by_line() -> None:
    matrix = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 5.0], [3.0, 5.0, 6.0]])
    np.testing.assert_array_equal(to_rows(matrix), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


@pytest.mark.parametrize("channels", [1, 2, 4, 19, 32])
def test_matrices_come_back_from_their_rows(channels: int) -> None:
    matrices = covariances(6, channels).reshape(2, 3, channels, channels)
    rows = to_rows(matrices)
    assert rows.shape == (2, 3, channels * (channels + 1) // 2)
    np.testing.assert_array_equal(to_matrices(rows), matrices)


@pytest.mark.parametrize("channels", [2, CHANNELS, 32])
def test_the_vectors_are_those_of_pyriemann(peer: SimpleNamespace, channels: int) -> None:
    matrices, reference = covariances(20, channels), covariances(1, channels)[0]
    found = tangent_vectors(to_rows(matrices), to_rows(reference), 0.0)
    np.testing.assert_allclose(
        found, peer.tangent_space(matrices, reference, metric="riemann"), rtol=0.0, atol=1e-8
    )


def test_shrinkage_is_towards_the_reference(peer: SimpleNamespace) -> None:
    matrices, reference = covariances(20), covariances(1)[0]
    shrunk = 0.7 * matrices + 0.3 * reference
    np.testing.assert_allclose(
        tangent_vectors(to_rows(matrices), to_rows(reference), 0.3),
        peer.tangent_space(shrunk, reference, metric="riemann"),
        rtol=0.0,
        atol=1e-8,
    )


def test_the_reference_itself_is_the_origin() -> None:
    reference = to_rows(covariances(1)[0])
    np.testing.assert_allclose(tangent_vectors(reference, reference, 0.2), 0.0, atol=1e-12)


def test_a_vectors_length_is_the_riemannian_distance_whatever_the_mixing(
    peer: SimpleNamespace,
) -> None:
    matrices, reference = covariances(10), covariances(1)[0]
    expected = [peer.distance(matrix, reference) for matrix in matrices]
    for mixing in (np.eye(CHANNELS), RNG.normal(size=(CHANNELS, CHANNELS))):
        mixed = mixing @ matrices @ mixing.T
        vectors = tangent_vectors(to_rows(mixed), to_rows(mixing @ reference @ mixing.T), 0.0)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), expected, rtol=1e-7)


def test_a_larger_signal_is_larger_by_its_logarithm_in_every_direction() -> None:
    reference = covariances(1)[0]
    found = logarithms(tangent_vectors(to_rows(9.0 * reference), to_rows(reference), 0.0))
    np.testing.assert_allclose(found, np.log(9.0) * np.eye(CHANNELS), atol=1e-10)


# Directions that hold nothing


def average_reference(channels: int) -> NDArray[np.float64]:
    return np.eye(channels) - 1.0 / channels


def interpolation() -> NDArray[np.float64]:
    """Two channels interpolated from six measured ones, then average-referenced."""
    weights = RNG.uniform(0.0, 1.0, (2, 6))
    weights /= weights.sum(axis=1, keepdims=True)
    return average_reference(8) @ np.vstack([np.eye(6), weights])


def single(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows as measures are kept on disk."""
    return to_rows(matrices).astype(np.float32).astype(np.float64)


def test_the_average_reference_leaves_a_direction_that_contributes_nothing() -> None:
    # An orthonormal basis of what is left of the channels without their mean.
    basis = np.linalg.svd(average_reference(CHANNELS))[0][:, :-1]
    inner, about = covariances(20, CHANNELS - 1), covariances(1, CHANNELS - 1)[0]
    found = logarithms(
        tangent_vectors(to_rows(basis @ inner @ basis.T), to_rows(basis @ about @ basis.T), 0.2)
    )
    expected = logarithms(tangent_vectors(to_rows(inner), to_rows(about), 0.2))
    np.testing.assert_allclose(found, basis @ expected @ basis.T, atol=1e-9)
    np.testing.assert_allclose(found @ np.ones(CHANNELS), 0.0, atol=1e-9)


@pytest.mark.parametrize("kept", [to_rows, single], ids=["double", "single"])
def test_channels_that_were_filled_in_add_nothing_of_their_own(
    peer: SimpleNamespace, kept: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    inner, about = covariances(20, 6), covariances(1, 6)[0]
    mixing = interpolation()
    # Five directions are left of six electrodes without their mean: choose them as coordinates.
    basis = np.linalg.svd(mixing)[0][:, :5]
    down = basis.T @ mixing
    vectors = tangent_vectors(kept(mixing @ inner @ mixing.T), kept(mixing @ about @ mixing.T), 0.0)
    expected = [peer.distance(down @ one @ down.T, down @ about @ down.T) for one in inner]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), expected, rtol=1e-4)


def test_a_window_that_lacks_a_direction_of_the_reference_is_finite() -> None:
    reference = covariances(1)[0]
    found = tangent_vectors(to_rows(np.zeros((CHANNELS, CHANNELS))), to_rows(reference), 0.2)
    np.testing.assert_allclose(logarithms(found), np.log(0.2) * np.eye(CHANNELS), atol=1e-12)


def test_a_reference_that_is_empty_contributes_nothing() -> None:
    silent = to_rows(np.zeros((CHANNELS, CHANNELS)))
    np.testing.assert_array_equal(tangent_vectors(to_rows(covariances(3)), silent, 0.2), 0.0)


def test_the_rounding_of_single_precision_never_leaves_a_window_without_logarithm() -> None:
    # One direction of the reference is weak, and the windows lack it but are otherwise strong.
    turn = np.linalg.qr(RNG.normal(size=(CHANNELS, CHANNELS)))[0]
    reference = (turn * np.r_[1e-5, np.ones(CHANNELS - 1)]) @ turn.T
    strong = 1e4 * covariances(50, CHANNELS, turn[:, 1:] @ turn[:, 1:].T)
    vectors = tangent_vectors(single(strong), single(reference), 0.2)
    assert np.isfinite(vectors).all()
    assert np.linalg.eigvalsh(logarithms(vectors)).min() > np.log(0.2) - 1e-9


def test_a_row_gets_the_same_vector_alone_and_among_others() -> None:
    rows, reference = to_rows(covariances(12, 32)), to_rows(covariances(1, 32)[0])
    together = tangent_vectors(rows.reshape(3, 4, -1), reference, 0.2).reshape(12, -1)
    for row, vector in zip(rows, together, strict=True):
        np.testing.assert_array_equal(tangent_vectors(row, reference, 0.2), vector)
