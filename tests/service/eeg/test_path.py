from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.examples import examples

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.layout import identity_layout, plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import GRID_SECONDS, PathSettings, SignalPath, Window
from eeg_emotion.eeg.representation import BandPower, RawSignal, Tangent
from eeg_emotion.eeg.rest_baseline import fit_rest, rest_path
from eeg_emotion.recordings.simulation import SimulatedPerson

Samples = NDArray[np.floating]

BANDS = PathSettings()
RAW = PathSettings(representation=RawSignal())
TANGENT = PathSettings(representation=Tangent())
MISSING = ("Cz", "O1", "F8")


@cache
def eeg(sfreq: float = 128.0, seconds: float = 16.0) -> NDArray[np.float64]:
    """A simulated person's signal, `(32, samples)` µV, electrode offsets included."""
    samples = SimulatedPerson(5, 1).run(0, sfreq).next(round(seconds * sfreq), 0.3, -0.2)
    samples.setflags(write=False)
    return samples


def path(
    sfreq: float = 128.0,
    *,
    spec: PathSettings = BANDS,
    labels: Iterable[str] = DEAP32,
    unit: str = "uV",
    normaliser: Normaliser | None = None,
) -> SignalPath:
    labels = tuple(labels)
    layout = plan_layout(
        labels, [unit] * len(labels), channels=spec.channels, max_interpolated=spec.max_interpolated
    )
    return SignalPath(spec, layout, sfreq, normaliser)


def without(*names: str) -> tuple[list[str], list[int]]:
    """Labels and rows of a headset that lacks these channels."""
    rows = [row for row, name in enumerate(DEAP32) if name not in names]
    return [DEAP32[row] for row in rows], rows


def run(line: SignalPath, samples: Samples, cuts: Iterable[int] = ()) -> list[Window]:
    segment = line.segment()
    return [
        window for part in np.split(samples, sorted(cuts), axis=1) for window in segment.feed(part)
    ]


def stack(windows: list[Window]) -> NDArray[np.float32]:
    return np.stack([window.features for window in windows])


def assert_same(found: list[Window], expected: list[Window]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(np.concatenate(one.signal), np.concatenate(other.signal))
        np.testing.assert_array_equal(one.quality.scores, other.quality.scores)
        assert one == replace(other, features=one.features, quality=one.quality)
        assert one.quality.overall == other.quality.overall
        assert one.quality.faults == other.quality.faults


@cache
def own_rest(spec: PathSettings, missing: tuple[str, ...] = ()) -> Normaliser:
    """The simulated person's own normaliser, as their headset measures them."""
    labels, rows = without(*missing)
    windows = run(path(spec=rest_path(spec), labels=labels), eeg(seconds=40.0)[rows])
    return fit_rest([window.features for window in windows if window.settled], spec)


# Chunks


@pytest.mark.parametrize("rest", [False, True], ids=["measures", "features"])
@pytest.mark.parametrize("spec", [BANDS, RAW, TANGENT], ids=["bands", "raw", "tangent"])
@pytest.mark.parametrize("missing", [(), MISSING], ids=["all", "interpolated"])
@pytest.mark.parametrize(
    "sfreq", [128.0, 500.0, pytest.param(250.0, marks=pytest.mark.needs("time"))]
)
@given(data=st.data())
@examples(3)
def test_chunk_borders_never_matter(
    sfreq: float, missing: tuple[str, ...], spec: PathSettings, rest: bool, data: st.DataObject
) -> None:
    labels, rows = without(*missing)
    samples = eeg(sfreq, 8.0)[rows].copy()
    count = samples.shape[1]
    bursts = st.tuples(
        st.integers(0, len(rows) - 1),
        st.integers(0, count - 1),
        st.integers(1, round(sfreq)),
        st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30]),
    )
    for row, first, length, value in data.draw(st.lists(bursts, max_size=3)):
        samples[row, first : first + length] = value
    cuts = data.draw(st.sets(st.integers(1, count - 1), max_size=25))
    normaliser = own_rest(spec, missing) if rest else None
    line = path(sfreq, spec=spec, labels=labels, normaliser=normaliser)
    assert_same(run(line, samples, cuts), run(line, samples))


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_one_sample_at_a_time_gives_the_same(sfreq: float) -> None:
    labels, rows = without(*MISSING)
    samples = eeg(sfreq, 7.0)[rows].copy()
    samples[3, 200:230] = np.nan
    line = path(sfreq, labels=labels)
    assert_same(run(line, samples, range(1, samples.shape[1])), run(line, samples))


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_empty_chunks_change_nothing(sfreq: float) -> None:
    samples = eeg(sfreq, 8.0).copy()
    samples[4] = np.nan
    line = path(sfreq)
    segment, found = line.segment(), []
    for part in np.split(samples, 8, axis=1):
        found += [*segment.feed(part), *segment.feed(samples[:, :0])]
    assert_same(found, run(line, samples))


