"""The state of one connection, with a real pipeline and time that the test controls."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray
from tests.support.inlet import FakeInlet

from eeg_emotion.codes import Check, Reason, State
from eeg_emotion.eeg.layout import Layout
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.fleet.connection import ActiveStream, HeadsetConnection, changes_between
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.stream.admission import Admission
from eeg_emotion.stream.pipeline import StreamPipeline
from eeg_emotion.stream.scoring import PredictionSequence

OPENED = 500.0
SETTINGS = PathSettings()


def stream(**changes: object) -> StreamDescription:
    stated = StreamDescription(
        uid="u1",
        channel_count=32,
        labels=DEAP32,
        units=("uV",) * 32,
        sfreq=128.0,
        is_text=False,
        simulated=True,
        replay_speed=1.0,
    )
    changed = replace(stated, **changes)  # type: ignore[arg-type]  # of any field
    return replace(changed, channel_count=len(changed.labels))


@cache
def signal() -> NDArray[np.float64]:
    samples = SimulatedPerson(5, 1).run(0, 128.0).next(20 * 128, 0.5, -0.5)
    samples.setflags(write=False)
    return samples


def opened(description: StreamDescription) -> HeadsetConnection:
    """A connection whose stream was admitted, and from which no sample has arrived."""
    connection = HeadsetConnection(
        [pylsl.StreamInfo("Cap", "EEG", 32, 128.0, "float32", "cap-1")], OPENED
    )
    connection.stream = description
    pipeline = StreamPipeline(
        admission=Admission.of(description, SETTINGS),
        settings=SETTINGS,
        normaliser=None,
        limits=QualityLimits(),
        clock=lambda: OPENED,
        utc_offset=lambda: 1e9,
        ahead=True,
    )
    connection.active = ActiveStream(
        FakeInlet(description), pipeline, PredictionSequence("cap-1", "e")
    )
    return connection


def layout_of(connection: HeadsetConnection) -> Layout:
    assert connection.layout is not None
    return connection.layout


def feed(connection: HeadsetConnection, start: int, stop: int, factor: float = 1.0) -> None:
    """Feed these seconds of signal."""
    assert connection.active is not None
    part = slice(start * 128, stop * 128)
    assert connection.stream is not None
    rows = slice(0, connection.stream.channel_count)
    stamps = np.arange(part.start, part.stop) / 128.0
    for at in range(0, len(stamps), 16):
        chunk = slice(part.start + at, part.start + at + 16)
        connection.active.pipeline.feed(signal()[rows, chunk] * factor, stamps[at : at + 16], 0.0)
    connection.link.on_samples(OPENED)


def test_before_its_metadata_are_read_nothing_is_said_of_the_check() -> None:
    connection = HeadsetConnection(
        [pylsl.StreamInfo("Cap", "EEG", 32, 250.0, "float32", "cap-1")], OPENED
    )
    reported = connection.describe(OPENED, ())
    assert (reported.id, reported.name, reported.sfreq) == ("cap-1", "Cap", 250.0)
    assert (reported.state, reported.check, reported.epoch, reported.unit) == (
        State.CONNECTING,
        None,
        None,
        None,
    )
    assert reported.detail == "opening the stream and checking its metadata"
    connection.trouble = "could not be opened; look for a firewall"
    assert connection.describe(OPENED, ()).detail == connection.trouble


@pytest.mark.parametrize(
    ("missing", "check"), [((), Check.ACCEPTED), (("Cz", "O1"), Check.INTERPOLATED)]
)
def test_the_result_of_the_streams_check_is_reported_with_what_was_done(
    missing: tuple[str, ...], check: Check
) -> None:
    labels = (*(name for name in DEAP32 if name not in missing), "EXG1")[:32]
    connection = opened(stream(labels=labels, units=("uV",) * len(labels)))
    # The metadata suffice for it; no sample is needed.
    assert connection.describe(OPENED, ()).check is check
    feed(connection, 0, 12)
    found = connection.describe(OPENED, ())
    assert (found.state, found.check) == (State.LIVE, check)
    assert set(found.interpolated) == set(missing)
    assert found.channels_used == tuple(name for name in DEAP32 if name not in missing)
    assert found.dropped == (("EXG1",) if missing else ())
    assert found.unit == "µV, as stated"
    assert found.detail == layout_of(connection).describe()
    assert found.epoch == "e"
    assert (found.samples_received, found.samples_missing, found.gaps) == (12 * 128, 0, 0)
    assert found.sfreq_measured == pytest.approx(128.0, abs=0.01)


def test_while_its_unit_is_inferred_it_is_connecting_and_says_so() -> None:
    connection = opened(stream(units=("",) * 32))
    feed(connection, 0, 3, factor=1e-6)
    reported = connection.describe(OPENED, ())
    assert (reported.state, reported.check, reported.unit) == (State.CONNECTING, None, None)
    assert "inferring the unit" in reported.detail
    # Silence is reported even so.
    assert connection.describe(OPENED + 2.0, ()).state is State.STALE
    feed(connection, 3, 5, factor=1e-6)
    reported = connection.describe(OPENED, ())
    assert (reported.state, reported.check) == (State.LIVE, Check.ACCEPTED)
    assert reported.unit is not None
    assert reported.unit.startswith("V, inferred from its amplitude")
    assert reported.unit in reported.detail


def test_what_is_unusual_is_added_to_the_detail() -> None:
    connection = opened(stream())
    connection.changes = ("unit uV, now V", "channels added: EXG1")
    feed(connection, 0, 1)
    plain = layout_of(connection).describe()
    assert connection.describe(OPENED + 0.9, ()).detail == (
        f"{plain}; changed since its last connection: unit uV, now V; channels added: EXG1"
    )
    assert connection.describe(OPENED + 1.0, ()).detail.endswith("; no sample has arrived for 1 s")
    assert connection.describe(OPENED + 1.0, ()).changes == connection.changes
    assert connection.describe(OPENED + 1.0, ()).state is State.LIVE
    assert (
        connection.describe(OPENED + 2.0, ()).detail
        == "connected, but no sample has arrived for 2 s"
    )


def test_a_quarantined_one_says_why_while_it_is_there_and_after() -> None:
    connection = opened(stream())
    feed(connection, 0, 1)
    connection.quarantine = "found this, expected that"
    reported = connection.describe(OPENED, ())
    assert (reported.state, reported.check) == (State.QUARANTINED, Check.QUARANTINED)
    assert reported.detail == "found this, expected that"
    connection.gone = True
    reported = connection.describe(OPENED, ())
    assert (reported.state, reported.check) == (State.LOST, Check.QUARANTINED)
    assert reported.detail == "gone; before that: found this, expected that"


# What is different when it returns


def test_the_same_metadata_under_another_uid_are_no_change() -> None:
    assert changes_between(stream(), stream(uid="u2")) == ()


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        ({"sfreq": 250.0}, ("rate 128 Hz, now 250 Hz",)),
        ({"units": ("V",) * 32}, ("unit uV, now V",)),
        ({"units": ("",) * 32}, ("unit uV, now not stated",)),
        ({"units": ("uV",) * 31 + ("mV",)}, ("unit uV, now uV and mV",)),
        (
            {"labels": DEAP32[::-1]},
            ("its channels are in a different order and are matched by label",),
        ),
        ({"labels": DEAP32[:-1], "units": ("uV",) * 31}, ("channels removed: O2",)),
        ({"labels": (*DEAP32, "EXG1"), "units": ("uV",) * 33}, ("channels added: EXG1",)),
        ({"simulated": False}, ("no longer simulated",)),
        (
            {
                "sfreq": 500.0,
                "labels": (DEAP32[1], DEAP32[0], *DEAP32[2:-1], "EXG1"),
                "units": ("mV",) * 32,
            },
            (
                "rate 128 Hz, now 500 Hz",
                "unit uV, now mV",
                "channels removed: O2",
                "channels added: EXG1",
                "its channels are in a different order and are matched by label",
            ),
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else "; ".join(value),
)
def test_each_difference_to_the_connection_before_is_named(
    after: dict[str, object], changes: tuple[str, ...]
) -> None:
    assert changes_between(stream(), stream(**after)) == changes
    if "simulated" in after:
        assert changes_between(stream(**after), stream()) == ("now simulated",)


def test_a_live_headset_without_one_valid_window_says_why() -> None:
    connection = opened(stream())
    feed(connection, 0, 12)
    for second in range(40):
        connection.on_samples(OPENED + second, (Reason.GAP, Reason.WARMING_UP))
    now = OPENED + 39.0
    found = connection.describe(now, ())
    assert (found.state, found.without_score) == (State.LIVE, True)
    assert "no valid window for 30 s or more, most often gap" in found.detail
    assert Reason.GAP.remedy in found.detail
    connection.on_samples(now, ())
    found = connection.describe(now, ())
    assert not found.without_score
    assert "no valid window" not in found.detail


def test_silence_is_no_missing_score_and_the_time_starts_over() -> None:
    connection = opened(stream())
    feed(connection, 0, 12)
    connection.on_samples(OPENED + 5.0, None)
    assert not connection.describe(OPENED + 100.0, ()).without_score
    connection.on_samples(OPENED + 100.0, None)
    assert not connection.describe(OPENED + 101.0, ()).without_score


def test_overload_is_a_flag_and_no_state() -> None:
    connection = opened(stream())
    feed(connection, 0, 12)
    assert connection.active is not None
    assert not connection.describe(OPENED, ()).overloaded
    connection.active.pipeline.note_overload()
    found = connection.describe(OPENED + 1.0, ())
    assert (found.state, found.overloaded) == (State.LIVE, True)
    assert Reason.OVERLOADED.remedy in found.detail
    assert not connection.describe(OPENED + 11.0, ()).overloaded


def test_samples_that_are_always_old_are_reported_with_their_age() -> None:
    connection = opened(stream())
    feed(connection, 0, 12)
    assert connection.active is not None
    newest = connection.active.pipeline.newest
    assert newest is not None
    connection.active.pipeline.newest = replace(newest, arrival=3.02)
    for second in range(40):
        connection.on_samples(OPENED + second, (Reason.STALE,))
    detail = connection.describe(OPENED + 39.0, ()).detail
    assert "most often stale" in detail
    assert "Its samples are 3 s old when they arrive, by their own stamps" in detail
