"""The table of docs/reference/faults.md: each row over a real outlet, by the daemon's own command.

All rows run at once, in true time. A fault strikes 9 s after its headset began, when one window
was valid, so that every test sees the change. How late a report is depends on the machine
and judged elsewhere, on clocks of the tests' own; here the stamps count, and windows that were late
are `stale`, whatever else there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path

import pytest
import websockets
from tests.support.processes import next_line

from eeg_emotion.codes import Check, Reason, State
from eeg_emotion.publish.messages import Headset, Prediction, Status
from eeg_emotion.recordings.recording import Stretch
from eeg_emotion.recordings.simulation import SimulatedPerson, simulated_recording
from eeg_emotion.replay.faults import parse_faults
from eeg_emotion.replay.replayer import Replayer
from eeg_emotion.stream.link import STALE_SECONDS

# The fixture is within the first test's time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "faults.md"
STRIKES = 9.0  # seconds of signal before each fault
WATCHED_SECONDS = 27.0  # of signal
SIGNAL_SECONDS = 45
LONGEST_WAIT_SECONDS = 200.0
LATE_MS = STALE_SECONDS * 1e3


def stated_faults() -> list[str]:
    """The first column of the page's table: a fault without its time."""
    return re.findall(r"^\| `([^`]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)


FAULTS = stated_faults()


@dataclass(slots=True)
class Course:
    """What subscribers received about one headset."""

    predictions: list[Prediction] = field(default_factory=list)
    statuses: list[Headset] = field(default_factory=list)

    @property
    def struck(self) -> float:
        """When the fault struck: 9 s after the first sample, with which the first window begins."""
        return self.predictions[0].window.start + STRIKES

    @property
    def over(self) -> bool:
        """Whether nothing is to come of which a test would have to know."""
        if not self.predictions or not self.statuses:
            return False
        watched = self.predictions[-1].window.end - self.predictions[0].window.start
        return self.last.state is State.QUARANTINED or watched >= WATCHED_SECONDS

    @property
    def prompt(self) -> list[Prediction]:
        """The predictions that were not late."""
        return [p for p in self.predictions if Reason.STALE not in p.reasons]

    def after(self) -> list[Prediction]:
        """Those of them whose windows hold something from after the fault."""
        return [p for p in self.prompt if self.within(p)]

    def within(self, prediction: Prediction) -> bool:
        return prediction.epoch != self.predictions[0].epoch or (
            prediction.window.end > self.struck + 0.1
        )

    def states(self) -> list[State]:
        """The states it went through, each once in a row."""
        found: list[State] = []
        for headset in self.statuses:
            if not found or found[-1] is not headset.state:
                found.append(headset.state)
        return found

    @property
    def last(self) -> Headset:
        return self.statuses[-1]


@contextlib.contextmanager
def headsets() -> Iterator[None]:
    """Play one simulated person through a headset for each fault, with that fault."""
    # Simulating each for itself would take more than all else.
    samples = SimulatedPerson(7, 1).run(0, 128.0).next(SIGNAL_SECONDS * 128, 0.5, -0.5)
    stop = threading.Event()
    with ThreadPoolExecutor(len(FAULTS)) as threads:
        try:
            for number, fault in enumerate(FAULTS):
                person = simulated_recording(7, number)
                faults = parse_faults(f"{fault} @{0 if fault == 'unix-time' else STRIKES:g}")
                headset = replace(person, stretches=lambda: repeat(Stretch(samples, follows=True)))
                threads.submit(Replayer(headset, faults=faults).run, stop)
            yield
        finally:
            stop.set()


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory, lsl_session: str) -> dict[str, Course]:
    with subprocess.Popen(
        [sys.executable, "-m", "eeg_emotion", "serve", "--port", "0", "--quiet", "--match",
         "simulated-7-*", "--session-id", lsl_session,
         "--profiles", str(tmp_path_factory.mktemp("profiles"))],
        stdout=subprocess.PIPE, text=True,
    ) as daemon:  # fmt: skip
        try:
            address = next_line(daemon).split()[1].replace("http", "ws")
            with headsets():
                received = asyncio.run(watch(f"{address}v1/stream?headset=*"))
        finally:
            daemon.terminate()
    return {fault: received[f"simulated-7-{number}"] for number, fault in enumerate(FAULTS)}