def test_a_segment_knows_nothing_of_the_one_before() -> None:
    line = path()
    disturbed = eeg(128.0, 8.0).copy()
    disturbed[:, 500:] = np.nan
    run(line, disturbed)
    assert_same(run(line, eeg()), run(path(), eeg()))


# The grid


@pytest.mark.parametrize("sfreq", [128.0, 256.0, 500.0, 512.0])
@pytest.mark.parametrize("hop_seconds", [1.0, 0.25])
def test_windows_name_the_raw_samples_that_they_cover(sfreq: float, hop_seconds: float) -> None:
    windows = run(path(sfreq, spec=PathSettings(hop_seconds=hop_seconds)), eeg(sfreq))
    assert [window.first_sample for window in windows] == [
        round(number * hop_seconds * sfreq) for number in range(len(windows))
    ]
    # The last model sample of a window lies one model period before its end.
    assert {window.last_sample - window.first_sample for window in windows} == {
        round((5.0 - 1 / 128.0) * sfreq)
    }
    # All that the signal's length allows, except what is still in the resampler.
    held = path(sfreq).resampler_delay_seconds
    assert len(windows) == int((16.0 - held - 5.0) / hop_seconds) + 1


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_a_window_comes_once_its_last_sample_and_the_stated_delay_have_passed(sfreq: float) -> None:
    line = path(sfreq)
    segment, seen = line.segment(), 0
    chunk = round(sfreq / 100) or 1
    for fed in range(chunk, round(9 * sfreq), chunk):
        for window in segment.feed(eeg(sfreq)[:, fed - chunk : fed]):
            late = (fed - 1 - window.last_sample) / sfreq
            assert 0.0 <= late <= line.resampler_delay_seconds + chunk / sfreq + 1 / 128.0
            seen += 1
    assert seen >= 3


def test_windows_that_begin_before_the_filters_settled_are_marked() -> None:
    windows = run(path(spec=PathSettings(hop_seconds=0.25)), eeg())
    for window in windows:
        assert window.settled == (window.first_sample >= round(3.0 * 128.0))
    assert {window.settled for window in windows} == {False, True}
    assert all(window.settled for window in run(path(spec=PathSettings(settle_seconds=0)), eeg()))


@pytest.mark.parametrize("spec", [BANDS, RAW, TANGENT], ids=["bands", "raw", "tangent"])
def test_windows_have_the_settings_shapes(spec: PathSettings) -> None:
    measures = run(path(spec=spec), eeg())
    features = run(path(spec=spec, normaliser=own_rest(spec)), eeg())
    assert {window.features.shape for window in measures} == {spec.measures_shape}
    assert {window.features.shape for window in features} == {spec.window_shape}
    for windows in (measures, features):
        assert {window.features.dtype for window in windows} == {np.dtype(np.float32)}


