from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eeg_emotion.codes import Reason, Trouble
from eeg_emotion.eeg.inspection import Measure
from eeg_emotion.eeg.layout import identity_layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import PathSettings, SignalPath, Window
from eeg_emotion.eeg.quality import BLOCKS_JUDGED, QualityLimits, judge_second
from eeg_emotion.recordings.simulation import SimulatedPerson

Array = NDArray[np.float64]

LIMITS = QualityLimits()
CHANNEL = DEAP32.index("CP1")
SECONDS = 10.0


# Planted signals: what a person's channel would show, and what is added or put in its place


@cache
def eeg(sfreq: float = 128.0) -> Array:
    """A simulated person, `(32, samples)` µV, electrode offsets included."""
    samples = SimulatedPerson(5, 2).run(0, sfreq).next(round(SECONDS * sfreq), 0.3, -0.2)
    samples.setflags(write=False)
    return samples


def last_window(samples: Array, sfreq: float = 128.0, limits: QualityLimits = LIMITS) -> Window:
    # A contract without interpolation: what is judged here is what is measured.
    path = SignalPath(PathSettings(), identity_layout(DEAP32), sfreq, limits=limits)
    return list(path.segment().feed(samples))[-1]


def with_channel(row: Array, sfreq: float = 128.0) -> Array:
    samples = eeg(sfreq).copy()
    samples[CHANNEL] = row
    return samples


Plant = Callable[[Array, Array, float], Array]


def add(wave: Callable[[Array], Array]) -> Plant:
    return lambda row, time, strength: row + strength * wave(time)


def sine(hz: float, rms: float = np.sqrt(0.5)) -> Plant:
    return add(lambda time: rms * np.sqrt(2.0) * np.sin(2 * np.pi * hz * time + 0.7))


def cut_off(row: Array, time: Array, share: float) -> Array:
    """A sine that stands at its highest value for this share of the time."""
    wave = 30.0 * np.sin(2 * np.pi * 9.7 * time)
    return np.asarray(np.minimum(wave, 30.0 * np.cos(np.pi * share)))


def losing(row: Array, time: Array, every: float) -> Array:
    row = row.copy()
    row[:: round(every / (time[1] - time[0]))] = np.nan
    return row


@dataclass(frozen=True)
class Case:
    """A trouble, and how strong it is where it does no harm and where it ends all use."""

    trouble: Trouble
    plant: Plant
    harmless: float
    deadly: float


CASES = {
    "lost samples": Case(Trouble.NOT_FINITE, losing, 30.0, 0.5),
    "loose": Case(
        Trouble.FLAT, lambda row, time, part: row.mean() + part * (row - row[0]), 0.5, 0.0
    ),
    "nearly still": Case(
        Trouble.FLAT, lambda row, time, uv: 70.0 + uv * np.sin(60.0 * time), 6.0, 0.2
    ),
    "cut off": Case(Trouble.RAILED, cut_off, 0.1, 0.3),
    "hum of 50 Hz": Case(Trouble.LINE_NOISE, sine(50.0), 15.0, 200.0),
    "hum of 60 Hz": Case(Trouble.LINE_NOISE, sine(60.0), 20.0, 200.0),
    "teeth": Case(Trouble.MUSCLE, sine(38.0, 1.0), 7.0, 55.0),
    "swaying": Case(Trouble.MOVEMENT, sine(1.0), 90.0, 900.0),
    "drying gel": Case(Trouble.DRIFT, add(lambda time: time), 120.0, 1400.0),
    "large": Case(Trouble.AMPLITUDE, sine(10.0, 1.0), 30.0, 160.0),
}


@pytest.mark.parametrize("sfreq", [128.0, 250.0, 500.0])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_channel_in_trouble_is_found_and_what_it_suffers_from_is_named(
    case: Case, sfreq: float
) -> None:
    time = np.arange(eeg(sfreq).shape[1]) / sfreq
    expected: list[Trouble | None] = [None] * 32
    for strength in (case.harmless, case.deadly):
        row = case.plant(eeg(sfreq)[CHANNEL], time, strength)
        quality = last_window(with_channel(row, sfreq), sfreq).quality
        assert quality.troubles == tuple(expected)
        np.testing.assert_array_equal(quality.scores, [each is None for each in expected])
        expected[CHANNEL] = case.trouble


