from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray
from pylsl.util import LostError

from eeg_emotion.recordings.recording import Marker, Recording, RecordingError, Stretch
from eeg_emotion.replay.faults import FaultError, parse_faults
from eeg_emotion.replay.marker_outlet import MarkerOutlet
from eeg_emotion.replay.replayer import Replayer, ReplayReport

SFREQ = 128.0
LABELS = ("Fp1", "T3", "Trigger")
UNITS = ("µV", "uV", "")


def signal(count: int, first: int = 0) -> NDArray[np.float64]:
    """`(3, count)`: every value occurs once, so that a lost or doubled sample shows."""
    index = np.arange(first, first + count, dtype=np.float64)
    offsets = np.array([[0.25], [10_000.5], [20_000.0]])
    samples: NDArray[np.float64] = index + offsets
    return samples


def recording(*stretches: Stretch, sfreq: float = SFREQ) -> Recording:
    name = f"replay-{uuid.uuid4().hex}"
    return Recording(
        name=f"Test {name}",
        source_id=name,
        channels=LABELS,
        units=UNITS,
        sfreq=sfreq,
        manufacturer="Nobody & Sons",
        simulated=True,
        stretches=lambda: iter(stretches),
    )


def held(stretch: Stretch) -> tuple[Recording, threading.Event]:
    """Return a recording whose end waits for the event, since fake time passes no real second.

    The stretch must be whole chunks: they are all sent when the next stretch is asked for.
    """
    received = threading.Event()

    def stretches() -> Iterator[Stretch]:
        yield stretch
        assert received.wait(100)

    return replace(recording(), stretches=stretches), received


class Listener:
    """A real inlet that ends with its stream."""

    def __init__(self, source_id: str, *gone: str) -> None:
        # One that has closed may still be announced for a moment.
        predicate = f"source_id='{source_id}'" + "".join(f" and uid!='{uid}'" for uid in gone)
        (found,) = pylsl.resolve_bypred(predicate, timeout=60)
        self.uid = found.uid()
        self.inlet = pylsl.StreamInlet(found, recover=False)
        self.inlet.open_stream(timeout=60)
        self.values: list[list[float]] | list[list[str]] = []
        self.stamps: list[float] = []

    def pull(self, until: int | None = None) -> None:
        """Pull so many samples, or all until the sender is gone."""
        while until is None or len(self.stamps) < until:
            try:
                values, stamps = self.inlet.pull_chunk(timeout=0.2)
            except LostError:
                assert until is None, f"lost after {len(self.stamps)} of {until} samples"
                return
            self.values += values
            self.stamps += stamps


