from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.codes import Reason, Trouble
from eeg_emotion.eeg.inspection import Measure
from eeg_emotion.eeg.layout import plan_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import GRID_SECONDS, PathSettings, SignalPath, Window
from eeg_emotion.eeg.quality import BLOCKS_JUDGED, QualityLimits
from eeg_emotion.eeg.repair import Repair, Verdict
from eeg_emotion.eeg.representation import BandPower, RawSignal, Tangent
from eeg_emotion.eeg.rest_baseline import fit_rest, rest_path
from eeg_emotion.recordings.simulation import SimulatedPerson

Array = NDArray[np.float64]

LIMITS = QualityLimits()
NAME = "FC1"
CHANNEL = DEAP32.index(NAME)
SETTLE = 12
"""Blocks in the settings' three seconds."""


# The verdict on each block, by numbers


def measures(channels: int = 8) -> Array:
    """A block of channels without any trouble, `(measures, channels)`."""
    block = np.zeros((len(Measure), channels))
    scale = 1.0 + 0.1 * np.arange(channels)
    block[Measure.HIGHEST], block[Measure.LOWEST] = 30.0 * scale, -30.0 * scale
    block[Measure.AT_HIGHEST] = block[Measure.AT_LOWEST] = 1 / 32
    block[Measure.POWER], block[Measure.FAST_POWER] = (10.0 * scale) ** 2, (3.0 * scale) ** 2
    return block


def flat(*channels: int) -> Array:
    block = measures()
    block[:, list(channels)] = 0.0
    return block


def lost(*channels: int) -> Array:
    block = measures()
    block[Measure.BAD, list(channels)] = 1.0
    return block


def judge(
    blocks: Iterable[Array],
    *,
    max_interpolated: int = 3,
    missing: int = 0,
    settle: int = SETTLE,
    lowest_hz: float = 4.0,
) -> list[Verdict]:
    """Judge blocks of DEAP's first eight channels, of which the last may not be in the stream."""
    wanted = DEAP32[:8]
    labels = wanted[: 8 - missing]
    layout = plan_layout(
        labels, ["uV"] * len(labels), channels=wanted, max_interpolated=max_interpolated
    )
    repair = Repair(layout, LIMITS, settle, lowest_hz=lowest_hz)
    return [repair.judge(block[:, : len(labels)]) for block in blocks]


def filled(verdicts: list[Verdict]) -> list[tuple[int, ...]]:
    return [tuple(np.flatnonzero(verdict.replaced).tolist()) for verdict in verdicts]


def with_fault(verdicts: list[Verdict], fault: Reason) -> list[int]:
    return [number for number, verdict in enumerate(verdicts) if fault in verdict.faults]


def test_while_all_is_well_nothing_is_touched() -> None:
    for verdict in judge([measures()] * 10):
        assert not verdict.replaced.any()
        assert verdict.matrix is None
        assert not verdict.faults
        np.testing.assert_array_equal(verdict.scores, 1.0)


def test_a_channel_is_interpolated_from_the_block_that_shows_it_until_it_has_settled() -> None:
    verdicts = judge([measures()] * 5 + [flat(2)] * 3 + [measures()] * 30)
    # Flat in blocks 5 to 7, so in the last second up to block 10, and then good for 12 more.
    assert filled(verdicts) == [()] * 5 + [(2,)] * (3 + 3 + SETTLE - 1) + [()] * 16
    for verdict in verdicts:
        assert (verdict.matrix is not None) == verdict.replaced.any()
        if verdict.matrix is not None:
            # From the others; they stay as they are.
            assert (verdict.matrix[:, 2] == 0.0).all()
            assert verdict.matrix[2].sum() == pytest.approx(1.0)
            others = np.delete(np.arange(8), 2)
            np.testing.assert_array_equal(verdict.matrix[np.ix_(others, others)], np.eye(7))


def test_no_score_for_a_second_and_a_block_from_when_a_channel_is_found_out() -> None:
    verdicts = judge([measures()] * 5 + [flat(2)] * 20)
    assert with_fault(verdicts, Reason.POOR_CONTACT) == list(range(5, 5 + BLOCKS_JUDGED + 1))
    verdicts = judge([measures()] * 5 + [flat(2)] * 2 + [flat(2, 6)] * 20)
    assert with_fault(verdicts, Reason.POOR_CONTACT) == list(range(5, 7 + BLOCKS_JUDGED + 1))
    assert filled(verdicts)[-1] == (2, 6)