def test_shapes_follow_from_the_representation() -> None:
    assert BANDS.window_shape == BANDS.measures_shape == (20, 4 * 32)
    assert RAW.window_shape == RAW.measures_shape == (640, 32)
    assert TANGENT.measures_shape == (20, 7 * 32 * 33 // 2)
    assert TANGENT.window_shape == (5, 7 * 32 * 33 // 2)


def test_overlapping_windows_hold_the_same_rows() -> None:
    windows = run(path(), eeg())
    for one, following in pairwise(windows):
        np.testing.assert_array_equal(one.features[4:], following.features[:-4])


def test_the_future_does_not_reach_into_a_window() -> None:
    changed = eeg().copy()
    changed[:, 1200:] *= -3.0
    for window, other in zip(run(path(), eeg()), run(path(), changed), strict=True):
        if window.last_sample < 1200:
            np.testing.assert_array_equal(window.features, other.features)
        else:
            assert not np.array_equal(window.features, other.features)


# What comes out is the signal


def tones(sfreq: float, seconds: float = 12.0) -> NDArray[np.float64]:
    """Tones that differ between channels and swell at known times, the same at every rate."""
    time = np.arange(round(seconds * sfreq)) / sfreq
    swell = 1.0 + 0.9 * np.sin(2 * np.pi * 0.4 * time)
    rows = [
        swell * (5.0 + number % 5) * np.sin(2 * np.pi * (5.0 + 1.1 * number) * time + number)
        for number in range(32)
    ]
    return np.array(rows)


@pytest.mark.parametrize("sfreq", [125.0, 256.0, 500.0, 1000.0])
@pytest.mark.parametrize("spec", [BANDS, RAW], ids=["bands", "raw"])
def test_a_headsets_rate_changes_neither_the_features_nor_their_time(
    spec: PathSettings, sfreq: float
) -> None:
    native = stack([window for window in run(path(spec=spec), tones(128.0)) if window.settled])
    other = [window for window in run(path(sfreq, spec=spec), tones(sfreq)) if window.settled]
    # dB or µV. One row's shift of the swelling would be several dB.
    limit = 0.5 if spec is BANDS else 0.1
    strong = slice(None) if spec is RAW else native[: len(other)] > -10.0
    difference = stack(other) - native[: len(other)]
    assert np.abs(difference[strong]).max() < limit


def test_the_average_over_all_channels_is_taken_off() -> None:
    windows = run(path(spec=RAW), eeg())
    np.testing.assert_allclose(stack(windows).mean(axis=2), 0.0, atol=1e-4)
    common = eeg() + 40.0 * np.sin(2 * np.pi * 10.0 * np.arange(eeg().shape[1]) / 128.0)
    # Distinguishes a common signal from the channels' own, which would be 28 µV RMS.
    np.testing.assert_allclose(stack(run(path(spec=RAW), common)), stack(windows), atol=1e-3)


def test_the_average_includes_the_channels_that_were_interpolated() -> None:
    labels, rows = without(*MISSING)
    windows = run(path(spec=RAW, labels=labels), eeg()[rows])
    np.testing.assert_allclose(stack(windows).mean(axis=2), 0.0, atol=1e-4)


def test_a_channel_that_was_interpolated_resembles_what_it_would_have_measured() -> None:
    labels, rows = without("FC1")
    column = DEAP32.index("FC1")
    guess = stack(run(path(spec=RAW, labels=labels), eeg()[rows]))[-1, :, column]
    truth = stack(run(path(spec=RAW), eeg()))[-1, :, column]
    assert np.corrcoef(guess, truth)[0, 1] > 0.7
    assert 0.5 < guess.std() / truth.std() < 1.5


def test_mains_hum_is_taken_out() -> None:
    time = np.arange(eeg().shape[1]) / 128.0
    # As much as no channel is given up for.
    hum = 80.0 * np.random.default_rng(0).uniform(0.5, 1.5, (32, 1)) * np.sin(100 * np.pi * time)
    clean = [window for window in run(path(), eeg()) if window.settled]
    hummed = [window for window in run(path(), eeg() + hum) if window.settled]
    # Only gamma, the nearest band, may show a trace, dB.
    assert np.abs(stack(hummed) - stack(clean)).max() < 0.5


def test_the_normaliser_is_applied_to_every_window() -> None:
    rng = np.random.default_rng(0)
    mean, sd = rng.normal(0.0, 5.0, 128), rng.uniform(1.0, 4.0, 128)
    normaliser = Normaliser(mean=tuple(mean.tolist()), sd=tuple(sd.tolist()))
    plain, normalised = run(path(), eeg()), run(path(normaliser=normaliser), eeg())
    np.testing.assert_allclose(stack(normalised), (stack(plain) - mean) / sd, rtol=1e-4, atol=1e-4)
    assert {window.features.dtype for window in normalised} == {np.dtype(np.float32)}


@pytest.mark.parametrize("missing", [(), MISSING], ids=["all", "interpolated"])
def test_a_person_at_rest_is_near_the_origin(missing: tuple[str, ...]) -> None:
    labels, rows = without(*missing)
    line = path(spec=TANGENT, labels=labels, normaliser=own_rest(TANGENT, missing))
    settled = [window for window in run(line, eeg(seconds=40.0)[rows]) if window.settled]
    # The first row of features is one of a second, and so is a piece of rest.
    first = stack(settled)[:, 0]
    assert np.abs(first.mean(axis=0)).max() < 0.5
    assert 0.8 < first.std() < 1.2


def test_tangent_features_of_a_stream_do_not_depend_on_its_unit_or_offset() -> None:
    normaliser = own_rest(TANGENT)
    expected, found = (
        [
            window
            for window in run(path(spec=TANGENT, unit=unit, normaliser=normaliser), samples)
            if window.settled
        ]
        for unit, samples in (("uV", eeg()), ("mV", (eeg() + 7000.0) * 1e-3))
    )
    np.testing.assert_allclose(stack(found), stack(expected), rtol=0.0, atol=1e-3)


# Layout and units


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_the_order_of_the_channels_in_the_stream_does_not_matter(sfreq: float) -> None:
    order = np.random.default_rng(9).permutation(32)
    labels = [DEAP32[i] for i in order]
    samples = eeg(sfreq, 8.0)
    assert_same(run(path(sfreq, labels=labels), samples[order]), run(path(sfreq), samples))


def test_channels_that_are_not_needed_may_contain_anything() -> None:
    samples = np.vstack([np.full((1, eeg().shape[1]), np.nan), eeg()])
    found = run(path(labels=("Status", *DEAP32)), samples)
    assert_same(found, run(path(), eeg()))


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e-6), ("mV", 1e-3), ("nV", 1e3)])
@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_the_unit_of_the_stream_does_not_matter(sfreq: float, unit: str, factor: float) -> None:
    samples = eeg(sfreq, 8.0)
    expected = run(path(sfreq), samples)
    found = run(path(sfreq, unit=unit), samples * factor)
    # dB: float64's rounding of offsets of 5 mV; libsamplerate works in float32.
    np.testing.assert_allclose(stack(found), stack(expected), rtol=0.0, atol=1e-4)
    assert [window.quality.faults for window in found] == [
        window.quality.faults for window in expected
    ]