class Player:
    """Replays that run in a thread, and end with the test."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._pool = ThreadPoolExecutor()

    def play(self, replayer: Replayer) -> Future[ReplayReport]:
        return self._pool.submit(replayer.run, self.stop)

    def close(self) -> None:
        self.stop.set()
        self._pool.shutdown()


@pytest.fixture
def player(lsl_session: str) -> Iterator[Player]:
    playing = Player()
    yield playing
    playing.close()


class FakeTime:
    """A clock that only waiting moves; it oversleeps by a factor, as a busy machine does."""

    def __init__(self, oversleep: float = 1.0) -> None:
        self.now = 1000.0
        self.woke: list[float] = []
        self._oversleep = oversleep

    def clock(self) -> float:
        return self.now

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.now += seconds * self._oversleep
        self.woke.append(self.now)
        return stop.is_set()


# -- schedule ----------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [1.0, 4.0, 0.5])
def test_a_chunk_is_sent_when_its_last_sample_is_due(lsl_session: str, speed: float) -> None:
    time = FakeTime()
    replayer = Replayer(
        recording(Stretch(signal(20)), Stretch(signal(8, 20))),
        speed=speed,
        gap_seconds=3.0,
        wait_for_consumer=False,
        clock=time.clock,
        wait=time.wait,
    )
    report = replayer.run(threading.Event())
    due = np.array([7, 15, 19, 3.0 * SFREQ + 27]) / SFREQ
    np.testing.assert_allclose(np.array(time.woke) - 1000.0, due / speed, rtol=0, atol=1e-9)
    assert report == ReplayReport(samples=28, stretches=2, seconds=28 / SFREQ, stopped=False)


@pytest.mark.parametrize(("sfreq", "expected"), [(500.0, 31), (128.0, 8), (4.0, 1)])
def test_chunks_have_the_same_number_of_samples_at_any_rate(
    lsl_session: str, sfreq: float, expected: int
) -> None:
    time = FakeTime()
    Replayer(
        recording(Stretch(signal(3 * expected)), sfreq=sfreq),
        wait_for_consumer=False,
        clock=time.clock,
        wait=time.wait,
    ).run(threading.Event())
    # A first sample that makes a chunk of its own is due at once.
    due = [at for at in (np.arange(1, 4) * expected - 1) / sfreq if at > 0]
    np.testing.assert_allclose(np.array(time.woke) - 1000.0, due, rtol=0, atol=1e-9)


def test_a_stop_ends_the_wait_within_a_gap(lsl_session: str) -> None:
    time = FakeTime()

    def wait(stop: threading.Event, seconds: float) -> bool:
        if seconds > 1.0:
            stop.set()
        return time.wait(stop, min(seconds, 1.0))

    report = Replayer(
        recording(Stretch(signal(16)), Stretch(signal(16, 16))),
        gap_seconds=60.0,
        wait_for_consumer=False,
        clock=time.clock,
        wait=wait,
    ).run(threading.Event())
    assert report == ReplayReport(samples=16, stretches=1, seconds=0.125, stopped=True)
    assert time.now < 1003.0


def test_a_stop_before_the_start_sends_nothing(lsl_session: str) -> None:
    stop = threading.Event()
    stop.set()
    report = Replayer(recording(Stretch(signal(16))), wait_for_consumer=False).run(stop)
    assert report == ReplayReport(samples=0, stretches=0, seconds=0.0, stopped=True)


def test_without_a_consumer_it_does_not_linger(lsl_session: str) -> None:
    time = FakeTime()
    Replayer(
        recording(Stretch(signal(8))), wait_for_consumer=False, clock=time.clock, wait=time.wait
    ).run(threading.Event())
    assert len(time.woke) == 1


def test_with_a_consumer_it_lingers_for_a_second_at_most(player: Player) -> None:
    time = FakeTime()
    played, received = held(Stretch(signal(8)))
    future = player.play(Replayer(played, clock=time.clock, wait=time.wait))
    listener = Listener(played.source_id)
    listener.pull(until=8)
    received.set()
    future.result(timeout=100)
    assert 1.0 <= time.now - time.woke[0] < 1.2


# -- over a real wire --------------------------------------------------------------------------


def test_every_sample_arrives_once_in_order_with_the_stamp_of_its_index(player: Player) -> None:
    # 1/300 is no sum of powers of two: stamps that are added up would be off in the last bits.
    stretches = Stretch(signal(130)), Stretch(signal(131, 130), follows=True)
    played = recording(*stretches, sfreq=300.0)
    future = player.play(Replayer(played, speed=4.0))
    listener = Listener(played.source_id)
    listener.pull(until=261)
    arrived = pylsl.local_clock()
    listener.pull()
    np.testing.assert_array_equal(np.array(listener.values), signal(261).T)
    begin = listener.stamps[0]
    np.testing.assert_array_equal(listener.stamps, begin + np.arange(261) / 300.0)
    assert arrived >= begin + 260 / 300.0 / 4.0
    report = future.result(timeout=100)
    assert report == ReplayReport(samples=261, stretches=1, seconds=261 / 300.0, stopped=False)


def test_stamps_come_from_the_sample_count_however_late_the_sender_wakes(player: Player) -> None:
    time = FakeTime(oversleep=7.3)
    played, received = held(Stretch(signal(64)))
    future = player.play(Replayer(played, clock=time.clock, wait=time.wait))
    listener = Listener(played.source_id)
    listener.pull(until=64)
    received.set()
    future.result(timeout=100)
    np.testing.assert_array_equal(listener.stamps, 1000.0 + np.arange(64) / SFREQ)


def test_stretches_that_do_not_follow_leave_a_hole_in_the_stamps(player: Player) -> None:
    played = recording(Stretch(signal(21)), Stretch(signal(20, 21)))
    future = player.play(Replayer(played, speed=50.0, gap_seconds=4.0))
    listener = Listener(played.source_id)
    listener.pull()
    steps = np.diff(listener.stamps)
    hole = np.zeros(40)
    hole[20] = 4.0
    # A stamp is a sum of doubles near the machine's uptime, hence not exact to the last bit.
    np.testing.assert_allclose(steps, 1 / SFREQ + hole, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(np.array(listener.values), signal(41).T)
    assert future.result(timeout=100).stretches == 2


@pytest.mark.parametrize(
    ("begins", "hole"),
    [(21 + 5.2, 5 / SFREQ), (21 + 3 * SFREQ, 3.0), (21 + 100 * SFREQ, 4.0), (-500.0, 4.0)],
    ids=["five samples", "3 s", "beyond a minute", "a clock that was set back"],
)
def test_a_gap_that_the_recording_has_measured_keeps_its_length(
    player: Player, begins: float, hole: float
) -> None:
    before = np.arange(21, dtype=np.float64) / SFREQ
    after = begins / SFREQ + before[:20]
    played = recording(Stretch(signal(21), stamps=before), Stretch(signal(20, 21), stamps=after))
    future = player.play(Replayer(played, speed=50.0, gap_seconds=4.0))
    listener = Listener(played.source_id)
    listener.pull()
    steps = np.diff(listener.stamps)
    expected = np.full(40, 1 / SFREQ)
    expected[20] += hole
    np.testing.assert_allclose(steps, expected, rtol=0, atol=1e-6)
    assert future.result(timeout=100).stretches == 2


def test_markers_carry_the_stamps_of_their_samples(player: Player) -> None:
    ratings = json.dumps({"valence": 7.1, "note": "ruhig, 5 µV"}, ensure_ascii=False)
    played = recording(
        Stretch(signal(40), markers=(Marker(0, "start"), Marker(13, ratings))),
        Stretch(signal(40, 40), markers=(Marker(39, "end"),)),
    )
    future = player.play(Replayer(played, speed=20.0))
    notes = Listener(f"{played.source_id}-markers")
    info = notes.inlet.info(timeout=60)
    assert (info.type(), info.nominal_srate()) == ("Markers", 0.0)
    listener = Listener(played.source_id)
    notes.pull(until=3)
    listener.pull(until=80)
    # Three and no more.
    notes.pull()
    assert notes.values == [["start"], [ratings], ["end"]]
    assert notes.stamps == [listener.stamps[index] for index in (0, 13, 79)]
    future.result(timeout=100)


@pytest.mark.parametrize(("late", "messages_received"), [(5.0, ["start", "end"]), (5.1, ["end"])])
def test_a_marker_waits_a_moment_for_a_late_reader(
    lsl_session: str, late: float, messages_received: list[str]
) -> None:
    now, source_id = 100.0, uuid.uuid4().hex
    info = pylsl.StreamInfo("Notes", "Markers", 1, pylsl.IRREGULAR_RATE, "string", source_id)
    notes = MarkerOutlet(info, lambda: now)
    notes.push("start", 1.0)
    now += late
    notes.flush()
    listener = Listener(source_id)
    deadline = time.monotonic() + 60
    while not notes.have_consumers():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    notes.push("end", 2.0)
    notes.flush()
    listener.pull(until=len(messages_received))
    assert listener.values == [[text] for text in messages_received]
    assert listener.stamps == [1.0, 2.0][-len(messages_received) :]


def test_a_loop_rewinds_with_a_gap_until_it_is_stopped(player: Player) -> None:
    # The first stretch claims to follow: at the rewind it does not.
    played = recording(Stretch(signal(16), follows=True), Stretch(signal(16, 16), follows=True))
    future = player.play(Replayer(played, speed=20.0, loop=True, gap_seconds=1.0))
    listener = Listener(played.source_id)
    listener.pull(until=80)
    player.stop.set()
    report = future.result(timeout=100)
    values = np.array(listener.values)
    np.testing.assert_array_equal(values[:80], np.vstack([signal(32).T] * 3)[:80])
    steps = np.diff(listener.stamps[:80])
    assert np.flatnonzero(steps > 1.5 / SFREQ).tolist() == [31, 63]
    np.testing.assert_allclose(steps[[31, 63]], 1.0 + 1 / SFREQ, rtol=0, atol=1e-6)
    assert report.stopped
    assert report.samples >= 80


def test_the_stream_describes_the_recording(player: Player) -> None:
    played = recording(Stretch(signal(8)))
    player.play(Replayer(played, speed=2.5))
    (found,) = pylsl.resolve_byprop("source_id", played.source_id, timeout=60)
    info = pylsl.StreamInlet(found, recover=False).info(timeout=60)
    assert (info.name(), info.type(), info.nominal_srate()) == (played.name, "EEG", SFREQ)
    assert (info.channel_count(), info.channel_format()) == (3, pylsl.cf_float32)
    assert info.get_channel_labels() == list(LABELS)
    assert info.get_channel_units() == ["µV", "uV", None]
    assert info.get_channel_types() == ["EEG", "EEG", "misc"]
    desc = info.desc()
    assert desc.child_value("manufacturer") == "Nobody & Sons"
    assert desc.child_value("simulated") == "true"
    assert desc.child("replay").child_value("speed") == "2.5"


def test_it_waits_for_a_consumer_and_a_stop_ends_the_waiting(player: Player) -> None:
    started: list[float] = []

    def clock() -> float:
        started.append(pylsl.local_clock())
        return started[-1]

    played = recording(Stretch(signal(16)))
    future = player.play(Replayer(played, clock=clock))
    # The outlet is open, and its markers have a reader: neither starts the replay.
    notes = Listener(f"{played.source_id}-markers")
    assert pylsl.resolve_byprop("source_id", played.source_id, timeout=60)
    player.stop.set()
    assert future.result(timeout=100) == ReplayReport(0, 0, 0.0, stopped=True)
    assert started == []
    del notes


def test_a_consumer_releases_the_waiting_replay_and_gets_the_first_sample(player: Player) -> None:
    played = recording(Stretch(signal(16)))
    future = player.play(Replayer(played))
    assert pylsl.resolve_byprop("source_id", played.source_id, timeout=60)
    before = pylsl.local_clock()
    listener = Listener(played.source_id)
    listener.pull()
    assert listener.stamps[0] >= before
    np.testing.assert_array_equal(np.array(listener.values), signal(16).T)
    assert not future.result(timeout=100).stopped


SENDER = """
import os, threading
import numpy as np
from eeg_emotion.lsl.configuration import configure
from eeg_emotion.replay.replayer import Replayer
from eeg_emotion.recordings.recording import Recording, Stretch