async def watch(url: str) -> dict[str, Course]:
    """Receive until all headsets have been followed for long enough."""
    received: dict[str, Course] = {}
    killed = f"simulated-7-{FAULTS.index('kill')}"

    def over() -> bool:
        gone = killed in received and received[killed].states()[-1:] == [State.LOST]
        others = [course for name, course in received.items() if name != killed]
        return gone and len(others) == len(FAULTS) - 1 and all(each.over for each in others)

    async with websockets.connect(url) as socket, asyncio.timeout(LONGEST_WAIT_SECONDS):
        while not over():
            text = await socket.recv()
            kind = json.loads(text)["type"]
            if kind == "prediction":
                prediction = Prediction.model_validate_json(text)
                received.setdefault(prediction.headset, Course()).predictions.append(prediction)
            elif kind == "status":
                headset = Status.model_validate_json(text).headset
                received.setdefault(headset.id, Course()).statuses.append(headset)
    return received


def assert_truthful(course: Course) -> None:
    """What holds for every fault: consecutive numbers, and no score of an invalid or old window."""
    for epoch in {p.epoch for p in course.predictions}:
        seqs = [p.seq for p in course.predictions if p.epoch == epoch]
        assert seqs == list(range(len(seqs)))
    for prediction in course.predictions:
        assert prediction.valid == (not prediction.reasons)
        scored = prediction.arousal.probability is not None
        assert scored == prediction.valid
        # The resampler's delay is no lateness of the samples.
        late = prediction.latency_ms.arrival - prediction.latency_ms.resampler
        if abs(late - LATE_MS) > 1.0:
            assert (Reason.STALE in prediction.reasons) == (late > LATE_MS)
        if prediction.valid:
            assert prediction.window.end - prediction.window.start == pytest.approx(5.0, abs=0.02)


def reasons(predictions: list[Prediction]) -> set[Reason]:
    return {reason for prediction in predictions for reason in prediction.reasons}


def recovered(course: Course) -> bool:
    """The last two predictions are valid."""
    return [p.valid for p in course.prompt[-2:]] == [True, True]


def not_of_now(predictions: list[Prediction]) -> list[float]:
    """Return how old on arrival, ms, those are that a clock dated which is 30 s off."""
    arrivals = [p.latency_ms.arrival for p in predictions]
    return [arrival for arrival in arrivals if not -100.0 < arrival < 10_000.0]


def drop(course: Course) -> None:
    over = course.after()
    # No window spans the hole: those of the new stretch begin after it.
    assert all(p.window.start > course.struck + 1.9 for p in over)
    assert reasons(over) == {Reason.GAP, Reason.WARMING_UP}
    assert course.last.gaps == 1
    assert course.last.samples_missing == 256
    assert recovered(course)


def freeze(course: Course) -> None:
    assert course.states()[-2:] == [State.STALE, State.LIVE]
    assert all(p.valid for p in course.after())
    late = len(course.predictions) - len(course.prompt)
    assert course.last.windows_superseded + late > 0
    assert (course.last.samples_missing, course.last.gaps) == (0, 0)
    assert recovered(course)


def swap_channels(course: Course) -> None:
    assert State.LOST in course.states()
    assert course.last.changes == (
        "its channels are in a different order and are matched by label",
    )
    assert reasons(course.after()) == {Reason.WARMING_UP}
    assert recovered(course)


def volts(course: Course) -> None:
    assert course.last.changes == ("unit microvolts, now V",)
    assert course.last.unit == "V, as stated"
    assert reasons(course.after()) == {Reason.WARMING_UP}
    assert recovered(course)


def volts_silently(course: Course) -> None:
    over = course.after()
    assert over
    assert all(p.reasons == (Reason.UNIT_SUSPECT,) for p in over)