@pytest.mark.parametrize("sfreq", [128.0, 250.0, 256.0, 500.0, 1000.0])
@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_hum_is_measured_at_the_headsets_own_rate(hz: float, sfreq: float) -> None:
    time = np.arange(eeg(sfreq).shape[1]) / sfreq
    halfway = sum(LIMITS.line_noise_uv) / 2
    row = sine(hz)(eeg(sfreq)[CHANNEL], time, halfway)
    quality = last_window(with_channel(row, sfreq), sfreq).quality
    assert quality.troubles[CHANNEL] is Trouble.LINE_NOISE
    # The simulated person's own hum of some µV at 50 Hz adds to it, or is beside it.
    assert quality.scores[CHANNEL] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("sfreq", "hz"), [(100.5, 50.0), (119.0, 60.0), (125.0, 60.0)])
def test_hum_that_a_rate_cannot_show_is_not_made_up(sfreq: float, hz: float) -> None:
    time = np.arange(eeg(sfreq).shape[1]) / sfreq
    for strength in (0.0, 200.0):
        row = sine(hz)(eeg(sfreq)[CHANNEL], time, strength)
        quality = last_window(with_channel(row, sfreq), sfreq).quality
        assert Trouble.LINE_NOISE not in quality.troubles


@pytest.mark.parametrize(
    ("plant", "strength", "trouble"),
    [
        (sine(38.0, 1.0), np.mean(LIMITS.muscle_uv), Trouble.MUSCLE),
        (sine(10.0, 1.0), np.mean(LIMITS.rms_uv), Trouble.AMPLITUDE),
        # The mean moves on by three blocks of a second's four.
        (add(lambda time: time), np.mean(LIMITS.drift_uv) / 0.75, Trouble.DRIFT),
        # Of the four blocks of a period one lies some 45 degrees to each side of a zero.
        (sine(1.0), np.mean(LIMITS.movement_uv) / np.sqrt(2.0), Trouble.MOVEMENT),
    ],
    ids=["muscle", "amplitude", "drift", "movement"],
)
def test_halfway_between_the_limits_a_channel_scores_half(
    plant: Plant, strength: float, trouble: Trouble
) -> None:
    time = np.arange(eeg().shape[1]) / 128.0
    quality = last_window(with_channel(plant(eeg()[CHANNEL], time, strength))).quality
    assert quality.troubles[CHANNEL] is trouble
    assert quality.scores[CHANNEL] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("sfreq", [128.0, 500.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_channels_of_one_signal_are_both_found(sign: float, sfreq: float) -> None:
    other = DEAP32.index("O2")
    time = np.arange(eeg(sfreq).shape[1])
    noise = np.random.default_rng(0).normal(0.0, 0.01, len(time))
    copy = sign * eeg(sfreq)[other] + 1234.0 + noise
    quality = last_window(with_channel(copy, sfreq), sfreq).quality
    assert [each for each in quality.troubles if each] == [Trouble.DUPLICATE] * 2
    assert set(np.flatnonzero(quality.scores < 1.0)) == {CHANNEL, other}
    # As alike as neighbours are, but not one signal.
    assert set(last_window(with_channel(1.05 * copy, sfreq), sfreq).quality.troubles) == {None}


def test_channels_that_are_all_one_signal_are_all_found() -> None:
    samples = np.broadcast_to(eeg()[3], eeg().shape) + 10.0 * np.arange(32)[:, None]
    quality = last_window(samples).quality
    assert set(quality.troubles) == {Trouble.DUPLICATE}
    assert quality.faults == (Reason.POOR_CONTACT,)


def test_a_good_signal_is_good_in_every_respect() -> None:
    quality = last_window(eeg()).quality
    assert quality.faults == ()
    assert quality.overall == 1.0
    assert quality.troubles == (None,) * 32
    np.testing.assert_array_equal(quality.scores, np.ones(32))


def test_of_several_troubles_the_worst_is_named() -> None:
    time = np.arange(eeg().shape[1]) / 128.0
    hum = sine(60.0)(eeg()[CHANNEL], time, 100.0)
    both = sine(38.0, 1.0)(hum, time, 20.0)
    quality = last_window(with_channel(both)).quality
    assert quality.troubles[CHANNEL] is Trouble.LINE_NOISE
    assert quality.scores[CHANNEL] == pytest.approx(0.4, abs=0.06)
    worse = sine(38.0, 1.0)(hum, time, 30.0)
    assert last_window(with_channel(worse)).quality.troubles[CHANNEL] is Trouble.MUSCLE


def test_many_doubtful_channels_are_poor_contact_together() -> None:
    time = np.arange(eeg().shape[1]) / 128.0
    phases = np.arange(32)[:, None]
    hum = 125.0 * np.sin(2 * np.pi * 60.0 * time + phases)
    few, many = (eeg() + hum * (phases < count) for count in (12, 24))
    assert last_window(few).quality.faults == ()
    quality = last_window(many).quality
    assert quality.faults == (Reason.POOR_CONTACT,)
    assert quality.overall < LIMITS.least_quality
    lenient = QualityLimits(least_quality=0.1)
    assert last_window(many, limits=lenient).quality.faults == ()


# One second, by numbers


def blocks(count: int = BLOCKS_JUDGED, channels: int = 3) -> Array:
    """Measures of channels without any trouble, `(blocks, measures, channels)`."""
    one = np.zeros((len(Measure), channels))
    scale = 1.0 + 0.1 * np.arange(channels)
    one[Measure.HIGHEST], one[Measure.LOWEST] = 30.0 * scale, -30.0 * scale
    one[Measure.AT_HIGHEST] = one[Measure.AT_LOWEST] = 1 / 32
    one[Measure.POWER], one[Measure.FAST_POWER] = (10.0 * scale) ** 2, (3.0 * scale) ** 2
    return np.repeat(one[np.newaxis], count, axis=0)


def judged(given: Array, unreadable: tuple[int, ...] = ()) -> Array:
    marks = np.isin(np.arange(given.shape[2]), unreadable)
    return judge_second(given, marks, LIMITS)


def test_a_second_without_trouble_scores_one_throughout() -> None:
    for count in range(1, BLOCKS_JUDGED + 1):
        np.testing.assert_array_equal(judged(blocks(count)), np.ones((len(Trouble), 3)))


def test_a_channel_that_cannot_be_read_is_reported() -> None:
    scores = judged(blocks(), unreadable=(1,))
    assert scores[list(Trouble).index(Trouble.NOT_FINITE)].tolist() == [1.0, 0.0, 1.0]
    assert (np.delete(scores, list(Trouble).index(Trouble.NOT_FINITE), axis=0) == 1.0).all()


def plant_power(row: Measure) -> Callable[[Array, float], None]:
    def plant(given: Array, uv: float) -> None:
        given[:, row, 0] = uv**2

    return plant


def plant_movement(given: Array, uv: float) -> None:
    given[2, Measure.HIGHEST, 0], given[2, Measure.LOWEST, 0] = 0.25 * uv, -0.75 * uv


def plant_drift(given: Array, uv: float) -> None:
    given[:, Measure.MEAN, 0] = np.linspace(0.0, -uv, len(given))


@pytest.mark.parametrize(
    ("trouble", "limits", "plant"),
    [
        (Trouble.LINE_NOISE, LIMITS.line_noise_uv, plant_power(Measure.MAINS)),
        (Trouble.MUSCLE, LIMITS.muscle_uv, plant_power(Measure.FAST_POWER)),
        (Trouble.AMPLITUDE, LIMITS.rms_uv, plant_power(Measure.POWER)),
        (Trouble.MOVEMENT, LIMITS.movement_uv, plant_movement),
        (Trouble.DRIFT, LIMITS.drift_uv, plant_drift),
    ],
)
def test_a_score_falls_from_one_at_the_first_limit_to_nothing_at_the_second(
    trouble: Trouble, limits: tuple[float, float], plant: Callable[[Array, float], None]
) -> None:
    good, worst = limits
    for found, expected in [
        (0.5 * good, 1.0),
        (good, 1.0),
        (0.75 * good + 0.25 * worst, 0.75),
        (0.1 * good + 0.9 * worst, 0.1),
        (worst, 0.0),
        (3.0 * worst, 0.0),
    ]:
        given = blocks()
        plant(given, found)
        scores = judged(given)
        assert scores[list(Trouble).index(trouble), 0] == pytest.approx(expected, abs=1e-9)
        scores[list(Trouble).index(trouble), 0] = 1.0
        np.testing.assert_array_equal(scores, 1.0)


def test_one_block_that_is_flat_is_enough_and_is_not_called_cut_off() -> None:
    given = blocks()
    given[1, Measure.HIGHEST, 0] = given[1, Measure.LOWEST, 0] = 30.0
    given[1, Measure.AT_HIGHEST, 0] = given[1, Measure.AT_LOWEST, 0] = 1.0
    scores = judged(given)
    assert scores[list(Trouble).index(Trouble.FLAT)].tolist() == [0.0, 1.0, 1.0]
    assert (scores[list(Trouble).index(Trouble.RAILED)] == 1.0).all()


@pytest.mark.parametrize("lowest", [False, True])
def test_only_what_stands_at_the_seconds_own_extreme_is_cut_off(lowest: bool) -> None:
    extreme, at = (
        (Measure.LOWEST, Measure.AT_LOWEST) if lowest else (Measure.HIGHEST, Measure.AT_HIGHEST)
    )
    given = blocks()
    given[:, at, 0] = 0.25
    assert judged(given)[list(Trouble).index(Trouble.RAILED)].tolist() == [0.0, 1.0, 1.0]
    given[3, extreme, 0] *= 1.01  # beyond it the amplifier went on
    assert judged(given)[list(Trouble).index(Trouble.RAILED)].tolist() == [1.0, 1.0, 1.0]


def test_channels_that_differ_in_one_block_are_no_duplicates() -> None:
    given = blocks()
    given[:, :, 2] = given[:, :, 0]
    duplicate = list(Trouble).index(Trouble.DUPLICATE)
    assert judged(given)[duplicate].tolist() == [0.0, 1.0, 0.0]
    given[3, Measure.FAST_POWER, 2] *= 1.05
    assert judged(given)[duplicate].tolist() == [1.0, 1.0, 1.0]


def test_flat_channels_are_not_duplicates_of_each_other() -> None:
    given = blocks()
    given[:, :, :2] = 0.0
    scores = judged(given)
    assert scores[list(Trouble).index(Trouble.DUPLICATE)].tolist() == [1.0, 1.0, 1.0]
    assert scores[list(Trouble).index(Trouble.FLAT)].tolist() == [0.0, 0.0, 1.0]


# Limits


def limits_of(**changes: Any) -> QualityLimits:
    return QualityLimits(**changes)


@pytest.mark.parametrize(
    "field", ["rms_uv", "line_noise_uv", "muscle_uv", "movement_uv", "drift_uv"]
)
@pytest.mark.parametrize(
    "value", [(5.0, 5.0), (5.0, 4.0), (-1.0, 5.0), (5.0, np.inf), (np.nan, 5.0), (5.0, np.nan)]
)
def test_limits_that_do_not_rise_are_refused_by_name(
    field: str, value: tuple[float, float]
) -> None:
    with pytest.raises(ValueError, match=rf"found {field} = .*, expected two rising numbers"):
        limits_of(**{field: value})


@pytest.mark.parametrize(
    "field",
    ["largest_uv", "flat_uv", "railed_share", "duplicate_share", "suspect_uv", "least_quality"],
)
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_limits_that_are_no_number_from_zero_upwards_are_refused(field: str, value: float) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=rf"found {field} = .*, expected a number from 0 upwards"):
        QualityLimits(**changed)
