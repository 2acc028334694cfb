"""Blinks, and what is no blink: which windows they cost, by the model's representation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.blinks import Blinks, add_blinks, blink_weights

from eeg_emotion.codes import Reason, Trouble
from eeg_emotion.eeg.layout import most_interpolated, plan_layout
from eeg_emotion.eeg.montage import DEAP32, EMOTIV14, TEN_TWENTY19
from eeg_emotion.eeg.path import PathSettings, SignalPath, Window
from eeg_emotion.eeg.representation import (
    SEVEN_BANDS,
    Band,
    BandPower,
    RawSignal,
    Representation,
    Tangent,
)
from eeg_emotion.recordings.simulation import SimulatedPerson

Array = NDArray[np.float64]

SFREQ = 128.0
HEAVY = Blinks(uv=700.0, a_minute=30.0)
FOREHEAD = {"Fp1", "Fp2"}
WITH_DELTA = BandPower(bands=(Band("delta", 1.0, 4.0), *SEVEN_BANDS))


@cache
def calm() -> Array:
    """A simulated person whose own blinks stay below 250 µV, `(32, samples)`."""
    samples = SimulatedPerson(5, 1).run(0, SFREQ).next(round(40 * SFREQ), 0.3, -0.2)
    samples.setflags(write=False)
    return samples


def blinking(blinks: Blinks = HEAVY) -> Array:
    return add_blinks(calm(), DEAP32, SFREQ, blinks, np.random.default_rng(3))


def run(
    samples: Array,
    representation: Representation | None = None,
    channels: tuple[str, ...] = DEAP32,
) -> list[Window]:
    """Return the settled windows of a stream of DEAP's channels, a second apart."""
    settings = PathSettings(
        channels=channels,
        representation=representation or BandPower(),
        max_interpolated=most_interpolated(channels),
    )
    layout = plan_layout(
        DEAP32, ["uV"] * 32, channels=channels, max_interpolated=settings.max_interpolated
    )
    windows = list(SignalPath(settings, layout, SFREQ).segment().feed(samples))
    assert len(windows) > 30
    return [window for window in windows if window.settled]


def faults(windows: Iterable[Window]) -> set[tuple[Reason, ...]]:
    return {window.quality.faults for window in windows}


@pytest.mark.parametrize(
    "representation",
    [
        BandPower(),
        BandPower(bands=SEVEN_BANDS),
        pytest.param(Tangent(), marks=pytest.mark.needs("time")),
    ],
    ids=["bands", "bands7", "tangent"],
)
def test_blinks_cost_no_window_of_powers_above_them(representation: Representation) -> None:
    windows = run(blinking(), representation)
    assert faults(windows) == {()}
    assert {window.interpolated for window in windows} == {()}
    # They are reported all the same, where they are.
    lowest = min(windows, key=lambda window: window.quality.overall)
    assert lowest.quality.overall < 0.97
    for name in FOREHEAD:
        assert lowest.quality.troubles[DEAP32.index(name)] is Trouble.MOVEMENT


@pytest.mark.parametrize("representation", [RawSignal(), WITH_DELTA], ids=["raw", "delta"])
def test_blinks_cost_windows_that_show_their_course(representation: Representation) -> None:
    windows = run(blinking(), representation)
    refused = [window for window in windows if window.quality.faults]
    assert faults(refused) == {(Reason.POOR_CONTACT,)}
    assert len(refused) > len(windows) / 2
    assert {name for window in windows for name in window.interpolated} >= FOREHEAD
    assert faults(run(calm(), representation)) == {()}


@pytest.mark.parametrize("channels", [TEN_TWENTY19, EMOTIV14], ids=["19", "14"])
def test_smaller_montages_of_which_the_forehead_is_a_larger_part(channels: tuple[str, ...]) -> None:
    windows = run(blinking(), channels=channels)
    assert faults(windows) == {()}
    assert {window.interpolated for window in windows} == {()}


def test_blinks_that_reach_far_into_the_models_band_are_refused() -> None:
    windows = run(blinking(replace(HEAVY, uv=3000.0)))
    refused = [window for window in windows if window.quality.faults]
    assert all(Reason.POOR_CONTACT in window.quality.faults for window in refused)
    assert len(refused) > len(windows) / 2


@pytest.mark.parametrize("name", ["Fp1", "CP5"])
def test_an_electrode_that_comes_off_while_the_person_blinks_is_interpolated(name: str) -> None:
    samples = blinking()
    rng = np.random.default_rng(1)
    off = samples[DEAP32.index(name), round(20 * SFREQ) :]
    off += rng.normal(0.0, 2000.0, len(off))
    for window in run(samples):
        begin, end = window.first_sample / SFREQ, window.last_sample / SFREQ
        if end < 20.0:
            assert (window.quality.faults, window.interpolated) == ((), ())
        elif begin < 20.0 and end > 20.5:
            assert window.quality.faults == (Reason.POOR_CONTACT,)
        elif begin > 22.0:
            assert (window.quality.faults, window.interpolated) == ((), (name,))


def test_an_electrode_that_sways_elsewhere_is_interpolated() -> None:
    samples = calm().copy()
    after = slice(round(20 * SFREQ), None)
    sway = 900.0 * np.sin(2 * np.pi * np.arange(samples.shape[1]) / SFREQ)
    samples[DEAP32.index("P4"), after] += sway[after]
    for window in run(samples):
        begin, end = window.first_sample / SFREQ, window.last_sample / SFREQ
        if begin < 20.0 and end > 21.0:
            assert window.quality.faults == (Reason.POOR_CONTACT,)
        elif begin > 22.0:
            assert (window.quality.faults, window.interpolated) == ((), ("P4",))


def test_a_jerk_of_the_whole_cap_is_no_blink() -> None:
    samples = calm().copy()
    part = slice(round(20 * SFREQ), round(21 * SFREQ))
    samples[:, part] += 700.0 * np.sin(2 * np.pi * np.arange(part.stop - part.start) / SFREQ)
    for window in run(samples):
        begin, end = window.first_sample / SFREQ, window.last_sample / SFREQ
        if begin <= 20.0 and end > 21.0:
            assert window.quality.faults == (Reason.POOR_CONTACT,)


# The model of a blink


def test_a_blink_fades_from_the_eyes_to_the_back_of_the_head() -> None:
    share = dict(zip(DEAP32, blink_weights(DEAP32), strict=True))
    assert share["Fp1"] == share["Fp2"] == 1.0
    assert share["Cz"] == pytest.approx(0.093)
    assert 0.5 < share["AF3"] < 0.7
    assert 0.25 < share["Fz"] < share["F3"] < 0.45
    assert share["O1"] < share["Pz"] < 0.06


def test_blinks_have_the_stated_size_length_and_rate() -> None:
    minutes, sfreq = 30.0, 200.0
    course = Blinks(300.0).course(round(minutes * 60 * sfreq), sfreq, np.random.default_rng(0))
    edges = np.diff(np.concatenate([[0], course > 0, [0]]).astype(int))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    assert len(begins) / minutes == pytest.approx(20.0, rel=0.1)
    lengths = (ends - begins) / sfreq
    assert lengths.min() > 0.17
    assert lengths.max() < 0.42
    peaks = [course[begin:end].max() for begin, end in zip(begins, ends, strict=True)]
    assert np.median(peaks) == pytest.approx(300.0, rel=0.05)