def test_a_channel_that_fails_again_while_it_settles_starts_over() -> None:
    blocks = [flat(2)] + [measures()] * 10 + [flat(2)] + [measures()] * 20
    assert filled(judge(blocks)) == [(2,)] * (11 + 4 + SETTLE - 1) + [()] * 6


@pytest.mark.parametrize("settle", [0, 2, 8])
def test_it_is_good_again_for_the_settling_time_and_at_least_a_second(settle: int) -> None:
    verdicts = judge([flat(2)] + [measures()] * 20, settle=settle)
    wait = max(settle, BLOCKS_JUDGED)
    assert filled(verdicts) == [(2,)] * (4 + wait - 1) + [()] * (21 - 4 - wait + 1)


def test_a_lone_bad_sample_is_bridged_and_reported() -> None:
    verdicts = judge([measures()] * 5 + [lost(4)] + [measures()] * 5)
    assert filled(verdicts) == [()] * 11
    assert with_fault(verdicts, Reason.OUT_OF_RANGE) == [5]


@pytest.mark.parametrize(("places", "given_up"), [((0, 9, 19), 19), ((0, 9, 20), None)])
def test_three_bad_blocks_of_twenty_give_a_channel_up(
    places: tuple[int, ...], given_up: int | None
) -> None:
    verdicts = judge([lost(4) if number in places else measures() for number in range(60)])
    if given_up is None:
        assert set(filled(verdicts)) == {()}
        assert with_fault(verdicts, Reason.OUT_OF_RANGE) == list(places)
    else:
        assert next(number for number, each in enumerate(filled(verdicts)) if each) == given_up
        # What is interpolated may hold anything; channels interpolated before are reported.
        assert with_fault(verdicts, Reason.OUT_OF_RANGE) == list(places[:2])
        assert with_fault(verdicts, Reason.POOR_CONTACT)[0] == given_up
        assert filled(verdicts)[-1] == ()


def test_bad_samples_of_a_channel_that_is_interpolated_do_no_harm() -> None:
    both = flat(4)
    both[Measure.BAD, 4] = 1.0
    verdicts = judge([both] * 30)
    assert filled(verdicts) == [(4,)] * 30
    assert with_fault(verdicts, Reason.OUT_OF_RANGE) == []


def test_more_than_may_be_interpolated_are_missing() -> None:
    blocks = [flat(1, 2)] * 10 + [flat(1, 2, 3)] * 10 + [flat(1, 2)] * 30
    verdicts = judge(blocks, max_interpolated=2)
    missing = with_fault(verdicts, Reason.CHANNELS_MISSING)
    assert missing == list(range(10, 23))
    assert set(missing) <= set(with_fault(verdicts, Reason.POOR_CONTACT))
    assert not with_fault(verdicts[23 + BLOCKS_JUDGED + 1 :], Reason.POOR_CONTACT)
    assert filled(verdicts)[10:23] == [()] * 13
    assert filled(verdicts)[-1] == (1, 2)


