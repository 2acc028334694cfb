from __future__ import annotations

import mne
import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.eeg.montage import DEAP32, positions
from eeg_emotion.eeg.splines import interpolation_matrix

HEAD_RADIUS_M = 0.095


def interpolated_by_mne(samples: NDArray[np.float64], bad: tuple[str, ...]) -> NDArray[np.float64]:
    info = mne.create_info(list(DEAP32), 128.0, "eeg")
    places = dict(zip(DEAP32, HEAD_RADIUS_M * positions(DEAP32), strict=True))
    raw = mne.io.RawArray(samples, info, verbose="error")
    raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    raw.info["bads"] = list(bad)
    raw.interpolate_bads(origin=(0.0, 0.0, 0.0), verbose="error")
    return np.asarray(raw.get_data())


@pytest.mark.parametrize(
    "bad", [("Cz",), ("Fp1", "O2"), ("T7", "P7", "CP5", "FC5"), (*DEAP32[::3], "AF4", "P8")]
)
def test_interpolation_agrees_with_mnes_spherical_splines(bad: tuple[str, ...]) -> None:
    samples = np.random.default_rng(1).normal(0.0, 10.0, (32, 200))
    good = tuple(name for name in DEAP32 if name not in bad)
    matrix = interpolation_matrix(positions(good), positions(bad))
    ours = matrix @ samples[[DEAP32.index(name) for name in good]]
    theirs = interpolated_by_mne(samples, bad)[[DEAP32.index(name) for name in bad]]
    # The two differ by how they invert an ill-conditioned system: a millionth of the signal.
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("missing", [1, 5, 13])
def test_a_common_potential_stays_what_it_is(missing: int) -> None:
    matrix = interpolation_matrix(positions(DEAP32[missing:]), positions(DEAP32[:missing]))
    assert matrix.shape == (missing, 32 - missing)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=0.0, atol=1e-8)


def test_known_positions_keep_their_potentials() -> None:
    smooth = positions(DEAP32) @ np.array([3.0, -5.0, 7.0])
    matrix = interpolation_matrix(positions(DEAP32), positions(DEAP32))
    # The regularisation smooths a little: some thousandths of the field.
    np.testing.assert_allclose(matrix @ smooth, smooth, rtol=0.0, atol=0.05)


def test_a_smooth_field_is_recovered_where_an_electrode_is_missing() -> None:
    field = 10.0 * positions(DEAP32) @ np.array([1.0, -2.0, 0.5])
    for index, name in enumerate(DEAP32):
        others = tuple(other for other in DEAP32 if other != name)
        estimate = interpolation_matrix(positions(others), positions((name,))) @ np.delete(
            field, index
        )
        assert abs(estimate[0] - field[index]) < 0.1 * np.ptp(field), name


def test_an_electrode_listens_to_its_neighbours_most() -> None:
    others = tuple(name for name in DEAP32 if name != "Cz")
    weights = interpolation_matrix(positions(others), positions(("Cz",)))[0]
    distance = np.linalg.norm(positions(others) - positions(("Cz",)), axis=1)
    assert {others[i] for i in np.argsort(weights)[-4:]} == {
        others[i] for i in np.argsort(distance)[:4]
    }
