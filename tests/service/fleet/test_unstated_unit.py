"""The shortest test over LSL, which CONTRIBUTING shows; and what such a wait says when it fails."""

from __future__ import annotations

import os
import time

import pytest
from tests.support.fleet import RecordingBus, running
from tests.support.messages import status
from tests.support.replay import paced, signal_of

from eeg_emotion.codes import State
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.recordings.recording import Recording, Stretch
from eeg_emotion.stream.selection import HeadsetFilter


async def test_a_unit_that_is_unknown_is_inferred() -> None:
    source = f"unknown-unit-{os.getpid()}"
    recording = Recording(
        name="Test headset",
        source_id=source,
        channels=DEAP32,
        units=("unknown",) * len(DEAP32),
        sfreq=128.0,
        manufacturer="test",
        simulated=True,
        stretches=lambda: iter([Stretch(signal_of(30.0), follows=True)]),
    )
    model, mine = load_model(demo_model_path()), HeadsetFilter(match=(source,))
    async with running(model, time.monotonic, mine) as (_, bus), paced(recording, bus):
        live = await bus.until_state(State.LIVE, of=source)
    assert live.headset.unit is not None
    assert live.headset.unit.startswith("µV, inferred from its amplitude of ")


async def test_a_wait_in_vain_says_what_was_seen() -> None:
    bus = RecordingBus()
    with pytest.raises(TimeoutError, match="found no headset, expected a headset to be live"):
        await bus.until_state(State.LIVE, within=0.0)
    for detail in ("unit unknown", "no unit fits"):
        bus.publish(status("a", State.QUARANTINED, detail))
    seen = r"found a quarantined \(no unit fits\), expected a headset whose id ends with 'b' to be"
    with pytest.raises(TimeoutError, match=seen):
        await bus.until_state(State.LIVE, of="b", within=0.0)