def test_channels_that_the_stream_lacks_count_among_those_interpolated() -> None:
    verdicts = judge([measures()] * 5 + [flat(1)] * 5, max_interpolated=2, missing=1)
    assert with_fault(verdicts, Reason.CHANNELS_MISSING) == []
    matrix = verdicts[-1].matrix
    assert matrix is not None
    assert matrix.shape == (8, 7)
    assert (matrix[:, 1] == 0.0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    verdicts = judge([measures()] * 5 + [flat(1)] * 5, max_interpolated=2, missing=2)
    assert with_fault(verdicts, Reason.CHANNELS_MISSING) == list(range(5, 10))
    assert verdicts[-1].matrix is not None  # the stream's own gaps are filled in all the same


def test_without_interpolation_in_the_contract_one_dead_channel_is_too_many() -> None:
    verdicts = judge([flat(7)] * 5, max_interpolated=0)
    assert with_fault(verdicts, Reason.CHANNELS_MISSING) == list(range(5))
    assert filled(verdicts) == [()] * 5


def moving(*channels: int) -> Array:
    block = measures()
    block[Measure.HIGHEST, list(channels)] = LIMITS.movement_uv[1]
    return block


@pytest.mark.parametrize(
    ("name", "lowest_hz", "trusted"),
    [
        ("Fp1", 0.0, False),
        ("Fp1", 3.9, False),
        ("Fp1", 4.0, True),
        ("F7", 4.0, True),
        ("FC5", 4.0, False),
        ("T7", 4.0, False),
    ],
)
def test_movement_alone_ends_no_trust_in_front_where_features_begin_above_blinks(
    name: str, lowest_hz: float, trusted: bool
) -> None:
    channel = DEAP32.index(name)
    blocks = [measures()] * 5 + [moving(channel)] * 3 + [measures()] * 30
    verdicts = judge(blocks, lowest_hz=lowest_hz)
    assert (set(filled(verdicts)) == {()}) == trusted
    assert (with_fault(verdicts, Reason.POOR_CONTACT) == []) == trusted
    # It still lowers the quality.
    movement = list(Trouble).index(Trouble.MOVEMENT)
    assert [verdict.scores[movement, channel] for verdict in verdicts[5:11]] == [0.0] * 6


@pytest.mark.parametrize("other", [Measure.POWER, Measure.FAST_POWER, Measure.MAINS])
def test_a_channel_that_moves_and_has_another_trouble_is_interpolated(other: Measure) -> None:
    block = moving(2)
    block[other, 2] = 200.0**2
    verdicts = judge([measures()] * 5 + [block] * 3)
    assert filled(verdicts)[-1] == (2,)


def all_with(**changes: float) -> Array:
    block = measures()
    for name, value in changes.items():
        block[Measure[name.upper()]] = value * (1.0 + 0.1 * np.arange(8))
    return block


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        (flat(*range(8)), Reason.NOT_WORN),
        (all_with(mains=200.0**2), Reason.NOT_WORN),
        (all_with(at_highest=0.5), Reason.NOT_WORN),
        (all_with(highest=3e-5, lowest=-3e-5, power=1e-10, fast_power=1e-12), Reason.UNIT_SUSPECT),
        (all_with(highest=0.1, lowest=-0.1, power=1e-3, fast_power=1e-4), Reason.UNIT_SUSPECT),
        (all_with(highest=4e3, lowest=-4e3, power=1501.0**2), Reason.UNIT_SUSPECT),
        (all_with(highest=2e3, lowest=-2e3, power=900.0**2), Reason.POOR_CONTACT),
        (all_with(fast_power=60.0**2), Reason.POOR_CONTACT),
    ],
)
def test_if_all_channels_are_dead_the_fault_states_what_that_looks_like(
    block: Array, fault: Reason
) -> None:
    verdicts = judge([block] * 6, max_interpolated=7)
    assert {tuple(verdict.faults) for verdict in verdicts} == {(fault,)}
    assert filled(verdicts) == [()] * 6


def test_one_large_channel_is_a_contact_and_not_the_unit() -> None:
    block = measures()
    block[Measure.POWER, 3] = 1e10
    (verdict,) = judge([block])
    assert set(verdict.faults) == {Reason.POOR_CONTACT}
    assert filled([verdict]) == [(3,)]


def test_a_headset_that_is_put_on_is_judged_from_then_on() -> None:
    verdicts = judge([flat(*range(8))] * 10 + [measures()] * 10)
    assert with_fault(verdicts, Reason.NOT_WORN) == list(range(13))
    assert not any(verdict.faults for verdict in verdicts[13:])
    # One electrode that stays off: the others served for none of what came before.
    verdicts = judge([flat(*range(8))] * 10 + [flat(3)] * 20)
    assert with_fault(verdicts, Reason.NOT_WORN) == list(range(13))
    assert with_fault(verdicts, Reason.POOR_CONTACT) == list(range(13, 13 + BLOCKS_JUDGED + 1))
    assert filled(verdicts)[-1] == (3,)


# The whole path over a person's signal


@cache
def eeg(sfreq: float = 128.0, seconds: float = 30.0) -> Array:
    """A simulated person, `(32, samples)` µV, electrode offsets included."""
    samples = SimulatedPerson(5, 1).run(0, sfreq).next(round(seconds * sfreq), 0.3, -0.2)
    samples.setflags(write=False)
    return samples


def run(
    samples: Array,
    sfreq: float = 128.0,
    *,
    spec: PathSettings | None = None,
    missing: tuple[str, ...] = (),
    rest: bool = False,
) -> list[Window]:
    """Run a stream that lacks some channels through the path, by quarters of a second."""
    spec = replace(spec or PathSettings(), hop_seconds=GRID_SECONDS)
    labels = [name for name in DEAP32 if name not in missing]
    layout = plan_layout(
        labels,
        ["uV"] * len(labels),
        channels=spec.channels,
        max_interpolated=spec.max_interpolated,
    )
    normaliser = own_rest(spec) if rest else None
    rows = [DEAP32.index(name) for name in labels]
    return list(SignalPath(spec, layout, sfreq, normaliser).segment().feed(samples[rows]))