def test_single_precision_samples_serve_as_well() -> None:
    found = run(path(), eeg().astype(np.float32))
    # Offsets of 5 mV leave float32 a grain of 0.5 nV.
    np.testing.assert_allclose(stack(found), stack(run(path(), eeg())), rtol=0.0, atol=0.01)


def test_whole_number_samples_serve_as_well() -> None:
    whole: Any = np.round(eeg()).astype(np.int32)  # as some outlets send
    assert_same(run(path(), whole), run(path(), whole.astype(np.float64)))


# Offsets and bad samples


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_an_electrode_offset_leaves_no_trace_once_settled(sfreq: float) -> None:
    samples = eeg(sfreq, 10.0)
    offset = np.zeros((32, 1))
    offset[[2, 7, 20], 0] = [-10_000.0, 10_000.0, -3_000.0]
    plain, shifted = (
        [window for window in run(path(sfreq), signal) if window.settled]
        for signal in (samples, samples + offset)
    )
    np.testing.assert_allclose(stack(shifted), stack(plain), rtol=0.0, atol=1e-3)
    assert all(window.quality.faults == () for window in shifted)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, np.finfo(float).max])
@pytest.mark.parametrize("sfreq", [128.0, 500.0])
@pytest.mark.parametrize("unit", ["uV", pytest.param("V", marks=pytest.mark.needs("time"))])
def test_nothing_but_finite_features_leaves(sfreq: float, value: float, unit: str) -> None:
    samples = eeg(sfreq, 12.0).copy() * (1e-6 if unit == "V" else 1.0)
    samples[4, round(2.0 * sfreq) : round(2.5 * sfreq)] = value
    samples[:, round(6.1 * sfreq)] = value
    samples[9] = value  # one channel from the beginning to the end
    samples[10, 0] = value
    for spec, normaliser in ((BANDS, None), (RAW, None), (TANGENT, own_rest(TANGENT))):
        windows = run(path(sfreq, spec=spec, unit=unit, normaliser=normaliser), samples)
        assert np.isfinite(stack(windows)).all()
        assert np.isfinite([window.quality.overall for window in windows]).all()
        assert np.isfinite(np.stack([window.quality.scores for window in windows])).all()
        assert all(Reason.OUT_OF_RANGE in window.quality.faults for window in windows)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("bad", [range(1500, 1501), range(1531, 1537)])
