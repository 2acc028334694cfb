from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.normaliser import Normaliser, fit_normaliser
from eeg_emotion.eeg.representation import BandPower, RawSignal, Representation, Tangent

RAW = RawSignal()
TANGENT = Tangent(bands=BandPower().bands[:2])


def windows() -> NDArray[np.float64]:
    rows = np.random.default_rng(0).normal([0.0, 5.0, -300.0], [1.0, 20.0, 0.1], (500, 3))
    return rows.reshape(50, 10, 3)


def covariances(gain: float = 1.0) -> NDArray[np.float64]:
    """`(40, 8, 6)` measures of two channels in two bands, µV²."""
    samples = gain * np.random.default_rng(1).normal(0.0, 5.0, (40, 8, 2, 2, 32))
    samples[..., 1, :] += 0.5 * samples[..., 0, :]
    products = samples @ np.swapaxes(samples, -1, -2) / 32
    return products[..., [0, 0, 1], [0, 1, 1]].reshape(40, 8, 6)


@pytest.mark.parametrize(
    ("measures", "representation"),
    [(windows(), RAW), (windows(), BandPower()), (covariances(), TANGENT)],
    ids=["raw", "bands", "tangent"],
)
def test_the_fitted_windows_come_out_with_zero_mean_and_unit_spread(
    measures: NDArray[np.float64], representation: Representation
) -> None:
    normaliser = fit_normaliser([measures], representation)
    normalised = normaliser.apply(measures, representation)
    np.testing.assert_allclose(normalised.mean(axis=(0, 1)), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=(0, 1)), 1.0, atol=1e-5)
    assert normalised.dtype == np.float32
    assert normalised.shape[1] == representation.feature_steps(measures.shape[1])


def test_other_windows_are_measured_by_the_fitted_ones() -> None:
    normaliser = Normaliser(mean=(1.0, -2.0), sd=(2.0, 4.0))
    np.testing.assert_array_equal(
        normaliser.apply(np.array([[3.0, -2.0], [1.0, 6.0]]), RAW), [[1.0, 0.0], [0.0, 2.0]]
    )


def test_other_windows_are_seen_about_the_fitted_ones_reference() -> None:
    normaliser = fit_normaliser([covariances()], TANGENT)
    np.testing.assert_allclose(
        normaliser.reference, TANGENT.reference(covariances().reshape(-1, 6)), rtol=1e-12
    )
    features = TANGENT.recentre(covariances(3.0), normaliser.reference)
    np.testing.assert_allclose(
        normaliser.apply(covariances(3.0), TANGENT),
        (features - normaliser.mean) / normaliser.sd,
        rtol=1e-5,
    )
    # Three times the amplitude: the diagonals lie well above the fitted people's.
    assert (normaliser.apply(covariances(3.0), TANGENT)[..., [0, 2]] > 1.0).all()


@pytest.mark.parametrize(
    ("measures", "representation"),
    [(windows(), RAW), (covariances(), TANGENT)],
    ids=["raw", "tangent"],
)
def test_how_the_windows_are_divided_into_parts_does_not_matter(
    measures: NDArray[np.float64], representation: Representation
) -> None:
    whole = fit_normaliser([measures], representation)
    for cuts in ([1], [7, 30], range(1, len(measures))):
        parted = fit_normaliser(np.split(measures, cuts), representation)
        for name in ("mean", "sd", "reference"):
            np.testing.assert_allclose(
                getattr(parted, name), getattr(whole, name), rtol=1e-9, atol=1e-12
            )


def test_a_representation_without_reference_leaves_none() -> None:
    assert fit_normaliser([windows()], RAW).reference == ()


def test_the_normaliser_says_whose_windows_it_was_fitted_to() -> None:
    assert fit_normaliser([windows()], RAW).kind == "training"
    assert fit_normaliser([windows()], RAW, "rest-baseline").kind == "rest-baseline"


def test_windows_of_any_number_are_normalised_by_feature() -> None:
    normaliser = fit_normaliser([windows()], RAW)
    together = normaliser.apply(windows(), RAW)
    for window, normalised in zip(windows(), together, strict=True):
        np.testing.assert_array_equal(normaliser.apply(window, RAW), normalised)


def test_single_precision_windows_are_summed_in_double() -> None:
    far = (windows() + 1e4).astype(np.float32)
    fitted = fit_normaliser([far], RAW)
    np.testing.assert_allclose(fitted.mean, far.astype(np.float64).mean(axis=(0, 1)), rtol=1e-12)
    np.testing.assert_allclose(fitted.sd, far.astype(np.float64).std(axis=(0, 1)), rtol=1e-12)


@pytest.mark.parametrize("values", [(np.nan,), (np.inf,), (-np.inf,), (np.inf, -np.inf)])
@pytest.mark.parametrize("representation", [RAW, TANGENT], ids=["raw", "tangent"])
def test_windows_that_are_not_finite_are_refused(
    values: tuple[float, ...], representation: Representation
) -> None:
    bad = covariances()
    for number, value in enumerate(values):
        bad[7, number, 1] = value
    with pytest.raises(ValueError, match="not finite"):
        fit_normaliser([bad], representation)


def test_features_that_do_not_vary_are_refused_and_counted() -> None:
    dead = windows()
    dead[..., :2] = 3.0
    with pytest.raises(ValueError, match=r"2 features that do not vary.*dead channels"):
        fit_normaliser([dead], RAW)


def test_a_band_that_is_empty_is_refused() -> None:
    silent = covariances()
    silent[..., 3:] = 0.0
    with pytest.raises(ValueError, match="3 features that do not vary"):
        fit_normaliser([silent], TANGENT)