@cache
def own_rest(spec: PathSettings) -> Normaliser:
    layout = plan_layout(DEAP32, ["uV"] * 32, channels=DEAP32, max_interpolated=0)
    path = SignalPath(rest_path(spec), layout, 128.0)
    windows = list(path.segment().feed(eeg(seconds=40.0)))
    return fit_rest([window.features for window in windows if window.settled], spec)


def seconds(window: Window, sfreq: float) -> tuple[float, float]:
    return window.first_sample / sfreq, (window.last_sample + 1) / sfreq


def silent(part: Array, sfreq: float) -> Array:
    return np.full(part.shape, part[0])


def torn_off(part: Array, sfreq: float) -> Array:
    """10 mV of noise."""
    return part + 1e4 * np.random.default_rng(1).standard_normal(len(part))


def humming(part: Array, sfreq: float) -> Array:
    return np.asarray(part + 400.0 * np.sin(2 * np.pi * 50.0 * np.arange(len(part)) / sfreq))


def at_the_rail(part: Array, sfreq: float) -> Array:
    noise = 300.0 * np.random.default_rng(1).standard_normal(len(part))
    return np.asarray(part[0] + np.clip(noise, -50, 50))


def not_finite(part: Array, sfreq: float) -> Array:
    return np.full(part.shape, np.nan)


def beyond_all(part: Array, sfreq: float) -> Array:
    return np.full(part.shape, -1e300)


Death = Callable[[Array, float], Array]
DEATHS = [silent, torn_off, humming, at_the_rail, not_finite, beyond_all]


def dying(death: Death, sfreq: float, begin: float, end: float) -> Array:
    samples = eeg(sfreq).copy()
    part = slice(round(begin * sfreq), round(end * sfreq))
    samples[CHANNEL, part] = death(samples[CHANNEL, part], sfreq)
    return samples


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
@pytest.mark.parametrize("death", DEATHS)
def test_a_channel_that_dies_is_interpolated_until_it_has_been_good_for_a_while(
    death: Death, sfreq: float
) -> None:
    begin, end = 10.1, 14.1
    found, clean = run(dying(death, sfreq, begin, end), sfreq), run(eeg(sfreq), sfreq)
    # Bad samples are remembered for five seconds, and ring for three; the rest for a second.
    bad = death in (not_finite, beyond_all)
    returned = end + (5.0 if bad else 1.0) + 3.0
    seen = set()
    for window, other in zip(found, clean, strict=True):
        assert np.isfinite(window.features).all()
        assert set(window.interpolated) <= {NAME}
        first, last = seconds(window, sfreq)
        faults, filled_in = window.quality.faults, bool(window.interpolated)
        if last <= begin - 0.25:  # as far as the resampler's kernel reaches
            assert (faults, filled_in) == ((), False)
            np.testing.assert_array_equal(window.features, other.features)
        if last > begin + 1.5 and first < begin:
            # It holds what was taken for good and was not, whatever it holds beside that.
            assert Reason.POOR_CONTACT in faults
        if last > begin + 1.5 and first < returned - 1.0:
            assert filled_in
            assert window.quality.overall < other.quality.overall
        if first > begin + (3.5 if bad else 2.0):
            assert faults == ()
        if first > returned + 1.25:
            assert not filled_in
            assert window.quality.overall == pytest.approx(1.0, abs=1e-3)  # it blinks
            np.testing.assert_allclose(window.features, other.features, rtol=0.0, atol=0.05)
            seen.add("as ever")
        elif faults == () and filled_in:
            seen.add("filled in")
    assert seen == {"filled in", "as ever"}


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
@pytest.mark.parametrize("death", DEATHS)
def test_a_channel_that_never_lived_is_interpolated_from_the_first_valid_window_on(
    death: Death, sfreq: float
) -> None:
    windows = [w for w in run(dying(death, sfreq, 0.0, 30.0), sfreq) if w.settled]
    assert len(windows) > 80
    assert {window.quality.faults for window in windows} == {()}
    assert {window.interpolated for window in windows} == {(NAME,)}
    for window in windows:
        assert window.quality.overall == pytest.approx(31.5 / 32, abs=1e-3)  # it blinks
    named: dict[Death, Trouble] = {
        silent: Trouble.FLAT,
        torn_off: Trouble.LINE_NOISE,  # noise holds that too
        humming: Trouble.LINE_NOISE,
        at_the_rail: Trouble.RAILED,
        not_finite: Trouble.NOT_FINITE,
        beyond_all: Trouble.NOT_FINITE,
    }
    assert {window.quality.troubles[CHANNEL] for window in windows} == {named[death]}