def test_a_bad_sample_marks_its_windows_and_is_forgotten_after_settling(
    value: float, bad: range
) -> None:
    spec = PathSettings(hop_seconds=0.25)
    samples = eeg(128.0, 30.0).copy()
    samples[11, bad.start : bad.stop] = value
    block = spec.block_samples
    for window, clean in zip(
        run(path(spec=spec), samples), run(path(spec=spec), eeg(128.0, 30.0)), strict=True
    ):
        assert window.interpolated == ()
        marked = Reason.OUT_OF_RANGE in window.quality.faults
        if window.last_sample < bad.start:
            assert not marked
            np.testing.assert_array_equal(window.features, clean.features)
        elif window.first_sample < bad.stop + spec.settle_samples:
            assert marked
        elif window.first_sample >= bad.stop + spec.settle_samples + block:
            assert not marked
            # The value that was held in its place has rung out: a hundredth of a dB.
            np.testing.assert_allclose(window.features, clean.features, rtol=0.0, atol=0.01)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e30])
def test_a_channel_of_bad_samples_for_a_moment_is_interpolated_and_then_comes_back(
    value: float,
) -> None:
    spec = PathSettings(hop_seconds=0.25)
    samples = eeg(128.0, 30.0).copy()
    samples[11, 1500:1536] = value  # from within block 46 to the end of block 47
    block = spec.block_samples
    seen = set()
    for window, clean in zip(
        run(path(spec=spec), samples), run(path(spec=spec), eeg(128.0, 30.0)), strict=True
    ):
        first = window.first_sample // block
        faults = set(window.quality.faults)
        # The block in which it begins is bridged. The next one is flat, and filled in.
        assert (Reason.OUT_OF_RANGE in faults) == (window.last_sample >= 1500 and first <= 46 + 12)
        assert (Reason.POOR_CONTACT in faults) == (
            window.last_sample >= 47 * block and first <= 47 + 4
        )
        # The last second with a flat block in it ends with block 50; three more of good signal.
        assert (DEAP32[11] in window.interpolated) == (
            window.last_sample >= 47 * block and first < 50 + 12
        )
        if first >= 50 + 12 + 4:  # the band filters have forgotten the change over
            np.testing.assert_allclose(window.features, clean.features, rtol=0.0, atol=0.01)
        seen.add((window.quality.faults, window.interpolated))
    assert ((), ()) in seen
    assert ((), (DEAP32[11],)) in seen