def rate(course: Course) -> None:
    assert course.last.changes == ("rate 128 Hz, now 250 Hz",)
    assert course.last.sfreq == 250.0
    assert reasons(course.after()) == {Reason.WARMING_UP}
    assert all(p.latency_ms.resampler > 100 for p in course.after())
    assert recovered(course)


def rate_silently(course: Course) -> None:
    assert course.last.state is State.QUARANTINED
    assert course.last.check is Check.QUARANTINED
    assert "samples a second" in course.last.detail
    assert "128 Hz that the stream states" in course.last.detail
    # At most the second that it takes to be sure.
    assert all(p.window.end < course.struck + 1.5 for p in course.predictions)


def one_electrode(course: Course) -> None:
    over = course.after()
    first = [p for p in over if p.window.end < course.struck + 5.0]
    assert first
    assert not any(p.valid for p in first)
    assert reasons(over) <= {Reason.POOR_CONTACT, Reason.OUT_OF_RANGE}
    assert all(p.interpolated == ("Fp1",) for p in over[-2:])
    assert all(p.quality < 1.0 for p in over[-2:])
    assert recovered(course)


def not_worn(course: Course) -> None:
    over = course.after()
    assert over
    assert all(p.reasons == (Reason.NOT_WORN,) for p in over)


def kill(course: Course) -> None:
    assert course.states()[-1] is State.LOST
    assert course.after() == []
    assert course.last.detail == "gone: its source closed the connection", "not by its silence"


def kill_and_return(course: Course) -> None:
    assert course.states()[-1] is State.LIVE
    assert State.LOST in course.states()
    assert course.last.changes == ()
    assert len({p.epoch for p in course.predictions}) == 2
    assert reasons(course.after()) == {Reason.WARMING_UP}
    back = course.after()[0].window.start
    valid = next(p.window.end for p in course.after() if p.valid)
    assert valid - back < 3.0 + 5.0 + 2.0
    assert recovered(course)


def clock_jump(course: Course) -> None:
    over = course.after()
    assert reasons(over) == {Reason.GAP, Reason.WARMING_UP}
    assert "its clock has jumped by" in course.last.detail
    assert course.last.samples_missing == 0
    assert not_of_now(over) == []
    assert recovered(course)


def unix_time(course: Course) -> None:
    assert "its stamps are in Unix time" in course.last.detail
    assert reasons(course.prompt) == {Reason.WARMING_UP}
    assert not_of_now(course.predictions) == []
    assert recovered(course)


def hum(course: Course) -> None:
    over = course.after()
    assert all(p.valid for p in over)
    assert over[-1].quality < 0.8


def much_hum(course: Course) -> None:
    over = course.after()
    assert over
    assert all(p.reasons == (Reason.NOT_WORN,) for p in over)


EXPECTED: dict[str, Callable[[Course], None]] = {
    "drop 2s": drop,
    "freeze 5s": freeze,
    "swap-channels": swap_channels,
    "volts": volts,
    "volts silently": volts_silently,
    "nan Fp1": one_electrode,
    "flat Fp1": one_electrode,
    "flat all": not_worn,
    "rate 250": rate,
    "rate 250 silently": rate_silently,
    "kill": kill,
    "kill 5s": kill_and_return,
    "clock-jump -30s": clock_jump,
    "clock-jump +30s": clock_jump,
    "unix-time": unix_time,
    "line-noise 60uV": hum,
    "line-noise 300uV": much_hum,
}


def test_the_page_lists_what_is_tested() -> None:
    assert set(FAULTS) == EXPECTED.keys()


@pytest.mark.needs("time")
@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_gives_what_the_page_says(fault: str, courses: dict[str, Course]) -> None:
    course = courses[fault]
    assert course.predictions
    assert course.prompt[0].reasons == (Reason.WARMING_UP,)
    if fault != "unix-time":
        before = [p for p in course.prompt if not course.within(p)]
        assert any(p.valid for p in before)
    assert_truthful(course)
    EXPECTED[fault](course)
