from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.examples import examples

from eeg_emotion.eeg.covariance import tangent_vectors
from eeg_emotion.eeg.filters import CausalFilter, bandpass
from eeg_emotion.eeg.representation import (
    FOUR_BANDS,
    SEVEN_BANDS,
    Band,
    BandPower,
    RawSignal,
    Reference,
    Representation,
    Tangent,
)

SFREQ = 128.0
CHANNELS = ("Fz", "Cz", "Pz")
EVERY: tuple[Representation, ...] = tuple(kind() for kind in get_args(Representation))
"""One of each kind: what holds for all of them is tested for a new one too."""

every_kind = pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.kind)


def sine(at_hz: float, amplitude_uv: float, seconds: float = 8.0) -> NDArray[np.float64]:
    time = np.arange(round(seconds * SFREQ)) / SFREQ
    return np.asarray(amplitude_uv * np.sin(2 * np.pi * at_hz * time))


def powers(samples: NDArray[np.float64], spec: BandPower | None = None) -> dict[str, float]:
    """Measure's name to its mean over the second half, dB."""
    spec = spec or BandPower()
    rows = spec.extractor(len(CHANNELS), SFREQ).extract(samples)
    mean = rows[len(rows) // 2 :].mean(axis=0)
    return dict(zip(spec.measures(CHANNELS), mean.tolist(), strict=True))


@pytest.mark.parametrize("amplitude_uv", [1.0, 10.0, 40.0])
@pytest.mark.parametrize(
    ("bands", "band"),
    [(bands, band) for bands in (FOUR_BANDS, SEVEN_BANDS) for band in bands],
    ids=lambda value: value.name if isinstance(value, Band) else f"of {len(value)}",
)
def test_a_sines_power_appears_in_its_band_and_channel(
    bands: tuple[Band, ...], band: Band, amplitude_uv: float
) -> None:
    samples = np.zeros((3, round(8 * SFREQ)))
    samples[1] = sine(np.sqrt(band.low_hz * band.high_hz), amplitude_uv)
    found = powers(samples, BandPower(bands=bands))
    expected = 10 * np.log10(amplitude_uv**2 / 2)
    assert found[f"Cz {band.name}"] == pytest.approx(expected, abs=0.2)
    for name, value in found.items():
        if name != f"Cz {band.name}":
            assert value < expected - 6.0, name


@pytest.mark.parametrize("bands", [FOUR_BANDS, SEVEN_BANDS], ids=["four", "seven"])
def test_the_bands_cover_what_deap_holds_without_a_gap(bands: tuple[Band, ...]) -> None:
    assert (bands[0].low_hz, bands[-1].high_hz) == (4.0, 45.0)
    for lower, upper in pairwise(bands):
        assert lower.high_hz == upper.low_hz


def test_the_seven_bands_are_the_default() -> None:
    assert (BandPower().bands, Tangent().bands) == (FOUR_BANDS, SEVEN_BANDS)


def test_ten_times_the_amplitude_is_twenty_decibels_more() -> None:
    weak, strong = (powers(np.tile(sine(10.0, a), (3, 1)))["Fz alpha"] for a in (2.0, 20.0))
    assert strong - weak == pytest.approx(20.0, abs=0.01)


@every_kind
def test_silence_is_finite(spec: Representation) -> None:
    assert np.isfinite(spec.extractor(3, SFREQ).extract(np.zeros((3, 256)))).all()


@every_kind
def test_a_row_holds_the_measures_that_are_named(spec: Representation) -> None:
    rows = spec.extractor(3, SFREQ).extract(np.zeros((3, 320)))
    names = spec.measures(CHANNELS)
    assert rows.shape == (320 // spec.step_samples(SFREQ), len(names))
    assert len(names) == len(set(names))


@every_kind
def test_a_window_has_as_many_rows_of_features_as_are_stated(spec: Representation) -> None:
    rows = spec.extractor(3, SFREQ).extract(mixed(5.0))
    features = spec.recentre(rows, spec.reference(rows))
    assert features.shape == (spec.feature_steps(len(rows)), rows.shape[1])
    assert np.isfinite(features).all()


def test_a_row_covers_one_step() -> None:
    rows = BandPower().extractor(3, SFREQ).extract(np.zeros((3, 320)))
    assert rows.shape == (10, 12)
    assert BandPower().step_samples(SFREQ) == 32
    assert BandPower(step_seconds=0.125).step_samples(SFREQ) == 16
    assert BandPower(step_seconds=0.125).extractor(3, SFREQ).extract(np.zeros((3, 320))).shape == (
        20,
        12,
    )


@every_kind
def test_a_row_depends_only_on_its_own_step_and_the_past(spec: Representation) -> None:
    samples = np.random.default_rng(0).normal(0.0, 10.0, (3, 320))
    later = samples.copy()
    later[:, 160:] *= 5.0
    before, after = (spec.extractor(3, SFREQ).extract(part) for part in (samples, later))
    changes = 160 // spec.step_samples(SFREQ)
    np.testing.assert_array_equal(after[:changes], before[:changes])
    assert (after != before)[changes:].any(axis=1).all()


@pytest.mark.parametrize("spec", [BandPower(), Tangent()], ids=["bands", "tangent"])
def test_a_louder_signal_is_more_of_most_measures(spec: BandPower | Tangent) -> None:
    samples = np.random.default_rng(0).normal(0.0, 10.0, (3, 320))
    quiet, loud = (spec.extractor(3, SFREQ).extract(part) for part in (samples, samples * 5.0))
    assert (np.abs(loud[2:]) > np.abs(quiet[2:])).mean() > 0.9


def test_powers_are_named_band_by_band() -> None:
    names = BandPower().measures(CHANNELS)
    assert names[:4] == ("Fz theta", "Cz theta", "Pz theta", "Fz alpha")
    assert len(names) == len(set(names)) == 12


@pytest.mark.parametrize("channels", [1, 3, 32])
@given(
    cuts=st.sets(st.integers(1, 19), max_size=6),
    spec=st.sampled_from([*EVERY, *(kind(step_seconds=0.125) for kind in (BandPower, Tangent))]),
)
@examples(30)
def test_chunk_borders_never_matter(channels: int, cuts: set[int], spec: Representation) -> None:
    samples = np.random.default_rng(1).normal(0.0, 10.0, (channels, 640))
    whole = spec.extractor(channels, SFREQ).extract(samples)
    chunked = spec.extractor(channels, SFREQ)
    parts = np.split(samples, [32 * cut for cut in sorted(cuts)], axis=1)
    np.testing.assert_array_equal(
        np.concatenate([chunked.extract(np.ascontiguousarray(part)) for part in parts]), whole
    )


@pytest.mark.parametrize("spec", [RawSignal(), BandPower()], ids=["raw", "bands"])
def test_these_features_are_the_measures_themselves(spec: RawSignal | BandPower) -> None:
    windows = np.random.default_rng(2).normal(size=(4, 20, 6))
    assert spec.reference(windows.reshape(80, 6)) == ()
    np.testing.assert_array_equal(spec.recentre(windows, ()), windows)
    assert spec.feature_steps(20) == 20


def test_the_raw_representation_is_the_samples_themselves() -> None:
    samples = np.random.default_rng(2).normal(0.0, 10.0, (3, 64))
    spec = RawSignal()
    rows = spec.extractor(3, SFREQ).extract(samples)
    np.testing.assert_array_equal(rows, samples.T)
    assert spec.step_samples(SFREQ) == 1
    assert spec.measures(CHANNELS) == CHANNELS


# Tangent


def mixed(seconds: float = 60.0) -> NDArray[np.float64]:
    """Three channels that vary together, `(3, samples)` µV."""
    mixing = np.array([[1.0, 0.0, 0.0], [0.7, 1.0, 0.0], [-0.5, 0.2, 1.0]])
    return mixing @ np.random.default_rng(3).normal(0.0, 10.0, (3, round(seconds * SFREQ)))


def measured(spec: Tangent | None = None) -> NDArray[np.float64]:
    """`(12, 20, measures)`: windows of 5 s."""
    rows = (spec or Tangent()).extractor(3, SFREQ).extract(mixed())
    return rows.reshape(12, 20, -1)


def about(windows: NDArray[np.floating], spec: Tangent | None = None) -> Reference:
    return (spec or Tangent()).reference(windows.reshape(-1, windows.shape[-1]))


@pytest.mark.parametrize("step_seconds", [0.25, 0.125])
def test_a_tangents_measures_are_its_bands_covariances(step_seconds: float) -> None:
    spec = Tangent(step_seconds=step_seconds)
    rows = spec.extractor(3, SFREQ).extract(mixed(4.0))
    found = {name: rows[:, i] for i, name in enumerate(spec.measures(CHANNELS))}
    assert rows.shape == (round(4.0 / step_seconds), 42)
    for band in spec.bands:
        narrow = CausalFilter(bandpass(band.low_hz, band.high_hz, order=2, sfreq=SFREQ), 3)
        steps = narrow.process(mixed(4.0)).reshape(3, len(rows), -1)
        for i, a in enumerate(CHANNELS):
            for j, b in enumerate(CHANNELS[: i + 1]):
                name = f"{a} {band.name}" if i == j else f"{b}-{a} {band.name}"
                expected = (steps[i] * steps[j]).mean(axis=-1)
                np.testing.assert_allclose(found[name], expected, rtol=0.0, atol=1e-10)


def test_covariances_are_named_band_by_band_and_pair_by_pair() -> None:
    names = Tangent().measures(CHANNELS)
    of_one = ("Fz", "Fz-Cz", "Fz-Pz", "Cz", "Cz-Pz", "Pz")
    assert names == tuple(f"{pair} {band.name}" for band in SEVEN_BANDS for pair in of_one)


def test_the_reference_is_each_bands_mean_covariance() -> None:
    found = about(measured())
    assert len(found) == 7
    np.testing.assert_allclose(
        np.concatenate(found), measured().reshape(-1, 42).mean(axis=0), rtol=1e-12
    )
    # In double precision, whatever the measures were kept in.
    single = measured().astype(np.float32)
    np.testing.assert_allclose(
        np.concatenate(about(single)), single.astype(np.float64).mean(axis=(0, 1)), rtol=1e-12
    )


def test_a_window_at_the_reference_is_zero() -> None:
    reference = about(measured())
    still = np.tile(np.concatenate(reference), (20, 1))
    found = Tangent().recentre(still, reference)
    assert found.shape == (5, 42)
    np.testing.assert_allclose(found, 0.0, atol=1e-12)


@pytest.mark.parametrize("every", [1, 2, 4, 20])
def test_a_row_of_features_is_that_of_the_windows_covariance_so_far(every: int) -> None:
    spec = Tangent(every=every, shrinkage=0.3)
    reference = about(measured())
    found = spec.recentre(measured(), reference)
    assert found.shape == (12, 20 // every, 42) == (12, spec.feature_steps(20), 42)
    for step in range(20 // every):
        so_far = measured()[:, : (step + 1) * every].mean(axis=1)
        for band in range(7):
            of_band = slice(6 * band, 6 * band + 6)
            np.testing.assert_allclose(
                found[:, step, of_band],
                tangent_vectors(so_far[:, of_band], np.array(reference[band]), 0.3),
                rtol=0.0,
                atol=1e-9,
            )


def test_a_larger_signal_shows_on_the_diagonal_as_far_as_shrinkage_lets_it() -> None:
    reference = about(measured())
    still = np.tile(9.0 * np.concatenate(reference), (4, 1))
    (found,) = Tangent(shrinkage=0.2).recentre(still, reference)
    expected = np.where([" " in name.split("-")[0] for name in Tangent().measures(CHANNELS)], 1, 0)
    np.testing.assert_allclose(found, expected * np.log(0.2 + 0.8 * 9.0), atol=1e-10)


def test_windows_have_the_same_features_alone_and_among_others() -> None:
    for windows in (measured(), measured().astype(np.float32)):
        reference = about(windows)
        together = Tangent().recentre(windows, reference)
        for window, features in zip(windows, together, strict=True):
            np.testing.assert_array_equal(Tangent().recentre(window, reference), features)


def test_measures_kept_in_single_precision_give_the_same_features() -> None:
    reference = about(measured())
    np.testing.assert_allclose(
        Tangent().recentre(measured().astype(np.float32), reference),
        Tangent().recentre(measured(), reference),
        rtol=0.0,
        atol=1e-5,
    )


def test_single_precision_measures_are_summed_in_double() -> None:
    reference = about(measured())
    windows = measured().astype(np.float32)
    np.testing.assert_allclose(
        Tangent().recentre(windows, reference),
        Tangent().recentre(windows.astype(np.float64), reference),
        rtol=0.0,
        atol=1e-12,
    )


@pytest.mark.parametrize("steps", [0, 3, 5, 21])
def test_a_window_whose_newest_rows_would_be_lost_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"found windows of {steps} rows .* a multiple of 4"):
        Tangent().feature_steps(steps)


@pytest.mark.parametrize("shrinkage", [-0.1, 0.0, 1.0, np.nan])
def test_a_shrinkage_that_leaves_no_logarithm_or_no_signal_is_refused(shrinkage: float) -> None:
    with pytest.raises(ValueError, match=f"found shrinkage = {shrinkage}, expected"):
        Tangent(shrinkage=shrinkage)


@pytest.mark.parametrize("every", [0, -4])
def test_rows_of_features_come_at_least_every_row(every: int) -> None:
    with pytest.raises(ValueError, match=f"found every = {every}, expected at least 1"):
        Tangent(every=every)
