from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eeg_emotion.eeg.layout import Layout, identity_layout
from eeg_emotion.eeg.montage import DEAP32, EMOTIV14, MUSE4
from eeg_emotion.eeg.path import PathSettings, SignalPath, Window
from eeg_emotion.eeg.representation import BandPower, RawSignal, Tangent
from eeg_emotion.eeg.rest_baseline import fit_rest, rest_path
from eeg_emotion_training.data.deap_source import deap_layout
from eeg_emotion_training.data.sources import DataError, PersonSignal, Rest, Trial
from eeg_emotion_training.data.windows import cut_person

ONSET = 384  # DEAP's 3 s of baseline at 128 Hz
LENGTH = 640  # 5 s
COUNT = 5
END = ONSET + COUNT * LENGTH

BANDS = PathSettings(representation=BandPower())
RAW = PathSettings(representation=RawSignal())
FEW = ("Fz", "Cz", "Pz")
FEW_BANDS = PathSettings(channels=FEW, representation=BandPower())
FEW_RAW = PathSettings(channels=FEW, representation=RawSignal(), max_interpolated=1)
FEW_TANGENT = PathSettings(channels=FEW, representation=Tangent())
every_representation = pytest.mark.parametrize(
    "settings", [FEW_BANDS, FEW_RAW, FEW_TANGENT], ids=["bands", "raw", "tangent"]
)


