from __future__ import annotations

import numpy as np
import pytest

from eeg_emotion.eeg.normaliser import Normaliser, fit_normaliser


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal([0.0, 5.0, -300.0], [1.0, 20.0, 0.1], (500, 3))


def test_the_fitted_rows_come_out_with_zero_mean_and_unit_spread():
    normalised = fit_normaliser(rows()).apply(rows())
    np.testing.assert_allclose(normalised.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axis=0), 1.0, atol=1e-5)
    assert normalised.dtype == np.float32


def test_other_rows_are_measured_by_the_fitted_ones():
    normaliser = Normaliser(mean=(1.0, -2.0), sd=(2.0, 4.0))
    np.testing.assert_array_equal(
        normaliser.apply(np.array([[3.0, -2.0], [1.0, 6.0]])), [[1.0, 0.0], [0.0, 2.0]]
    )


def test_windows_of_any_shape_are_normalised_by_feature():
    normaliser = fit_normaliser(rows())
    windows = rows()[:60].reshape(4, 15, 3)
    np.testing.assert_array_equal(
        normaliser.apply(windows).reshape(60, 3), normaliser.apply(rows()[:60])
    )


def test_single_precision_rows_are_summed_in_double():
    far = (rows() + 1e4).astype(np.float32)
    fitted = fit_normaliser(far)
    np.testing.assert_allclose(fitted.mean, far.astype(np.float64).mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(value: float):
    bad = rows()
    bad[7, 1] = value
    with pytest.raises(ValueError, match="not finite"), np.errstate(invalid="ignore"):
        fit_normaliser(bad)


def test_features_that_do_not_vary_are_refused_and_counted():
    dead = rows()
    dead[:, :2] = 3.0
    with pytest.raises(ValueError, match=r"2 features that do not vary.*dead channels"):
        fit_normaliser(dead)
