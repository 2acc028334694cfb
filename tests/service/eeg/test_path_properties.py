"""Whatever a stream sends: no window spans a gap, chunks never matter, what leaves is finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.examples import examples

from eeg_emotion.eeg.layout import Layout, LayoutError, plan_layout
from eeg_emotion.eeg.normaliser import Normaliser
from eeg_emotion.eeg.path import PathSettings, SignalPath, Window
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.scoring import AssessedWindow
from eeg_emotion.stream.stream_time import STAMP_ERRORS
from eeg_emotion.stream.timeline import Timeline

CHANNELS = ("Fz", "C3", "Cz", "C4", "O1", "O2")
LABELS = CHANNELS[:-1]  # one is interpolated throughout
SETTINGS = PathSettings(
    channels=CHANNELS,
    window_seconds=1.0,
    hop_seconds=0.25,
    settle_seconds=0.5,
    max_interpolated=3,
)
NORMALISER = Normaliser(mean=(5.0,) * 24, sd=(3.0,) * 24)
BEGIN = 1000.0
LARGEST_CHUNK_SECONDS = 3.0

ABSURD = [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e30, 5e-324, 0.0]


@dataclass(frozen=True)
class Spoilt:
    """Some samples that hold something else."""

    channel: int | None
    """None for all of them."""
    begin: float
    seconds: float
    value: float


@dataclass(frozen=True)
class Loss:
    """Samples that never came. It is longer than a stream's jitter can hide."""

    seconds: float


@dataclass(frozen=True)
class Shift:
    """The source's clock was set by so much."""

    seconds: float


@dataclass(frozen=True)
class Twice:
    """A stamp is that of the sample before it."""


@dataclass(frozen=True)
class Stamp:
    """A stamp is something else."""

    value: float


Happening = Loss | Shift | Twice | Stamp


