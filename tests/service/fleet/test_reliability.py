"""The README's table of faults: each row over a real outlet, through the daemon's own command.

All rows run at once, in true time. A fault strikes 9 s after its headset began, when one window
was valid, so that every test sees the change.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import websockets

from eeg_emotion.publish.messages import Check, Headset, Prediction, Reason, State, Status

pytestmark = pytest.mark.slow

README = Path(__file__).parents[3] / "README.md"
STRIKES = 9.0  # seconds of signal before each fault
WATCHED_SECONDS = 30.0


def readme_faults() -> list[str]:
    """The first column of the README's table: a fault without its time."""
    section = README.read_text("utf-8").partition("## Reliability")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


FAULTS = readme_faults()


@dataclass(slots=True)
class Course:
    """What subscribers were told of one headset, and when, Unix seconds."""

    predictions: list[tuple[float, Prediction]] = field(default_factory=list)
    statuses: list[tuple[float, Headset]] = field(default_factory=list)

    @property
    def struck(self) -> float:
        """When the fault struck: 9 s after the first sample, with which the first window begins."""
        return self.predictions[0][1].window.start + STRIKES

    def after(self) -> list[Prediction]:
        """The predictions whose windows hold something from after the fault."""
        return [p for _, p in self.predictions if self.within(p)]

    def within(self, prediction: Prediction) -> bool:
        return prediction.epoch != self.predictions[0][1].epoch or (
            prediction.window.end > self.struck + 0.1
        )

    def states(self) -> list[State]:
        """The states it went through, each once in a row."""
        found: list[State] = []
        for _, headset in self.statuses:
            if not found or found[-1] is not headset.state:
                found.append(headset.state)
        return found

    @property
    def last(self) -> Headset:
        return self.statuses[-1][1]


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Course]:
    session = secrets.token_hex(8)
    with (
        subprocess.Popen(
            [sys.executable, "-m", "eeg_emotion", "serve", "--port", "0", "--quiet",
             "--session-id", session, "--profiles", str(tmp_path_factory.mktemp("profiles"))],
            stdout=subprocess.PIPE, text=True,
        ) as daemon,
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fault_farm.py")), session,
             json.dumps([f"{fault} @{0 if fault == 'unix-time' else STRIKES:g}"
                         for fault in FAULTS])],
            stdin=subprocess.PIPE,
        ) as farm,
    ):  # fmt: skip
        try:
            address = daemon.stdout.readline().split()[1].replace("http", "ws")
            heard = asyncio.run(watch(f"{address}v1/stream?headset=*"))
        finally:
            farm.stdin.close()
            daemon.terminate()
    return {fault: heard[f"simulated-7-{number}"] for number, fault in enumerate(FAULTS)}


async def watch(url: str) -> dict[str, Course]:
    """Listen until all headsets have been here for long enough."""
    heard: dict[str, Course] = {}
    until = time.time() + 60.0
    async with websockets.connect(url) as socket:
        while time.time() < until:
            try:
                text = await asyncio.wait_for(socket.recv(), 0.5)
            except TimeoutError:
                continue
            now = time.time()
            kind = json.loads(text)["type"]
            if kind == "prediction":
                prediction = Prediction.model_validate_json(text)
                course = heard.setdefault(prediction.headset, Course())
                course.predictions.append((now, prediction))
            elif kind == "status":
                headset = Status.model_validate_json(text).headset
                heard.setdefault(headset.id, Course()).statuses.append((now, headset))
            begun = [c.predictions[0][0] for c in heard.values() if c.predictions]
            if len(begun) == len(FAULTS):
                until = min(until, max(begun) - 5.0 + WATCHED_SECONDS)
    return heard


def assert_truthful(course: Course) -> None:
    """What holds for every fault: numbers without holes, no score without trust or of old times."""
    for epoch in {p.epoch for _, p in course.predictions}:
        seqs = [p.seq for _, p in course.predictions if p.epoch == epoch]
        assert seqs == list(range(len(seqs)))
    for told, prediction in course.predictions:
        assert prediction.valid == (not prediction.reasons)
        scored = prediction.arousal.probability is not None
        assert scored == prediction.valid
        if prediction.valid:
            assert told - prediction.window.end < 2.5
            assert prediction.window.end - prediction.window.start == pytest.approx(5.0, abs=0.02)


def reasons(predictions: list[Prediction]) -> set[Reason]:
    return {reason for prediction in predictions for reason in prediction.reasons}


def recovered(course: Course) -> bool:
    """The last two predictions are valid."""
    return [p.valid for _, p in course.predictions[-2:]] == [True, True]


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
    assert any("no sample has come for 1 s" in headset.detail for _, headset in course.statuses)
    over = course.after()
    assert reasons(over) <= {Reason.STALE}
    assert course.last.windows_superseded + len(reasons(over)) > 0
    assert (course.last.samples_missing, course.last.gaps) == (0, 0)
    assert recovered(course)


def swap_channels(course: Course) -> None:
    assert State.LOST in course.states()
    assert course.last.changes == ("its channels come in another order and are matched by label",)
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
    assert all(p.window.end < course.struck + 1.5 for _, p in course.predictions)


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
    told = next(when for when, headset in course.statuses if headset.state is State.LOST)
    assert told - course.struck < 1.5


def kill_and_return(course: Course) -> None:
    assert course.states()[-1] is State.LIVE
    assert State.LOST in course.states()
    assert course.last.changes == ()
    assert len({p.epoch for _, p in course.predictions}) == 2
    assert reasons(course.after()) == {Reason.WARMING_UP}
    back = course.after()[0].window.start
    valid = next(when for when, p in course.predictions if p.valid and course.within(p))
    assert valid - back < 3.0 + 5.0 + 2.0
    assert recovered(course)


def clock_jump(course: Course) -> None:
    over = course.after()
    assert reasons(over) == {Reason.GAP, Reason.WARMING_UP}
    assert "its clock has jumped by" in course.last.detail
    assert course.last.samples_missing == 0
    told = [(when, p) for when, p in course.predictions if p in over]
    assert all(-0.1 < when - p.window.end < 1.0 for when, p in told)
    assert recovered(course)


def unix_time(course: Course) -> None:
    assert "its stamps are Unix time" in course.last.detail
    assert reasons([p for _, p in course.predictions]) == {Reason.WARMING_UP}
    assert all(-0.1 < when - p.window.end < 1.0 for when, p in course.predictions)
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


def test_the_readme_lists_what_is_tested():
    assert set(FAULTS) == EXPECTED.keys()


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_gives_what_the_readme_says(fault: str, courses: dict[str, Course]):
    course = courses[fault]
    assert course.predictions
    assert course.predictions[0][1].reasons == (Reason.WARMING_UP,)
    if fault != "unix-time":
        before = [p for _, p in course.predictions if not course.within(p)]
        assert any(p.valid for p in before)
    assert_truthful(course)
    EXPECTED[fault](course)
