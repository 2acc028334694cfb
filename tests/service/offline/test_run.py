"""Predictions from a recording: equal to a live replay's, however they are requested."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray
from tests.support.fleet import running
from tests.support.needs import SHARED
from tests.support.replay import paced

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.caps import cap_named
from eeg_emotion.eeg.layout import ChannelsMissing, LayoutError
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.model import Model, demo_model_path, load_model
from eeg_emotion.lsl.inlet import HeadsetInlet
from eeg_emotion.offline.run import OfflineRun, described
from eeg_emotion.publish.messages import Headset, Prediction
from eeg_emotion.recordings.recording import Recording, RecordingError, Stretch
from eeg_emotion.recordings.simulation import SimulatedPerson, simulated_recording
from eeg_emotion.replay.replayer import Replayer
from eeg_emotion.stream.admission import StreamRefused
from eeg_emotion.stream.rate import RateError
from eeg_emotion.stream.scoring import NO_SCORE
from eeg_emotion.stream.selection import HeadsetFilter

needs_shared = pytest.mark.needs("shared")

Array = NDArray[np.floating]


@cache
def demo() -> Model:
    return load_model(demo_model_path())


@cache
def brain(seconds: float = 14.0, sfreq: float = 128.0) -> Array:
    """`(32, samples)` µV of a simulated person."""
    samples = SimulatedPerson(5, 1).run(0, sfreq).next(round(seconds * sfreq), 0.5, -0.5)
    samples.setflags(write=False)
    return samples


def recording_of(*parts: Array, **changes: Any) -> Recording:
    """A recording with a gap between its parts."""
    recording = Recording(
        name="Test recording",
        source_id="Test recording.1",
        channels=DEAP32,
        units=("uV",) * len(DEAP32),
        sfreq=128.0,
        manufacturer="test",
        simulated=True,
        stretches=lambda: (Stretch(part) for part in parts),
    )
    return replace(recording, **changes)


def run_of(
    recording: Recording,
    *,
    model: Model | None = None,
    hop: float | None = None,
    headset_filter: HeadsetFilter | None = None,
) -> OfflineRun:
    model = model or demo()
    path = model.contract.path
    return OfflineRun(
        recording,
        model,
        path if hop is None else replace(path, hop_seconds=hop),
        headset_filter or HeadsetFilter(),
        model.contract.training_normaliser,
    )


def reported(prediction: Prediction) -> dict[str, object]:
    """Return everything in a prediction except its latencies."""
    return prediction.model_dump(exclude={"latency_ms"})


def assert_same_scores(one: Prediction, other: Prediction) -> None:
    for target in ("arousal", "valence"):
        score, expected = getattr(one, target), getattr(other, target)
        if expected.probability is None:
            assert score == expected
        else:
            # Rounded to the sixth decimal, on either side of a half where sums round otherwise.
            assert score.probability == pytest.approx(expected.probability, abs=2e-6)


# -- as the live path --------------------------------------------------------------------------


async def live(recording: Recording, *, chunks: int) -> tuple[Headset, list[Prediction]]:
    """Replay to a fleet; return the headset once all is received, and its predictions."""
    async with (
        running(demo(), pylsl.local_clock, HeadsetFilter()) as (fleet, bus),
        paced(recording, bus, chunk_seconds=0.2) as pace,
    ):
        await pace.hold(chunks)
        return fleet.headsets()[0], bus.predictions


async def test_a_replay_gives_the_service_the_same_windows_and_scores(
    lsl_session: str,
) -> None:
    """Over LSL, with a gap, another rate, a unit to convert, channels to fill in and to drop."""
    sfreq = 250.0
    samples = brain(21.0, sfreq)[[*reversed(range(19)), 31]].copy()
    samples[2, 4825:4925] = np.nan  # in the last window alone
    first, second = samples[:, :2500] / 1000, samples[:, 2500:] / 1000
    labels = (*reversed(DEAP32[:19]), "ECG")
    recording = recording_of(
        first, second, channels=labels, units=("mV",) * len(labels), sfreq=sfreq
    )
    run = run_of(recording)
    offline = list(run.predictions())
    assert len(offline) == 5 + 6
    headset, online = await live(recording, chunks=samples.shape[1] // 50)

    assert headset.windows_superseded == 0
    reasons = {reason for prediction in offline for reason in prediction.reasons}
    assert reasons > {Reason.GAP, Reason.WARMING_UP}
    assert sum(prediction.valid for prediction in offline) >= 4
    for key in ("headset", "seq", "valid", "reasons", "quality", "interpolated", "model"):
        assert [getattr(item, key) for item in offline] == [getattr(item, key) for item in online]
    assert len(offline[-1].interpolated) >= 13
    for mine, theirs in zip(offline, online, strict=True):
        assert_same_scores(mine, theirs)
        assert mine.arousal.label == theirs.arousal.label
        assert mine.valence.label == theirs.valence.label
        span, expected = (item.window.end - item.window.start for item in (mine, theirs))
        assert span == pytest.approx(expected, abs=1e-6)
        # Between windows the measured offset of the two clocks changes: by some µs, or by some ms
        # if the machine is busy.
        since, expected = (
            item.window.start - start.window.start
            for item, start in ((mine, offline[0]), (theirs, online[0]))
        )
        assert since == pytest.approx(expected, abs=0.02)
    assert (run.counts.received, run.counts.gaps, run.counts.missing) == (
        headset.samples_received,
        headset.gaps,
        headset.samples_missing,
    )
    assert headset.interpolated == DEAP32[19:]
    assert run.describe_layout().endswith("not used: ECG")


def test_a_recording_is_described_like_the_stream_of_its_replay(lsl_session: str) -> None:
    recording = recording_of(
        brain(1.0),
        source_id="described-by-its-inlet",
        channels=(" Fp1", "EEG <T3>", *DEAP32[2:31], ""),
        units=("µV", "", *("microvolts",) * 30),
        sfreq=1000 / 3,
    )
    stop = threading.Event()
    thread = threading.Thread(target=Replayer(recording).run, args=(stop,))
    thread.start()
    try:
        (info,) = pylsl.resolve_byprop("source_id", recording.source_id, timeout=60.0)
        inlet = HeadsetInlet(info)
        inlet.close()
    finally:
        stop.set()
        thread.join(60)
    found = inlet.description
    assert replace(described(recording), uid=found.uid) == found


@needs_shared
def test_a_real_recording_at_rest_is_scored() -> None:
    from eeg_emotion.readers.mne_files import read_recording

    pytest.importorskip("mne", reason="MNE is not installed (the extra 'recordings')")
    predictions = list(run_of(read_recording(SHARED / "eegmat/Subject00_2.edf")).predictions())
    assert [item.seq for item in predictions] == list(range(57))
    assert [item.reasons for item in predictions[:3]] == [(Reason.WARMING_UP,)] * 3
    assert sum(item.valid for item in predictions) >= 50


# -- the same however it is requested ----------------------------------------------------------


def test_times_are_seconds_of_the_recording_and_a_gap_counts_two() -> None:
    part = brain(7.0)
    run = run_of(recording_of(part, part))
    spans = [(item.window.start, item.window.end) for item in run.predictions()]
    first = [(float(start), start + 5 - 1 / 128) for start in range(3)]
    second = [(start + 9.0, end + 9.0) for start, end in first]
    np.testing.assert_allclose(spans, [*first, *second], atol=1e-9)
    assert run.signal_seconds == 14.0
    assert (run.counts.gaps, run.counts.missing) == (1, 256)


def test_after_a_gap_the_same_signal_gives_the_same_scores() -> None:
    part = brain(12.0)
    predictions = list(run_of(recording_of(part, part)).predictions())
    half = len(predictions) // 2
    assert any(item.valid for item in predictions[:half])
    for before, after in zip(predictions[:half], predictions[half:], strict=True):
        assert_same_scores(after, before)
        gap = (Reason.GAP,) if before.reasons else ()
        assert after.reasons == (*gap, *before.reasons)


def test_no_window_is_superseded_at_the_shortest_hop() -> None:
    predictions = list(run_of(recording_of(brain()), hop=0.25).predictions())
    starts = [item.window.start for item in predictions]
    assert starts == [0.25 * number for number in range(len(starts))]
    # More than one batch of the model.
    assert [item.seq for item in predictions] == list(range(len(starts)))
    assert len(predictions) > 32
    coarse = list(run_of(recording_of(brain())).predictions())
    for mine, theirs in zip(predictions[::4], coarse, strict=False):
        assert_same_scores(mine, theirs)


def test_how_the_file_is_read_makes_no_difference() -> None:
    signal = brain()
    whole = recording_of(signal)

    def pieces() -> Iterator[Stretch]:
        for start, stop in pairwise((0, 1, 700, 705, signal.shape[1])):
            yield Stretch(signal[:, start:stop], follows=start > 0)

    expected = [reported(item) for item in run_of(whole).predictions()]
    found = [reported(item) for item in run_of(replace(whole, stretches=pieces)).predictions()]
    assert found == expected


def test_each_call_starts_from_the_beginning() -> None:
    run = run_of(recording_of(brain()))
    assert [reported(item) for item in run.predictions()] == [
        reported(item) for item in run.predictions()
    ]
    assert run.signal_seconds == 14.0


def test_samples_are_rounded_as_when_sent() -> None:
    # With such an offset float32 has a resolution of 0.016 µV.
    fine = brain() + 150_000.0
    exact, rounded = (
        [reported(item) for item in run_of(recording_of(samples)).predictions()]
        for samples in (fine, fine.astype(np.float32))
    )
    assert any(item["valid"] for item in exact)
    assert exact == rounded


def test_an_endless_recording_is_read_only_as_far_as_requested() -> None:
    run = run_of(simulated_recording(3, 2))
    assert len(list(islice(run.predictions(), 40))) == 40
    assert run.signal_seconds < 80


# -- what cannot be scored ---------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e-6])
def test_an_unstated_unit_is_inferred_first(factor: float) -> None:
    stated = list(run_of(recording_of(brain()[:, 512:])).predictions())
    run = run_of(recording_of(brain() * factor, units=("",) * len(DEAP32)))
    judged = list(run.predictions())
    assert "inferred from its amplitude" in run.describe_layout()
    assert judged[0].window.start == 4.0
    assert len(judged) == len(stated)
    for mine, theirs in zip(judged, stated, strict=True):
        assert mine.reasons == theirs.reasons
        assert mine.arousal.probability == pytest.approx(theirs.arousal.probability, abs=1e-4)


def test_an_amplitude_that_fits_no_unit_is_refused_as_in_the_service() -> None:
    run = run_of(recording_of(brain(21.0) * 1e9, units=("",) * len(DEAP32)))
    with pytest.raises(LayoutError, match="amplitude"):
        list(run.predictions())


def test_a_recording_too_short_to_infer_its_unit_yields_nothing_and_says_so() -> None:
    run = run_of(recording_of(brain(3.0), units=("",) * len(DEAP32)))
    assert list(run.predictions()) == []
    assert "infer it from the amplitude of its first 4 s" in run.describe_layout()


def test_what_the_service_would_quarantine_is_refused_before_it_is_read() -> None:
    unread = {"stretches": lambda: pytest.fail("it was read")}
    with pytest.raises(ChannelsMissing, match="found 8 of the model's 32 channels"):
        run_of(recording_of(channels=DEAP32[:8], units=("uV",) * 8, **unread))
    with pytest.raises(StreamRefused, match="found a nominal rate of 50 Hz"):
        run_of(recording_of(sfreq=50.0, **unread))


def test_the_cap_of_numbered_labels_is_used() -> None:
    numbered = recording_of(brain(), channels=tuple(str(number) for number in range(1, 33)))
    with pytest.raises(ChannelsMissing):
        run_of(numbered)
    run = run_of(numbered, headset_filter=HeadsetFilter(cap=cap_named(",".join(DEAP32))))
    expected = [reported(item) for item in run_of(recording_of(brain())).predictions()]
    assert [reported(item) for item in run.predictions()] == expected


def test_without_a_baseline_no_window_is_scored(adapted: Callable[..., Model]) -> None:
    predictions = list(run_of(recording_of(brain()), model=adapted(rest=True)).predictions())
    assert len(predictions) == 10
    for item in predictions:
        assert Reason.NO_BASELINE in item.reasons
        assert item.arousal == item.valence == NO_SCORE


def test_a_recording_without_samples_is_refused() -> None:
    with pytest.raises(RecordingError, match="found no sample"):
        list(run_of(recording_of()).predictions())


# -- by the recording's own stamps -------------------------------------------------------------


def stamped(samples: Array, stamps: NDArray[np.float64]) -> Recording:
    """A recording with measured stamps, in two stretches."""
    half = samples.shape[1] // 2

    def stretches() -> Iterator[Stretch]:
        yield Stretch(samples[:, :half], stamps=stamps[:half])
        yield Stretch(samples[:, half:], follows=True, stamps=stamps[half:])

    return recording_of(stretches=stretches)


def test_measured_stamps_are_judged_as_live() -> None:
    samples = brain(30.0)
    stamps = 5000.0 + np.arange(samples.shape[1]) / 128
    even = list(run_of(stamped(samples, stamps)).predictions())
    assert [reported(item) for item in even] == [
        reported(item) for item in run_of(recording_of(samples)).predictions()
    ]
    with pytest.raises(RateError, match=r"expected the 128 Hz"):
        list(run_of(stamped(samples, 5000.0 + np.arange(samples.shape[1]) / 120)).predictions())


def test_a_few_seconds_of_losses_are_gaps_there_and_windows_elsewhere() -> None:
    samples = brain(60.0)
    kept = np.ones(samples.shape[1], dtype=bool)
    for first in range(20 * 128, 26 * 128, 38):
        kept[first : first + 3] = False
    stamps = 5000.0 + np.flatnonzero(kept) / 128
    run = run_of(stamped(samples[:, kept], stamps))
    predictions = list(run.predictions())
    assert run.counts.missing == int((~kept).sum())
    assert sum(item.valid for item in predictions) >= 30
    broken = [item for item in predictions if Reason.GAP in item.reasons]
    assert broken
    assert all(item.window.start > 25.9 for item in broken)


def test_a_clock_that_was_set_back_is_a_gap() -> None:
    samples = brain(40.0)
    stamps = 5000.0 + np.arange(samples.shape[1]) / 128
    stamps[20 * 128 :] -= 3000.0
    run = run_of(stamped(samples, stamps))
    predictions = list(run.predictions())
    assert run.counts.gaps == 1
    assert sum(item.valid for item in predictions) >= 20


def test_made_up_stamps_are_not_checked_as_if_measured() -> None:
    """Fifteen cuts within six seconds, as where a recorder marks its segments."""
    long, short = brain(20.0), brain(0.4)
    parts = [long, *[short] * 15, long]
    run = run_of(recording_of(*parts))
    predictions = list(run.predictions())
    assert run.counts.gaps == 16
    halves = [item.valid for item in predictions]
    assert sum(halves) == 2 * sum(item.valid for item in run_of(recording_of(long)).predictions())


def test_a_recording_without_labels_is_admitted_with_a_cap_as_live() -> None:
    nameless = recording_of(brain(), channels=("",) * 32)
    with pytest.raises(RecordingError, match=r"found no channel labels.*--cap"):
        run_of(nameless)
    # The remedy: the electrodes in the order of the channels.
    run = run_of(nameless, headset_filter=HeadsetFilter(cap=cap_named(",".join(DEAP32))))
    expected = [reported(item) for item in run_of(recording_of(brain())).predictions()]
    assert [reported(item) for item in run.predictions()] == expected


def test_channels_without_a_label_beside_named_ones_are_not_used() -> None:
    samples = np.concatenate([brain(), brain()[:1]])
    run = run_of(
        recording_of(samples, channels=(*DEAP32, ""), units=(*["uV"] * 32, "")),
    )
    expected = [reported(item) for item in run_of(recording_of(brain())).predictions()]
    assert [reported(item) for item in run.predictions()] == expected
    assert run.describe_layout().endswith("not used: channel 33")
