"""What the doctor says of a stream that the service would accept and yet give no score."""

from __future__ import annotations

import numpy as np
import pylsl
import pytest
from tests.support.inlet import FakeInlet

from eeg_emotion.codes import Check
from eeg_emotion.doctor.checkup import _Checkup
from eeg_emotion.doctor.findings import StreamFinding
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.stream.selection import HeadsetFilter

STREAM = StreamDescription("u", 32, DEAP32, ("uV",) * 32, 128.0, False, True, 1.0)


def checked(*, behind: float, seconds: int = 10) -> StreamFinding:
    """Check a stream whose stamps lie so far in the past."""
    now = 5000.0
    checkup = _Checkup(
        pylsl.StreamInfo("Cap", "EEG", 32, 128.0, "float32", "cap"), lambda: now, lambda: now + 1e9
    )
    checkup.inlet = FakeInlet(STREAM)
    checkup._admit(STREAM, PathSettings(), HeadsetFilter())
    signal = SimulatedPerson(5, 1).run(0, 128.0).next(seconds * 128, 0.5, -0.5)
    for start in range(0, seconds * 128, 16):
        now += 0.125
        stamps = now - behind - np.arange(16)[::-1] / 128.0
        checkup.samples(signal[:, start : start + 16], stamps)
    return checkup.finding(float(seconds))


def test_samples_that_are_too_old_when_they_arrive_are_reported() -> None:
    found = checked(behind=3.0)
    assert found.check is Check.ACCEPTED
    assert found.reason is not None
    assert "samples are 3." in found.reason
    assert "stamp the samples with LSL's local_clock" in found.reason


@pytest.mark.parametrize("behind", [0.0, 1.0])
def test_samples_that_come_in_time_are_not(behind: float) -> None:
    assert checked(behind=behind).reason is None


def test_stamps_that_count_from_zero_are_refused() -> None:
    found = checked(behind=4990.0, seconds=12)
    assert found.check is Check.QUARANTINED
    assert "s behind this machine's LSL clock" in str(found.reason)