def test_a_bad_sample_is_marked_at_the_headsets_own_rate() -> None:
    samples = eeg(500.0, 20.0).copy()
    samples[0, 5000] = np.nan  # at 10 s
    for window in run(path(500.0), samples):
        seconds = window.first_sample / 500.0
        expected = seconds + 5.0 > 10.0 and seconds < 10.25 + 3.0
        assert (Reason.OUT_OF_RANGE in window.quality.faults) == expected


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
@pytest.mark.parametrize("place", range(700, 800, 13))
def test_a_lone_bad_sample_is_not_forgotten_while_its_block_is_incomplete(
    sfreq: float, place: int
) -> None:
    samples = eeg(sfreq, 8.0).copy()
    samples[0, place] = np.nan
    cuts = range(20, samples.shape[1], 20)  # borders within blocks, before and after the sample
    assert_same(run(path(sfreq), samples, cuts), run(path(sfreq), samples))


def test_the_last_good_value_stands_in_for_a_bad_one() -> None:
    held, bad = eeg().copy(), eeg().copy()
    held[6, 900:930] = held[6, 899]
    bad[6, 900:930] = np.nan
    np.testing.assert_array_equal(stack(run(path(), bad)), stack(run(path(), held)))


def test_a_large_but_possible_value_is_not_replaced() -> None:
    samples = eeg().copy()
    samples[6, 900] = 0.9e6
    windows = run(path(), samples)
    assert not any(Reason.OUT_OF_RANGE in window.quality.faults for window in windows)
    over_it = [window for window in windows if window.first_sample <= 900 <= window.last_sample]
    assert over_it
    assert all(window.quality.faults == (Reason.POOR_CONTACT,) for window in over_it)


def test_a_good_signal_has_no_fault_with_or_without_resampling() -> None:
    for sfreq in (128.0, 500.0):
        settled = [window for window in run(path(sfreq), eeg(sfreq)) if window.settled]
        assert len(settled) > 5
        assert {window.quality.faults for window in settled} == {()}
        assert min(window.quality.overall for window in settled) > 0.9


def test_a_headset_that_is_not_worn_is_distinguished_from_a_wrong_unit() -> None:
    still = np.broadcast_to(eeg()[:, :1], eeg().shape)
    assert {window.quality.faults for window in run(path(), still)} == {(Reason.NOT_WORN,)}
    volts_called_microvolts = run(path(), eeg() * 1e-6)
    assert {window.quality.faults for window in volts_called_microvolts} == {(Reason.UNIT_SUSPECT,)}
    microvolts_called_millivolts = run(path(), eeg() * 1e3)
    assert all(window.quality.faults for window in microvolts_called_millivolts)


@pytest.mark.parametrize("rms", [0.1, 0.3, 0.6])
def test_the_noise_of_an_unworn_amplifier_is_not_scored(rms: float) -> None:
    noise = np.random.default_rng(0).normal(0.0, rms, eeg().shape)
    found = {fault for window in run(path(), noise) for fault in window.quality.faults}
    # So little may be EEG in a wrong unit as well.
    assert Reason.NOT_WORN in found
    assert found <= {Reason.NOT_WORN, Reason.UNIT_SUSPECT}
    assert all(window.quality.faults for window in run(path(), noise))


def test_channels_that_all_show_one_signal_are_not_scored() -> None:
    one = np.repeat(eeg()[:1], 32, axis=0)
    bridged = one + np.random.default_rng(0).normal(0.0, 0.3, one.shape)
    assert all(window.quality.faults for window in run(path(), bridged))
    assert not any(window.quality.faults for window in run(path(), eeg()))