configure(session_id=os.environ["TEST_SESSION"])
samples = np.arange(2 * 100, dtype=float).reshape(2, 100)
Replayer(
    Recording("elsewhere", os.environ["TEST_SOURCE"], ("C3", "C4"), ("V", "V"), 256.0, "none",
              True, lambda: iter([Stretch(samples)])),
    speed=4.0,
).run(threading.Event())
"""


def test_a_replay_in_another_process_is_the_same(lsl_session: str) -> None:
    source_id = f"replay-{uuid.uuid4().hex}"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TEST_SESSION": lsl_session,
        "TEST_SOURCE": source_id,
    }
    with subprocess.Popen([sys.executable, "-c", SENDER], env=environment) as process:
        try:
            listener = Listener(source_id)
            listener.pull()
            assert process.wait(timeout=100) == 0
        finally:
            process.kill()
    np.testing.assert_array_equal(np.array(listener.values), np.arange(200.0).reshape(2, 100).T)
    np.testing.assert_array_equal(listener.stamps, listener.stamps[0] + np.arange(100) / 256.0)


# -- faults ------------------------------------------------------------------------------------


def test_faults_within_a_stream_reach_its_reader(player: Player) -> None:
    faults = parse_faults("""
        drop 1s @1; freeze 2s @3; nan Fp1 1s @6; flat T7 1s @6; line-noise 60uV Fp1 1s @8
        volts silently @10; clock-jump -30s @11; unix-time @12; rate 250 silently @13
    """)
    played = recording(Stretch(signal(15 * 128)))
    before = time.time()
    future = player.play(Replayer(played, speed=20.0, faults=faults))
    listener = Listener(played.source_id)
    listener.pull(until=2 * 128 + 1)
    thawed = pylsl.local_clock()
    begin = listener.stamps[0]
    assert thawed >= begin + 5 / 20
    listener.pull()
    at = np.concatenate([np.arange(128), np.arange(256, 13 * 128)]) / SFREQ
    stamps, values = np.array(listener.stamps), np.array(listener.values).T
    native = len(at)
    assert len(stamps) == native + 2 * 250

    expected = begin + at - 30.0 * (at >= 11)
    unix = at >= 12
    np.testing.assert_allclose(stamps[:native][~unix], expected[~unix], rtol=0, atol=1e-6)
    (origin,) = set(np.round(stamps[:native][unix] - at[unix] + 30.0, 3))
    assert before <= origin <= time.time()
    fast = stamps[native:]
    np.testing.assert_allclose(np.diff(fast), 1 / 250, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fast[0], origin - 30.0 + 13.0, rtol=0, atol=1e-3)

    wanted = signal(13 * 128)[:, np.round(at * SFREQ).astype(int)]
    wanted[0, (at >= 6) & (at < 7)] = np.nan
    wanted[1, (at >= 6) & (at < 7)] = 6 * 128 + 10_000.5
    wanted[0] += 60 * np.sin(2 * np.pi * 50 * at) * ((at >= 8) & (at < 9))
    wanted[:2] *= np.where(at >= 10, 1e-6, 1.0)
    np.testing.assert_allclose(values[:, :native], wanted, rtol=1e-6)

    report = future.result(timeout=100)
    assert (report.samples, report.killed, report.connections) == (len(stamps), False, 1)
    assert report.stretches == 4  # after the drop, the jump, and the change to Unix time
    assert report.seconds == 12 + 2
    assert not report.stopped


def test_a_headset_that_reconnects_is_another_stream_of_the_same_source(player: Player) -> None:
    faults = parse_faults(
        "swap-channels @2; volts @2; rate 250 @2; kill 8s @16; kill @30; volts @60"
    )
    seen = [threading.Event() for _ in range(4)]

    def stretches() -> Iterator[Stretch]:
        # It goes on from each new connection once that is seen and read from: it would be gone
        # again within a second, a busy machine takes longer to look for a stream, and an inlet
        # that has lost its stream gives none of what it still holds.
        yield Stretch(signal(12 * 128))
        assert seen[0].wait(100)
        yield Stretch(signal(3 * 128, first=12 * 128), follows=True)
        assert seen[1].wait(100)
        away = Marker(3 * 128, "away")
        yield Stretch(signal(11 * 128, first=15 * 128), follows=True, markers=(away,))
        assert seen[2].wait(100)
        yield Stretch(signal(2 * 128, first=26 * 128), follows=True)
        assert seen[3].wait(100)
        yield Stretch(signal(12 * 128, first=28 * 128), follows=True)

    played = replace(recording(), stretches=stretches)
    future = player.play(Replayer(played, speed=8.0, faults=faults))
    notes = Listener(f"{played.source_id}-markers")
    first = Listener(played.source_id)
    first.pull()
    begin = first.stamps[0]
    # It closed in order, so its reader has all.
    np.testing.assert_array_equal(np.array(first.values), signal(256).T)

    second = Listener(played.source_id, first.uid)
    info = second.inlet.info(timeout=60)
    seen[0].set()
    labels = info.get_channel_labels()
    assert info.nominal_srate() == 250.0
    assert sorted(labels) == sorted(LABELS)
    assert all(new != old for new, old in zip(labels, LABELS, strict=True))
    units = dict(zip(labels, info.get_channel_units(), strict=True))
    assert units == {"Fp1": "V", "T3": "V", "Trigger": None}
    second.pull(until=250)
    seen[1].set()
    second.pull()
    stamps, values = np.array(second.stamps), np.array(second.values)
    # It was away for one true second.
    assert begin + 2 + 8 - 1e-6 <= stamps[0]
    assert stamps[-1] < begin + 16
    np.testing.assert_allclose(np.diff(stamps), 1 / 250, rtol=0, atol=1e-6)
    ramp = ((stamps - begin) * SFREQ + 0.25) * 1e-6
    inner = (stamps - begin) < 15  # the last rest on what the resampler had not yet
    fp1 = values[:, labels.index("Fp1")]
    np.testing.assert_allclose(fp1[inner], ramp[inner], rtol=0, atol=2e-6)

    third = Listener(played.source_id, first.uid, second.uid)
    assert third.inlet.info(timeout=60).get_channel_labels() == labels
    # The marker came while the signal was away.
    notes.pull(until=1)
    assert notes.values == [["away"]]
    np.testing.assert_allclose(notes.stamps, [begin + 18], rtol=0, atol=1e-6)
    seen[2].set()
    third.pull(until=1)
    seen[3].set()
    third.pull()
    assert begin + 24 - 1e-6 <= third.stamps[0]
    report = future.result(timeout=100)
    assert report == ReplayReport(
        samples=2 * 128 + 6 * 250 + 6 * 250,
        stretches=3,
        seconds=2.0 + 6.0 + 6.0,
        stopped=False,
        connections=3,
        killed=True,
        unreached=("volts @60",),
    )


def test_a_frozen_replay_sends_in_one_burst_when_it_thaws(lsl_session: str) -> None:
    time = FakeTime()
    Replayer(
        recording(Stretch(signal(32))),
        faults=parse_faults("freeze 10s @0.125"),
        wait_for_consumer=False,
        clock=time.clock,
        wait=time.wait,
    ).run(threading.Event())
    # Chunks of 8 samples: two before, and one wake for the two that were held.
    np.testing.assert_allclose(np.array(time.woke) - 1000.0, [7 / 128, 15 / 128, 10.125], atol=1e-9)


def test_a_reconnecting_headset_is_away_for_a_second_whatever_the_speed(lsl_session: str) -> None:
    time = FakeTime()
    report = Replayer(
        recording(Stretch(signal(8 * 128))),
        speed=4.0,
        faults=parse_faults("swap-channels @2"),
        wait_for_consumer=False,
        clock=time.clock,
        wait=time.wait,
    ).run(threading.Event())
    assert report == ReplayReport(
        samples=4 * 128, stretches=2, seconds=4.0, stopped=False, connections=2
    )


def test_faults_happen_once_where_the_recording_loops(lsl_session: str) -> None:
    time = FakeTime()
    stop = threading.Event()

    def wait(event: threading.Event, seconds: float) -> bool:
        if time.now > 1011.9:
            event.set()
        return time.wait(event, seconds)

    report = Replayer(
        recording(Stretch(signal(4 * 128))),
        loop=True,
        gap_seconds=2.0,
        faults=parse_faults("drop 1s @1; drop 1s @7"),
        wait_for_consumer=False,
        clock=time.clock,
        wait=wait,
    ).run(stop)
    # 0-4 s and 6-10 s with a hole each, then one chunk from 12 s on.
    assert (report.samples, report.stretches, report.stopped) == (6 * 128 + 8, 5, True)


def test_a_stop_while_the_headset_is_away_ends_it(lsl_session: str) -> None:
    time = FakeTime()

    def wait(stop: threading.Event, seconds: float) -> bool:
        if time.now > 1002.0:
            stop.set()
        return time.wait(stop, seconds)

    report = Replayer(
        recording(Stretch(signal(10 * 128))),
        faults=parse_faults("kill 6s @1; kill @9"),
        wait_for_consumer=False,
        clock=time.clock,
        wait=wait,
    ).run(threading.Event())
    assert report == ReplayReport(128, 1, 1.0, stopped=True, unreached=("kill @9",))


def test_a_fault_that_cannot_be_is_refused_before_anyone_waits() -> None:
    with pytest.raises(
        FaultError, match=r"'nan Oz @1': found the channel 'oz', expected one or more of"
    ):
        Replayer(recording(Stretch(signal(8))), faults=parse_faults("nan Oz @1"))
    two = parse_faults("swap-channels @2; volts @6")
    Replayer(recording(Stretch(signal(8))), faults=two)
    # At this speed a reconnection takes five seconds of signal.
    with pytest.raises(FaultError, match=r"'swap-channels @2' under way until 7 s"):
        Replayer(recording(Stretch(signal(8))), faults=two, speed=5.0)


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        {"speed": 0.0},
        {"speed": float("inf")},
        {"chunk_seconds": -1.0},
        {"gap_seconds": 0.5 / SFREQ},
        {"gap_seconds": float("nan")},
    ],
)
def test_a_setting_that_cannot_be_played_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(RecordingError, match=f"found {next(iter(setting))} .*expected"):
        Replayer(recording(Stretch(signal(8))), **setting)  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", [False, True])
def test_a_recording_without_a_sample_is_refused(lsl_session: str, loop: bool) -> None:
    replayer = Replayer(recording(Stretch(signal(0))), loop=loop, wait_for_consumer=False)
    with pytest.raises(RecordingError, match="found no sample"):
        replayer.run(threading.Event())


def test_a_stretch_of_another_shape_is_refused(lsl_session: str) -> None:
    replayer = Replayer(recording(Stretch(signal(8).T)), wait_for_consumer=False)
    with pytest.raises(RecordingError, match=r"shape \(8, 3\), expected \(3, samples\)"):
        replayer.run(threading.Event())


def test_a_marker_beyond_its_stretch_is_refused(lsl_session: str) -> None:
    played = recording(Stretch(signal(8), markers=(Marker(8, "late"),)))
    with pytest.raises(RecordingError, match=r"'late'.* at sample 8 .* its 8 samples"):
        Replayer(played, wait_for_consumer=False).run(threading.Event())