REPRESENTATIONS = {"bands": BandPower(), "raw": RawSignal(), "tangent": Tangent()}


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(spec, id=name, marks=[pytest.mark.needs("time")] if name == "tangent" else [])
        for name, spec in REPRESENTATIONS.items()
    ],
)
def test_a_torn_off_electrode_does_not_reach_into_the_others(
    spec: BandPower | RawSignal | Tangent, sfreq: float
) -> None:
    settings = PathSettings(representation=spec)
    rest = isinstance(spec, Tangent)
    lacking = run(eeg(sfreq), sfreq, spec=settings, missing=(NAME,), rest=rest)
    never = run(dying(torn_off, sfreq, 0.0, 30.0), sfreq, spec=settings, rest=rest)
    later = run(dying(torn_off, sfreq, 10.1, 30.0), sfreq, spec=settings, rest=rest)
    for one, other, expected in zip(never, later, lacking, strict=True):
        np.testing.assert_allclose(one.features, expected.features, rtol=0.0, atol=1e-4)
        first, last = seconds(other, sfreq)
        if first >= 10.0 and not other.quality.faults:
            # dB, µV, or standard units: what still rings of it, a second later.
            np.testing.assert_allclose(other.features, expected.features, rtol=0.0, atol=0.02)
        elif last > 10.5:
            assert other.quality.faults == (Reason.POOR_CONTACT,)


def test_what_is_interpolated_resembles_what_would_have_been_measured() -> None:
    spec = PathSettings(representation=RawSignal())
    guess, truth = (
        np.concatenate([w.features[:, CHANNEL] for w in run(samples, spec=spec)[60::20]])
        for samples in (dying(silent, 128.0, 10.0, 30.0), eeg())
    )
    assert np.corrcoef(guess, truth)[0, 1] > 0.7
    assert 0.5 < guess.std() / truth.std() < 1.5


def test_channels_that_fail_in_turn_are_all_named_and_in_the_models_order() -> None:
    samples = dying(torn_off, 128.0, 10.0, 12.0)
    other = DEAP32.index("Fp1")
    samples[other, 14 * 128 :] = 70.0
    named = [window.interpolated for window in run(samples)]
    assert ("Fp1", NAME) in named
    assert named[-1] == ("Fp1",)


def test_with_more_dead_channels_than_the_contract_allows_no_window_is_valid() -> None:
    spec = PathSettings(max_interpolated=2)
    samples = eeg().copy()
    samples[[3, 9], 10 * 128 :] = 50.0
    samples[20, 15 * 128 : 18 * 128] = 50.0
    windows = {seconds(window, 128.0)[0]: window for window in run(samples, spec=spec)}
    assert windows[5.0].quality.faults == ()
    # Before the third one fails there is no whole window that holds the two only.
    both = (Reason.CHANNELS_MISSING, Reason.POOR_CONTACT)
    assert all(windows[first].quality.faults == both for first in np.arange(11.5, 18.75, 0.25))
    assert all(windows[first].quality.faults == () for first in np.arange(20.25, 25.0, 0.25))
    assert windows[25.0].interpolated == (DEAP32[3], DEAP32[9])


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_a_headset_that_is_taken_off_and_put_on_again(sfreq: float) -> None:
    samples = eeg(sfreq).copy()
    off = slice(round(10 * sfreq), round(15 * sfreq))
    samples[:, off] = samples[:, off.start, None]
    for window in run(samples, sfreq):
        first, last = seconds(window, sfreq)
        if last <= 10.0 or first >= 16.25:
            assert window.quality.faults == ()
            assert window.interpolated == ()
        elif last > 10.5 and first < 15.75:
            assert Reason.NOT_WORN in window.quality.faults


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e3])
def test_a_wrong_unit_is_suspected(factor: float) -> None:
    samples = eeg(seconds=12.0)
    samples = (samples - samples.mean(axis=1, keepdims=True)) * factor
    faults = {window.quality.faults for window in run(samples) if window.settled}
    assert faults == {(Reason.UNIT_SUSPECT,)}


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
def test_bad_samples_now_and_then_are_bridged(sfreq: float) -> None:
    samples = eeg(sfreq).copy()
    samples[CHANNEL, [round(at * sfreq) for at in (9.0, 11.0)]] = np.nan
    windows = run(samples, sfreq)
    assert {window.interpolated for window in windows} == {()}
    for window in windows:
        first, last = seconds(window, sfreq)
        marked = Reason.OUT_OF_RANGE in window.quality.faults
        assert marked == (last > 9.0 + 0.25 / sfreq and first < 11.25 + 3.0)