def test_a_jerk_of_all_electrodes_is_not_averaged_away() -> None:
    jerked = eeg().copy()
    jerked[:, 1000:1006] += 900.0
    over_it = [w for w in run(path(), jerked) if w.first_sample <= 1000 <= w.last_sample]
    assert over_it
    assert all(window.quality.faults for window in over_it)


def test_interpolated_channels_lower_the_quality_and_are_no_fault() -> None:
    labels, rows = without(*MISSING)
    fewer = run(path(labels=labels), eeg()[rows])[-1].quality
    assert fewer.faults == ()
    assert fewer.overall == pytest.approx(1.0 - 0.5 * len(MISSING) / 32)
    assert fewer.scores.shape == (29,)


# Stated delays


def test_the_filters_delay_is_stated_and_that_of_the_resampler_is_none_at_equal_rates() -> None:
    same, other = path(), path(500.0)
    assert same.resampler_delay_seconds == 0.0
    assert 0.0 < other.resampler_delay_seconds < 0.25
    assert same.filter_delay_seconds == other.filter_delay_seconds
    assert 0.01 < same.filter_delay_seconds < 0.2


# Settings


def path_settings(**changes: Any) -> PathSettings:
    return PathSettings(**changes)


@pytest.mark.parametrize("name", ["window_seconds", "hop_seconds", "settle_seconds"])
@pytest.mark.parametrize("seconds", [0.3, 1.1, -1.0, -0.25])
def test_lengths_off_the_grid_are_refused_by_name(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=rf"found {name} = {seconds}, expected .*multiple of"):
        path_settings(**{name: seconds})


@pytest.mark.parametrize("name", ["window_seconds", "hop_seconds"])
def test_a_window_and_a_hop_have_a_length(name: str) -> None:
    with pytest.raises(ValueError, match=rf"found {name} = 0"):
        path_settings(**{name: 0.0})
    assert PathSettings(settle_seconds=0.0).settle_samples == 0


def test_a_hop_longer_than_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="hop longer than the window"):
        PathSettings(window_seconds=2.0, hop_seconds=2.25)
    assert PathSettings(window_seconds=2.0, hop_seconds=2.0).hop_seconds == 2.0


@pytest.mark.parametrize("step_seconds", [0.1, 0.5, 1e-4, 0.0, -0.25])
def test_steps_that_do_not_divide_a_block_are_refused(step_seconds: float) -> None:
    with pytest.raises(ValueError, match=r"found steps of .* expected them to divide 32"):
        PathSettings(representation=BandPower(step_seconds=step_seconds))


def test_a_window_that_the_representation_cannot_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found windows of 18 rows of measures, .* multiple of 4"):
        PathSettings(representation=Tangent(), window_seconds=4.5)


@pytest.mark.parametrize("sfreq", [0.0, -128.0, 125.0, 126.5])
def test_a_rate_without_whole_blocks_is_refused(sfreq: float) -> None:
    with pytest.raises(ValueError, match=rf"found sfreq = {sfreq}, expected"):
        PathSettings(sfreq=sfreq)


def test_settings_count_samples_at_the_models_rate() -> None:
    spec = PathSettings(sfreq=256.0, window_seconds=2.0, settle_seconds=1.5)
    assert spec.block_samples == round(GRID_SECONDS * 256)
    assert (spec.window_samples, spec.settle_samples) == (512, 384)
    assert spec.window_shape == (8, 128)


def test_another_model_rate_and_montage_serve() -> None:
    channels = ("Fz", "Cz", "Pz", "O1")
    spec = PathSettings(channels=channels, sfreq=200.0, window_seconds=2.0)
    line = SignalPath(spec, identity_layout(channels), 200.0)
    rows = [DEAP32.index(name) for name in channels]
    windows = run(line, eeg(200.0, 8.0)[rows])
    assert stack(windows).shape == (7, 8, 16)
    assert np.isfinite(stack(windows)).all()
