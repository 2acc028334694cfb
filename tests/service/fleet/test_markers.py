"""Streams of markers beside headsets, over real LSL: read, dated, and harmless."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pylsl
import pytest
from tests.support.fleet import LONGEST_WAIT_SECONDS, RecordingBus, running
from tests.support.replay import paced, playing, signal_of, utc_less_local

from eeg_emotion.codes import State
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.fleet.rate_limit import MOST_A_SECOND
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.publish.messages import Marker
from eeg_emotion.recordings.deap import deap_recording, read_person
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.stream.selection import HeadsetFilter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHUNK = 8


def markers(bus: RecordingBus) -> list[Marker]:
    return [message for message in bus.messages if isinstance(message, Marker)]


def following(source_id: str) -> contextlib.AbstractAsyncContextManager[tuple[Fleet, RecordingBus]]:
    model = load_model(demo_model_path())
    return running(model, pylsl.local_clock, HeadsetFilter(match=(source_id,)))


def note_outlet(source_id: str) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo("Notes", "Markers", 1, 0.0, "string", f"{source_id}-markers")
    return pylsl.StreamOutlet(info)


@contextlib.asynccontextmanager
async def headset(source_id: str) -> AsyncIterator[None]:
    """Send a simulated person's signal at true pace, without markers."""
    info = pylsl.StreamInfo("Headset", "EEG", 32, 128.0, "float32", source_id)
    channels = info.desc().append_child("channels")
    for label in DEAP32:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    outlet, stop = pylsl.StreamOutlet(info), threading.Event()
    signal = signal_of(60.0).T.astype("float32")

    def send() -> None:
        begun = pylsl.local_clock()
        chunks = itertools.cycle(np.split(signal, len(signal) // CHUNK))
        for sent in itertools.count(CHUNK, CHUNK):
            if stop.wait(max(0.0, begun + sent / 128 - pylsl.local_clock())):
                return
            outlet.push_chunk(next(chunks).tolist(), begun + (sent - 1) / 128)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, 20)


async def test_a_deap_recordings_ratings_come_dated_as_its_trials_first_sample(
    lsl_session: str, deap_file: Path
) -> None:
    person = read_person(deap_file)
    recording = deap_recording(deap_file, range(3, 5), baseline=False)
    async with following(recording.source_id) as (_, bus), playing(recording):
        await bus.until(lambda: bool(bus.predictions and markers(bus)))
    (first, *_), (marker, *_) = bus.predictions, markers(bus)
    assert first.seq == 0
    assert marker.time == pytest.approx(first.window.start, abs=0.05)
    assert marker.text == "trial 3"
    valence, arousal, *_ = person.labels[2]
    assert marker.ratings == pytest.approx({"valence": valence, "arousal": arousal})
    assert marker.headset == first.headset


async def test_markers_of_any_kind_are_read_and_disturb_nothing(
    lsl_session: str, caplog: pytest.LogCaptureFixture
) -> None:
    """1. Plain, rated and senseless ones. 2. A flood. 3. The stream dies and is back."""
    caplog.set_level(logging.WARNING)
    source_id = f"marked-{uuid.uuid4().hex}"
    outlet = note_outlet(source_id)
    async with following(source_id) as (fleet, bus), headset(source_id):
        await bus.until_state(State.LIVE)
        assert await asyncio.to_thread(outlet.wait_for_consumers, LONGEST_WAIT_SECONDS)
        stamp, pushed = pylsl.local_clock() - 0.5, time.time()
        at = stamp + utc_less_local()
        outlet.push_sample(["clip 4"], stamp)
        outlet.push_sample(['{"text": "rated", "ratings": {"valence": 7, "arousal": 2}}'], stamp)
        outlet.push_sample(['{"ratings": {"valence": NaN, "arousal": []}}'], stamp)
        outlet.push_sample(["x" * 1_000_000], stamp)
        outlet.push_sample(["of another clock"], stamp + 1e7)
        await bus.until(lambda: len(markers(bus)) == 5)
        plain, rated, senseless, long, misdated = markers(bus)
        assert (plain.text, plain.ratings) == ("clip 4", None)
        assert plain.time == pytest.approx(at, abs=0.05)
        assert (rated.text, rated.ratings) == ("rated", {"valence": 7.0, "arousal": 2.0})
        assert (senseless.ratings, long.text) == (None, "x" * 300)
        assert pushed <= misdated.time <= time.time()

        before = len(markers(bus))
        for number in range(200):
            outlet.push_sample([str(number)])
        begun = time.monotonic()
        await bus.until(lambda: len(markers(bus)) > before)
        await bus.until(lambda: len(bus.valid()) >= 1)
        most = MOST_A_SECOND * (2 + int(time.monotonic() - begun))
        assert 0 < len(markers(bus)) - before <= most
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            while "markers left out" not in caplog.text:  # noqa: ASYNC110 - a log notifies nothing
                await asyncio.sleep(0.02)

        del outlet
        back = note_outlet(source_id)
        assert await asyncio.to_thread(back.wait_for_consumers, LONGEST_WAIT_SECONDS)
        back.push_sample(["back"])
        await bus.until(lambda: markers(bus)[-1].text == "back")
        (known,) = fleet.headsets()
        assert known.samples_missing == 0
    assert len({prediction.epoch for prediction in bus.predictions}) == 1


async def test_a_headsets_own_markers_are_read_and_no_others(lsl_session: str) -> None:
    source_id = f"alone-{uuid.uuid4().hex}"
    recording = Recording(
        name="Alone",
        source_id=source_id,
        channels=DEAP32,
        units=("uV",) * 32,
        sfreq=128.0,
        manufacturer="test",
        simulated=True,
        stretches=lambda: iter([Stretch(signal_of(20.0))]),
    )
    foreign = note_outlet(f"{source_id}-2")
    async with following(source_id) as (_, bus), paced(recording, bus):
        await bus.until(lambda: len(bus.predictions) >= 1)
        assert not foreign.have_consumers()
    assert markers(bus) == []