@dataclass(frozen=True)
class Sent:
    """A stream: what it sends, and in which chunks."""

    sfreq: float
    seconds: float
    spoilt: list[Spoilt]
    happenings: dict[float, Happening]
    """By the time at which they happen, as a share of the whole."""
    cuts: list[float]
    late: float = 0.0
    """Up to so many seconds by which groups of eight stamps are late: made on sending."""
    dtype: str = "float64"

    @property
    def count(self) -> int:
        return round(self.seconds * self.sfreq)

    def samples(self) -> NDArray[np.floating]:
        scale = 12.0 + np.arange(len(LABELS))[:, np.newaxis]
        samples = scale * np.random.default_rng(5).standard_normal((len(LABELS), self.count))
        samples += 1000.0 * scale
        for each in self.spoilt:
            first = round(each.begin * self.count)
            columns = slice(first, first + max(1, round(each.seconds * self.sfreq)))
            samples[slice(None) if each.channel is None else each.channel, columns] = each.value
        if self.dtype == "int32":
            samples = np.clip(np.nan_to_num(samples), -(2**31), 2**31 - 1)
        with np.errstate(over="ignore", under="ignore"):
            return samples.astype(self.dtype)

    def stamps(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the stamps, and the true numbers of the samples: a loss leaves some out."""
        numbers = np.arange(self.count)
        stamps = numbers / self.sfreq
        late = np.random.default_rng(6).uniform(0.0, self.late, self.count // 8 + 1)
        stamps += np.repeat(late, 8)[: self.count]
        lone: dict[int, Happening] = {}
        for share, each in self.happenings.items():
            place = round(share * (self.count - 1))
            if isinstance(each, Loss):
                missing = round(each.seconds * self.sfreq)
                numbers[place:] += missing
                stamps[place:] += missing / self.sfreq
            elif isinstance(each, Shift):
                stamps[place:] += each.seconds
            else:
                lone[place] = each
        stamps += BEGIN
        for place, single in lone.items():
            if isinstance(single, Stamp):
                stamps[place] = single.value
            elif place:
                stamps[place] = stamps[place - 1]
        return stamps, numbers

    def borders(self) -> list[int]:
        wanted = {0, self.count, *(round(cut * self.count) for cut in self.cuts)}
        largest = int(LARGEST_CHUNK_SECONDS * self.sfreq)
        for first, last in pairwise(sorted(wanted)):
            wanted.update(range(first, last, largest))
        return sorted(wanted)


SHARES = st.integers(0, 40).map(lambda n: n / 40)
HAPPENINGS = st.one_of(
    st.sampled_from([0.15, 0.3, 2.0]).map(Loss),
    st.sampled_from([-900.0, -3.0, -0.4, 0.21, 5.0, 900.0]).map(Shift),
    st.just(Twice()),
    st.sampled_from(ABSURD).map(Stamp),
)
STREAMS = st.builds(
    Sent,
    sfreq=st.sampled_from([128.0, 250.0]),
    seconds=st.sampled_from([2.0, 4.0, 7.0]),
    spoilt=st.lists(
        st.builds(
            Spoilt,
            channel=st.none() | st.integers(0, len(LABELS) - 1),
            begin=SHARES,
            seconds=st.sampled_from([0.0, 0.3, 1.5, 9.0]),
            value=st.sampled_from([*ABSURD, 1e4, -9e5, 40.0]),
        ),
        max_size=4,
    ),
    happenings=st.dictionaries(SHARES, HAPPENINGS, max_size=4),
    cuts=st.lists(st.floats(0.0, 1.0), max_size=12),
    late=st.sampled_from([0.0, 0.0, 0.02]),
    dtype=st.sampled_from(["float64", "float32", "int32"]),
)


def layout() -> Layout:
    return plan_layout(
        LABELS,
        ["uV"] * len(LABELS),
        channels=CHANNELS,
        max_interpolated=SETTINGS.max_interpolated,
    )


Array = NDArray[np.float64]


def cut(sent: Sent, borders: list[int]) -> Iterator[tuple[Array, Array]]:
    samples, (stamps, _) = sent.samples().astype(np.float64), sent.stamps()
    for first, last in pairwise(borders):
        yield samples[:, first:last], stamps[first:last]


def windows(sent: Sent, borders: list[int]) -> list[tuple[int, Window]]:
    """Run the path as a pipeline does; with each window, where its segment begins in the stream."""
    path = SignalPath(SETTINGS, layout(), sent.sfreq, NORMALISER)
    timeline, segment = Timeline(sent.sfreq, 10.0), path.segment()
    found, begin, at = [], 0, 0
    for samples, stamps in cut(sent, borders):
        for run in timeline.split(stamps):
            if run.missing is not None:
                segment, begin = path.segment(), at + run.start
            found += [(begin, window) for window in segment.feed(samples[:, run.start : run.stop])]
        at += len(stamps)
    return found


def assert_sound(window: Window) -> None:
    assert window.features.shape == SETTINGS.window_shape
    assert np.isfinite(window.features).all()
    assert ((window.quality.scores >= 0.0) & (window.quality.scores <= 1.0)).all()
    assert 0.0 <= window.quality.overall <= 1.0
    assert set(window.interpolated) <= set(CHANNELS)
    assert CHANNELS[-1] in window.interpolated
    for score, trouble in zip(window.quality.scores, window.quality.troubles, strict=True):
        assert (trouble is None) == (score == 1.0)


@given(sent=STREAMS)
@examples(60)
def test_no_window_spans_a_gap(sent: Sent) -> None:
    _, numbers = sent.stamps()
    stamps, _ = sent.stamps()
    for begin, window in windows(sent, sent.borders()):
        first, last = begin + window.first_sample, begin + window.last_sample
        assert last < sent.count
        # By the true numbers, which the code under test never sees.
        assert numbers[last] - numbers[first] == last - first
        assert np.isfinite(stamps[first : last + 1]).all()
        assert_sound(window)


@given(sent=STREAMS, single=st.booleans())
@examples(60)
def test_chunks_never_matter(sent: Sent, single: bool) -> None:
    by_chunks = windows(sent, list(range(sent.count + 1)) if single else sent.borders())
    whole = windows(sent, [0, sent.count])
    event(f"windows: {min(len(whole), 5)}{'+' if len(whole) > 5 else ''}")
    assert len(by_chunks) == len(whole)
    for (begin, one), (other_begin, other) in zip(by_chunks, whole, strict=True):
        assert begin == other_begin
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(one.quality.scores, other.quality.scores)
        assert one.quality.troubles == other.quality.troubles
        assert one.quality.faults == other.quality.faults
        assert one.quality.overall == other.quality.overall
        assert one.interpolated == other.interpolated
        assert (one.first_sample, one.last_sample, one.settled) == (
            other.first_sample,
            other.last_sample,
            other.settled,
        )


@dataclass
class Admitted:
    """A stream that was let in."""

    sfreq: float
    layout: Layout = field(default_factory=layout)
    channel_count: int = len(LABELS)

    def infer_unit(self, amplitudes: NDArray[np.float64]) -> Layout:
        raise AssertionError("found a call of infer_unit, expected none: the unit is stated")


def pipeline(sent: Sent, clock: Callable[[], float]) -> StreamPipeline:
    return StreamPipeline(
        admission=Admitted(sent.sfreq),
        settings=SETTINGS,
        normaliser=NORMALISER,
        limits=QualityLimits(),
        clock=clock,
        utc_offset=lambda: 1.7e9,
    )


@given(sent=STREAMS)
@examples(60)
def test_a_pipeline_yields_sound_windows_with_times_or_refuses_the_stream_with_a_reason(
    sent: Sent,
) -> None:
    _, numbers = sent.stamps()
    now = BEGIN
    running = pipeline(sent, lambda: now)
    borders = sent.borders()
    reported: list[AssessedWindow] = []
    for (samples, stamps), last in zip(cut(sent, borders), borders[1:], strict=True):
        # The clocks agree; a chunk comes 10 ms after its last sample was taken.
        now = BEGIN + numbers[last - 1] / sent.sfreq + sent.late + 0.01
        try:
            assessed = running.feed(samples, stamps, 0.0)
        except (*STAMP_ERRORS, LayoutError) as error:
            event(type(error).__name__)
            break
        if assessed is not None:
            reported.append(assessed)
            assert assessed is running.newest
    for assessed in reported:
        assert_sound(assessed.window)
        times = [assessed.start, assessed.end, assessed.arrival, assessed.arrived]
        assert np.isfinite(times).all()
        span = (assessed.window.last_sample - assessed.window.first_sample) / sent.sfreq
        # A few stamps may each be late, or a sender's clock a little fast.
        assert abs(assessed.end - assessed.start - span) < 0.25
        if not any(isinstance(each, Shift | Stamp) for each in sent.happenings.values()):
            assert -1e-6 < assessed.arrival < sent.seconds + 5.0