def eeg(channels: int, samples: int = END, seed: int = 1) -> np.ndarray:
    """Noise of 10 µV about an electrode's offset, never twice the same."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 10.0, (channels, samples)) + rng.uniform(-900.0, 900.0, (channels, 1))


def signal_of(
    *trials: np.ndarray,
    layout: Layout | None = None,
    sfreq: float = 128.0,
    onset: int = ONSET,
    end: int = END,
    rest: tuple[Rest, ...] = (),
) -> PersonSignal:
    labels = [np.array([number % 2 == 0, True]) for number in range(len(trials))]
    return PersonSignal(
        layout=layout or identity_layout(FEW),
        sfreq=sfreq,
        trials=[
            Trial(samples, onset, end, high, f"video {number + 1}")
            for number, (samples, high) in enumerate(zip(trials, labels, strict=True))
        ],
        rest=rest,
    )


def live(
    samples: np.ndarray,
    settings: PathSettings,
    layout: Layout | None = None,
    sfreq: float = 128.0,
    chunk: int = 37,
) -> dict[int, Window]:
    """What the daemon makes of a signal that arrives in chunks: windows by their first sample."""
    segment = SignalPath(settings, layout or identity_layout(FEW), sfreq).segment()
    return {
        window.first_sample: window
        for start in range(0, samples.shape[1], chunk)
        for window in segment.feed(samples[:, start : start + chunk])
    }


@pytest.mark.parametrize(("settings", "shape"), [(BANDS, (20, 128)), (RAW, (640, 32))])
def test_a_trial_of_deap_holds_twelve_windows(
    settings: PathSettings, shape: tuple[int, int]
) -> None:
    signal = signal_of(
        eeg(32, 8064, seed=1), eeg(32, 8064, seed=2), layout=deap_layout(DEAP32), end=8064
    )
    cut = cut_person("s01", signal, settings)
    assert cut.person == "s01"
    assert cut.measures.shape == (24, *shape)
    assert cut.measures.dtype == np.float32
    assert cut.trial.tolist() == [0] * 12 + [1] * 12
    assert cut.scorable.tolist() == [True] * 24
    assert cut.high.tolist() == [[True, True], [False, True]]
    assert cut.stimuli == ("video 1", "video 2")
    assert cut.only_scorable() is cut


@every_representation
@pytest.mark.parametrize("chunk", [1, 37, 5000])
def test_windows_are_bit_for_bit_the_daemons_from_the_onset_without_overlap(
    settings: PathSettings, chunk: int
) -> None:
    # The daemon's windows come every second: the trainer's are among them.
    trials = eeg(3, seed=1)[:, :3000], eeg(3, seed=2)[:, :3000]
    cut = cut_person("s01", signal_of(*trials, end=3000), settings)
    assert cut.trial.tolist() == [0] * 4 + [1] * 4
    for trial, samples in enumerate(trials):
        windows = live(samples, settings, chunk=chunk)
        for index, measures in enumerate(cut.measures[cut.trial == trial]):
            expected = windows[ONSET + index * LENGTH]
            assert expected.settled
            np.testing.assert_array_equal(measures, expected.features)


def test_each_trial_starts_with_fresh_filters() -> None:
    one, other = eeg(3, seed=1), eeg(3, seed=2)
    there = cut_person("s01", signal_of(one, other), FEW_RAW).measures
    back = cut_person("s01", signal_of(other, one), FEW_RAW).measures
    np.testing.assert_array_equal(np.roll(back, COUNT, axis=0), there)


def test_the_papers_windows_hold_the_baseline() -> None:
    settings = replace(FEW_RAW, window_seconds=5.25)
    samples = eeg(3, 8064)
    cut = cut_person("s01", signal_of(samples, end=8064), settings, baseline=True)
    assert cut.measures.shape == (12, 672, 3)
    # From the first sample on, to the last: 12 windows of 672 are the whole trial.
    unsettled = live(samples, replace(settings, settle_seconds=0.0, hop_seconds=0.25))
    for index, measures in enumerate(cut.measures):
        np.testing.assert_array_equal(measures, unsettled[index * 672].features)


def test_windows_hold_no_baseline_even_where_filters_need_not_settle() -> None:
    signal = signal_of(eeg(3))
    cut = cut_person("s01", signal, replace(FEW_RAW, settle_seconds=0.0))
    np.testing.assert_array_equal(cut.measures, cut_person("s01", signal, FEW_RAW).measures)


def test_filters_that_settle_for_longer_than_the_lead_cost_the_trials_beginning() -> None:
    samples = eeg(3)
    slow = replace(FEW_RAW, settle_seconds=3.25)
    cut = cut_person("s01", signal_of(samples), slow)
    windows = live(samples, replace(slow, hop_seconds=0.25))
    assert len(cut.measures) == COUNT - 1
    for index, measures in enumerate(cut.measures):
        np.testing.assert_array_equal(measures, windows[416 + index * LENGTH].features)
    # A trial that comes without a lead loses its first 3 s.
    without = cut_person("s01", signal_of(samples, onset=0), FEW_RAW)
    np.testing.assert_array_equal(
        without.measures, cut_person("s01", signal_of(samples), FEW_RAW).measures
    )


def test_shorter_windows_begin_with_the_trial_too() -> None:
    signal = signal_of(eeg(3))
    second = cut_person("s01", signal, replace(FEW_RAW, window_seconds=1.0))
    assert second.measures.shape == (5 * COUNT, 128, 3)
    together = second.measures.reshape(COUNT, LENGTH, 3)
    np.testing.assert_array_equal(together, cut_person("s01", signal, FEW_RAW).measures)


def test_the_live_hop_does_not_matter() -> None:
    signal = signal_of(eeg(3))
    np.testing.assert_array_equal(
        cut_person("s01", signal, replace(FEW_RAW, hop_seconds=5.0)).measures,
        cut_person("s01", signal, FEW_RAW).measures,
    )


@pytest.mark.parametrize(("end", "count"), [(END, COUNT), (END - 1, COUNT - 1), (ONSET + 641, 1)])
def test_no_window_reaches_beyond_its_trials_end(end: int, count: int) -> None:
    samples = eeg(3)
    samples[:, end:] = np.nan  # what follows is not the trial's
    cut = cut_person("s01", signal_of(samples, end=end), FEW_RAW)
    assert len(cut.measures) == count
    assert cut.scorable.all()


def test_a_trial_too_short_for_one_window_is_refused() -> None:
    with pytest.raises(DataError, match=r"s01: found no trial that holds a whole window of 5 s"):
        cut_person("s01", signal_of(eeg(3), end=ONSET + LENGTH - 1), FEW_RAW)


def test_a_trial_too_short_beside_a_longer_one_only_has_no_windows() -> None:
    cut = cut_person("s01", signal_of(eeg(3)[:, :1000], eeg(3)), FEW_RAW)
    assert cut.trial.tolist() == [1] * COUNT
    assert cut.high.shape == (2, 2)


def test_windows_over_a_dead_channel_cannot_be_scored() -> None:
    samples = eeg(3)
    samples[1, ONSET + LENGTH : ONSET + 3 * LENGTH] = 4.0
    signal = signal_of(samples)
    cut = cut_person("s01", signal, FEW_BANDS)
    # The one after begins before the channel's return has passed through the filters.
    assert np.flatnonzero(~cut.scorable).tolist() == [1, 2, 3]
    # It is the service's own judgement.
    windows = live(samples, FEW_BANDS)
    for index, scorable in enumerate(cut.scorable):
        assert scorable == (not windows[ONSET + index * LENGTH].quality.faults)
    left = cut.only_scorable()
    np.testing.assert_array_equal(left.measures, np.delete(cut.measures, [1, 2, 3], axis=0))
    assert left.trial.tolist() == [0] * (COUNT - 3)
    assert left.scorable.all()


def waves(sfreq: float, seconds: float) -> np.ndarray:
    """The same three channels at any rate: sines of 6 to 30 Hz that swell and fade, µV."""
    at = np.arange(round(seconds * sfreq)) / sfreq
    swell = 1.0 + np.sin(2 * np.pi * 0.21 * at + np.arange(3)[:, None])
    hz = np.array([[6.0], [17.0], [30.0]])
    return 20.0 * swell * np.sin(2 * np.pi * hz * at + np.arange(3)[:, None])


@pytest.mark.parametrize("onset", [3.0, 3.1, 3.3, 3.5, 4.25])
@pytest.mark.parametrize("sfreq", [100.0, 120.0, 125.0, 250.0, 256.0, 300.0, 500.0, 2048.0])
def test_a_resampled_trial_has_the_windows_of_its_time(sfreq: float, onset: float) -> None:
    settings = replace(FEW_RAW, window_seconds=1.0)
    stop = onset + 4.3
    signal = signal_of(
        waves(sfreq, 10.0), sfreq=sfreq, onset=round(onset * sfreq), end=round(stop * sfreq)
    )
    cut = cut_person("s01", signal, settings)
    # The first quarter of a second that begins in the trial, and as many windows as fit.
    first = np.ceil(round(onset * sfreq) / sfreq * 4 - 1e-9) / 4
    assert len(cut.measures) == int(stop - first)
    expected = cut_person(
        "s01", signal_of(waves(128.0, 10.0), onset=round(first * 128), end=1200), settings
    )
    for found, same in zip(cut.measures, expected.measures, strict=False):
        # Another place by a single sample differs by 10 µV and more.
        np.testing.assert_allclose(found, same, atol=1.0)


def test_a_resampled_trial_has_the_daemons_windows_bit_for_bit() -> None:
    samples = eeg(3, 10_000)
    signal = signal_of(samples, sfreq=500.0, onset=1500, end=9500)
    cut = cut_person("s01", signal, FEW_BANDS)
    windows = live(samples, FEW_BANDS, sfreq=500.0, chunk=53)
    assert len(cut.measures) == 3
    for index, measures in enumerate(cut.measures):
        np.testing.assert_array_equal(measures, windows[1500 + index * 2500].features)


def rest_of(count: int, seed: int = 9) -> tuple[Rest, ...]:
    """Stretches of 3 s, of which the filters have the first."""
    return tuple(Rest(eeg(3, ONSET, seed + number), 1.0) for number in range(count))


@every_representation
def test_rest_is_the_services_function_over_the_same_seconds(settings: PathSettings) -> None:
    rest = rest_of(12)
    pieces = [
        live(one.samples, replace(rest_path(settings), settle_seconds=0.0))[first].features
        for one in rest
        for first in (128, 256)
    ]
    cut = cut_person("s01", signal_of(eeg(3), rest=rest), settings)
    assert cut.rest == fit_rest(pieces, settings)
    assert cut.rest.kind == "rest-baseline"


def test_the_first_minute_of_rest_counts_and_no_trial() -> None:
    rest = rest_of(31)
    cut = cut_person("s01", signal_of(eeg(3, seed=1), rest=rest[:30]), FEW_BANDS)
    more = cut_person("s01", signal_of(eeg(3, seed=2) * 3.0, rest=rest), FEW_BANDS)
    assert cut.rest is not None
    assert cut.rest == more.rest
    other = rest_of(30, seed=70)
    assert cut_person("s01", signal_of(eeg(3), rest=other), FEW_BANDS).rest != cut.rest


def test_too_little_clean_rest_is_none() -> None:
    rest = list(rest_of(11))
    assert cut_person("s01", signal_of(eeg(3), rest=tuple(rest)), FEW_BANDS).rest is not None
    for number in (0, 1):
        rest[number].samples[2, 100:] = 5.0  # two seconds of a dead channel each
    # 22 - 4 s are left, and 20 are needed.
    assert cut_person("s01", signal_of(eeg(3), rest=tuple(rest)), FEW_BANDS).rest is None
    assert cut_person("s01", signal_of(eeg(3)), FEW_BANDS).rest is None


def test_rest_is_the_same_for_windows_with_a_baseline() -> None:
    signal = signal_of(eeg(3), rest=rest_of(12))
    paper = replace(FEW_BANDS, window_seconds=5.25)
    assert (
        cut_person("s01", signal, paper, baseline=True).rest
        == cut_person("s01", signal, FEW_BANDS).rest
    )


@pytest.mark.parametrize("channels", [EMOTIV14, MUSE4], ids=["emotiv14", "muse4"])
@pytest.mark.parametrize("make", [RawSignal, BandPower])
def test_a_small_montage_is_seen_through_deaps_cap(
    channels: tuple[str, ...], make: Callable[[], RawSignal | BandPower]
) -> None:
    settings = PathSettings(channels=channels, representation=make(), max_interpolated=0)
    layout = deap_layout(channels)
    samples = eeg(32)
    cut = cut_person("s01", signal_of(samples, layout=layout), settings)
    assert cut.measures.shape == (COUNT, *settings.measures_shape)
    assert cut.scorable.all()
    # By hand: what a headset of these electrodes would measure, and then its own layout.
    worn = (
        samples[[DEAP32.index(name) for name in channels]]
        if layout.matrix is None
        else layout.matrix @ samples
    )
    expected = cut_person("s01", signal_of(worn, layout=identity_layout(channels)), settings)
    np.testing.assert_allclose(cut.measures, expected.measures, atol=1e-3)
