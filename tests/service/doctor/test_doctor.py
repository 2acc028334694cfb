"""The doctor on real outlets in this process, all checked at once; and without liblsl."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pylsl
import pytest
from numpy.typing import NDArray
from tests.support.command import Done, assert_refused, command

from eeg_emotion.codes import Reason
from eeg_emotion.doctor.checkup import glance, look
from eeg_emotion.doctor.doctor import Findings, OtherStream, examine
from eeg_emotion.doctor.findings import StreamFinding
from eeg_emotion.doctor.lines import to_text
from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.recordings.simulation import SimulatedPerson
from eeg_emotion.settings import Settings
from eeg_emotion.stream.selection import HeadsetFilter

pytestmark = pytest.mark.slow

SFREQ = 128.0
CHUNK = 16
SECONDS = 9.5  # four to judge a unit, five of window, and what each chunk holds back
UV = ("uV",) * 32


@dataclass
class Headset:
    """An outlet, and how it alters the person's signal."""

    name: str
    labels: tuple[str, ...] = DEAP32
    units: tuple[str, ...] = UV
    nominal: float = SFREQ
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] = lambda samples: samples
    clock: Callable[[], float] = pylsl.local_clock
    source_id: str = ""
    type: str = "EEG"
    sends: bool = True
    lost: range = range(0)
    cycle: int = 1024  # samples after which the same are lost again
    outlet: pylsl.StreamOutlet = field(init=False)

    def connect(self) -> None:
        self.source_id = self.source_id or self.name
        info = pylsl.StreamInfo(
            self.name, self.type, len(self.labels), self.nominal, "float32", self.source_id
        )
        channels = info.desc().append_child("channels")
        for label, unit in zip(self.labels, self.units, strict=False):
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            if unit:
                channel.append_child_value("unit", unit)
        self.outlet = pylsl.StreamOutlet(info)


def nan_and_flat(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    bad = samples.copy()
    bad[:, DEAP32.index("Fp1")] = np.nan
    bad[:, DEAP32.index("O1")] = 7.0
    return bad


def unworn(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full_like(samples, 3.0)


HEADSETS = [
    Headset("good"),
    Headset("unitless", units=("",) * 32),
    Headset("volts", units=("",) * 32, change=lambda samples: samples * np.float32(1e-6)),
    Headset("nineteen", labels=(*DEAP32[:19], "Trigger")),
    Headset("eight", labels=DEAP32[:8]),
    Headset("hasty", nominal=160.0),
    Headset("boastful", nominal=250.0),
    Headset("silent", sends=False),
    Headset("bad", change=nan_and_flat),
    Headset("unworn", change=unworn),
    Headset("unix", clock=time.time),
    Headset("lossy", lost=range(300, 320)),
    Headset("ragged", lost=range(300, 304), cycle=384),
    Headset("numbered", labels=tuple(str(number) for number in range(1, 33))),
    Headset("one", source_id="twin"),
    Headset("other", source_id="twin"),
    Headset("misspelt", type="EEG "),
]


class Sender:
    """Sends the person's signal through several headsets, in chunks of an eighth of a second.

    It is also the reader's clock. A chunk follows once that clock was queried so often that all
    samples sent before must have been read: no machine is too slow for it.
    """

    def __init__(self, headsets: list[Headset]) -> None:
        self._headsets = headsets
        self._origins = [headset.clock() for headset in headsets]
        self._begun, self._utc_begun = pylsl.local_clock(), time.time()
        self._sent = self._asked = 0
        self._changed = threading.Condition()
        self._over = False

    def __call__(self) -> float:
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
            return float(self._begun + self._sent / SFREQ)

    def utc(self) -> float:
        """Return Unix seconds that advance with this clock."""
        with self._changed:
            return self._utc_begun + self._sent / SFREQ

    def send(self) -> None:
        signal = SimulatedPerson(5, 1).run(0, SFREQ).next(60 * 128, 0.5, -0.5).T.astype(np.float32)
        # Once per round, and twice for the samples of a headset.
        often = 1 + 2 * len(self._headsets)
        while not self._over:
            rows = np.arange(self._sent, self._sent + CHUNK)
            for headset, origin in zip(self._headsets, self._origins, strict=True):
                kept = ~np.isin(rows % headset.cycle, headset.lost)
                chunk = headset.change(signal[rows % len(signal), : len(headset.labels)])
                if kept.any():
                    headset.outlet.push_chunk(
                        np.ascontiguousarray(chunk[kept]), origin + rows[kept] / SFREQ
                    )
            with self._changed:
                self._sent += CHUNK
                enough = self._asked + often
                self._changed.wait_for(partial(self._is_asked, enough))

    def _is_asked(self, times: int) -> bool:
        return self._over or self._asked >= times

    def end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()


@pytest.fixture(scope="module")
def sender(lsl_session: str) -> Iterator[Sender]:
    for headset in HEADSETS:
        headset.connect()
    sender = Sender([headset for headset in HEADSETS if headset.sends])
    sending = threading.Thread(target=sender.send)
    sending.start()
    yield sender
    sender.end()
    sending.join()
    for headset in HEADSETS:
        del headset.outlet


@pytest.fixture(scope="module")
def session(lsl_session: str, sender: Sender) -> str:
    return lsl_session


@pytest.fixture(scope="module")
def findings(session: str, sender: Sender) -> Findings:
    """Check all of them at once."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "eeg_emotion.doctor.checkup.look", partial(look, clock=sender, utc=sender.utc)
        )
        return examine(Settings(session_id=session), SECONDS)


def named(findings: Findings, name: str) -> StreamFinding:
    (found,) = [stream for stream in findings.streams if stream.name == name]
    return found


def paragraph(findings: Findings, name: str) -> list[str]:
    """Return the lines that are printed for one stream."""
    only = replace(findings, streams=(named(findings, name),), other_streams=())
    lines = to_text(only).splitlines()
    return lines[next(n for n, line in enumerate(lines) if line.startswith("stream ")) :]


def test_a_good_stream_is_described_completely(findings: Findings) -> None:
    found = named(findings, "good")
    assert (found.good, found.check, found.reason) == (True, "accepted", None)
    assert (found.id, found.source_id, found.type) == ("good", "good", "EEG")
    assert (found.channel_count, found.channel_format, found.sfreq) == (32, "float32", 128.0)
    assert found.coverage is not None
    assert (found.coverage.needed, found.coverage.measured) == (32, DEAP32)
    assert found.unit == "µV, as stated"
    assert found.signal is not None
    assert found.signal.samples_received >= 8 * SFREQ
    assert (found.signal.samples_missing, found.signal.gaps) == (0, 0)
    assert found.signal.sfreq_measured == pytest.approx(SFREQ, rel=0.01)
    assert found.signal.stamps is None
    quality = found.signal.quality
    assert quality is not None
    assert (quality.faults, quality.settled, quality.interpolated) == ((), True, ())
    assert quality.overall > 0.9
    assert [channel.label for channel in quality.channels] == list(DEAP32)


@pytest.mark.parametrize(("name", "unit"), [("unitless", "µV"), ("volts", "V")])
def test_an_unstated_unit_is_inferred_from_the_amplitude(
    findings: Findings, name: str, unit: str
) -> None:
    found = named(findings, name)
    assert found.good
    assert found.unit is not None
    assert found.unit.startswith(f"{unit}, inferred from its amplitude of ")
    assert found.signal is not None
    assert found.signal.quality is not None
    assert found.signal.quality.overall > 0.9


def test_measured_interpolated_and_dropped_channels_are_counted(findings: Findings) -> None:
    found = named(findings, "nineteen")
    assert (found.good, found.check) == (True, "interpolated")
    assert found.coverage is not None
    assert found.coverage.measured == DEAP32[:19]
    assert found.coverage.interpolated == DEAP32[19:]
    assert (found.coverage.missing, found.coverage.dropped) == ((), ("Trigger",))
    assert (
        "  channels  19 of the model's 32 measured; "
        f"interpolated: {', '.join(DEAP32[19:31])} and 1 more; not used: Trigger"
    ) in paragraph(findings, "nineteen")


def test_too_few_channels_are_quarantined_and_the_missing_ones_named(findings: Findings) -> None:
    found = named(findings, "eight")
    assert (found.good, found.check, found.signal) == (False, "quarantined", None)
    assert found.reason is not None
    assert "found 8 of the model's 32 channels" in found.reason
    assert found.coverage is not None
    assert (found.coverage.measured, found.coverage.missing) == (DEAP32[:8], DEAP32[8:])
    assert found.coverage.interpolated == ()
    assert paragraph(findings, "eight")[0].endswith(": NOT GOOD")


def test_a_wrong_nominal_rate_is_quarantined_and_both_rates_are_named(findings: Findings) -> None:
    found = named(findings, "hasty")
    assert (found.good, found.check, found.sfreq) == (False, "quarantined", 160.0)
    assert found.reason is not None
    assert "expected the 160 Hz that the stream states; set the nominal rate" in found.reason
    assert found.signal is not None
    assert found.signal.sfreq_measured == pytest.approx(SFREQ, rel=0.05)


def test_a_stated_rate_that_makes_every_step_a_gap_is_reported(findings: Findings) -> None:
    found = named(findings, "boastful")
    assert not found.good
    assert found.signal is not None
    assert found.signal.sfreq_measured == pytest.approx(SFREQ, rel=0.01)
    assert found.reason is not None
    stated = re.match(r"found ([0-9.]+) samples a second", found.reason)
    assert stated is not None
    assert float(stated[1]) == pytest.approx(SFREQ, rel=0.05)
    assert "expected the 250 Hz that the stream states" in found.reason


def test_a_stream_without_samples_is_reported(findings: Findings) -> None:
    found = named(findings, "silent")
    assert (found.good, found.check) == (False, "accepted")
    assert found.reason is not None
    assert found.reason.startswith("received no samples in 9.5 s")
    assert not any("quality" in line for line in paragraph(findings, "silent"))


def test_bad_electrodes_are_named_with_their_problem_worst_first(findings: Findings) -> None:
    found = named(findings, "bad")
    assert found.signal is not None
    quality = found.signal.quality
    assert quality is not None
    assert quality.interpolated == ("Fp1", "O1")
    troubles = {channel.label: (channel.score, channel.trouble) for channel in quality.channels}
    assert (troubles["Fp1"], troubles["O1"]) == ((0.0, "not_finite"), (0.0, "flat"))
    assert quality.overall < 1.0
    (line,) = [line for line in paragraph(findings, "bad") if "quality" in line]
    assert "worst: Fp1 0.00 not_finite, O1 0.00 flat" in line


def test_a_signal_without_scores_is_not_good_and_has_a_remedy(findings: Findings) -> None:
    found = named(findings, "unworn")
    assert (found.good, found.check, found.reason) == (False, "accepted", None)
    assert found.signal is not None
    assert found.signal.quality is not None
    assert found.signal.quality.faults == (Reason.NOT_WORN,)
    *_, fault, quality_line, _ = paragraph(findings, "unworn")
    assert fault.startswith("  NO SCORE  not_worn: The headset does not seem to be worn")
    assert "Put the headset on" in fault
    assert "; worst: " in quality_line
    assert quality_line.endswith(" and 27 more")


def test_time_stamps_of_another_clock_are_reported(findings: Findings) -> None:
    found = named(findings, "unix")
    assert found.good
    assert found.signal is not None
    assert found.signal.stamps == "its stamps are in Unix time, not by LSL's clock"


def test_missing_samples_are_counted(findings: Findings) -> None:
    found = named(findings, "lossy")
    assert found.signal is not None
    assert found.signal.gaps in (1, 2)
    assert found.signal.samples_missing == 20 * found.signal.gaps


def test_a_signal_whose_gaps_leave_no_whole_window_is_reported(findings: Findings) -> None:
    found = named(findings, "ragged")
    assert (found.good, found.check) == (False, "accepted")
    assert found.signal is not None
    assert found.signal.quality is None
    assert found.reason is not None
    assert found.reason.startswith("found no 5 s of signal without a gap, expected whole windows: ")


def test_numbered_labels_are_reported_to_need_a_cap(findings: Findings) -> None:
    found = named(findings, "numbered")
    assert (found.good, found.check, found.coverage) == (False, "quarantined", None)
    assert found.reason is not None
    assert "name their cap with --cap" in found.reason


def test_two_streams_with_one_id_are_both_reported(findings: Findings) -> None:
    for name in ("one", "other"):
        found = named(findings, name)
        assert (found.id, found.good, found.check) == ("twin", False, "quarantined")
        assert found.reason is not None
        assert "found 2 streams with the headset id 'twin': " in found.reason
        assert "'one' on " in found.reason
        assert "'other' on " in found.reason
        assert "give them distinct source ids" in found.reason


def test_a_stream_of_another_type_is_named_with_the_remedy(findings: Findings) -> None:
    (found,) = [other for other in findings.other_streams if other.name == "misspelt"]
    assert found.type == "EEG "
    assert "misspelt" not in [stream.name for stream in findings.streams]
    markers = OtherStream("marks", "Markers", "host")
    *_, first, last = to_text(replace(findings, other_streams=(found, markers))).splitlines()
    assert first.startswith("others      'misspelt' of type 'EEG ': not")
    assert "with --type 'EEG ', or set it to EEG in the program" in first
    *_, before, only = to_text(replace(findings, other_streams=(markers,))).splitlines()
    assert last == only
    assert last.startswith("markers     'marks': followed with the headset whose source id")
    assert not before.startswith("others")


def test_the_library_and_the_discovery_are_printed(findings: Findings) -> None:
    assert findings.liblsl is not None
    lines = to_text(findings).splitlines()
    version = f"{pylsl.library_version() // 100}.{pylsl.library_version() % 100}"
    assert lines[1].startswith(f"liblsl      {version}, ")
    assert lines[1].endswith(f": {os.path.realpath(pylsl.lib.libpath)}")
    assert lines[2] == (
        f"discovery   scope machine, session id {findings.discovery.session_id!r}, "
        "known peers 127.0.0.1, ports 16572 to 17083"
    )
    assert not any(line.startswith("WARNING") for line in lines)


def test_no_stream_takes_more_than_nine_lines(findings: Findings) -> None:
    for stream in findings.streams:
        assert len(paragraph(findings, stream.name)) <= 9


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("good", "Nothing: 'eeg-emotion serve' with the same options follows it."),
        ("eight", "Label the stream's channels by their 10-20 names"),
        ("hasty", "Set the nominal rate in the program that makes the outlet, and restart it."),
    ],
)
def test_the_last_line_of_each_stream_says_what_to_do_next(
    findings: Findings, name: str, step: str
) -> None:
    last = paragraph(findings, name)[-1]
    assert last.startswith(f"  do next   {step}"), last
    assert all(stream.next_step for stream in findings.streams)


def test_one_bad_stream_is_enough_for_exit_status_1(findings: Findings) -> None:
    assert not findings.good
    assert replace(findings, streams=(named(findings, "good"),)).good
    assert not replace(findings, streams=(), liblsl=None).good
    assert not replace(findings, streams=(), model_good=False).good


def test_the_keys_of_the_json_are_stable(findings: Findings) -> None:
    found = json.loads(json.dumps(findings.as_dict(), allow_nan=False))
    assert list(found) == [
        "good", "version", "python", "machine", "liblsl", "liblsl_problem", "discovery", "model",
        "model_good", "held_out", "needs_rest", "seconds", "streams", "other_streams",
    ]  # fmt: skip
    assert list(found["liblsl"]) == ["version", "build", "path", "found_by", "notes"]
    assert list(found["discovery"]) == [
        "scope", "session_id", "known_peers", "ports", "warning", "types", "unused_file",
    ]  # fmt: skip
    assert list(found["other_streams"][0]) == ["name", "type", "hostname"]
    stream = next(item for item in found["streams"] if item["name"] == "good")
    assert list(stream) == [
        "good", "next_step",
        "id", "name", "hostname", "type", "source_id", "channel_count", "channel_format",
        "sfreq", "simulated", "check", "reason", "coverage", "unit", "signal",
    ]  # fmt: skip
    assert list(stream["coverage"]) == [
        "needed", "measured", "interpolated", "missing", "dropped",
    ]  # fmt: skip
    assert list(stream["signal"]) == [
        "samples_received", "samples_missing", "gaps", "sfreq_measured", "stamps", "quality",
    ]  # fmt: skip
    quality = stream["signal"]["quality"]
    assert list(quality) == ["overall", "faults", "settled", "interpolated", "channels"]
    assert list(quality["channels"][0]) == ["label", "score", "trouble"]


def test_a_stream_lost_before_it_is_opened_does_not_hide_the_others(session: str) -> None:
    gone = Headset(f"gone-{os.getpid()}")
    gone.connect()
    (there,) = pylsl.resolve_byprop("source_id", gone.name, timeout=60)
    (good,) = pylsl.resolve_byprop("source_id", "good", timeout=60)
    del gone.outlet
    contract = load_model(demo_model_path()).contract
    first, second = look([there, good], contract.path, HeadsetFilter(), 0.0)
    assert (first.name, first.good, first.check) == (gone.name, False, None)
    assert first.reason is not None
    assert "its source closed the connection while it was opened" in first.reason
    assert (second.name, second.good, second.signal) == ("good", True, None)


def test_the_command_can_read_only_the_metadata_and_knows_the_cap(session: str) -> None:
    arguments = ("--seconds", "0", "--session-id", session, "--cap", "biosemi32")
    done = command("doctor", "--json", *arguments)
    assert done.returncode == 1  # of the others
    streams = {stream["name"]: stream for stream in json.loads(done.stdout)["streams"]}
    assert {headset.name for headset in HEADSETS if headset.type == "EEG"} <= streams.keys()
    assert {stream["signal"] for stream in streams.values()} == {None}
    assert (streams["numbered"]["good"], streams["numbered"]["check"]) == (True, "accepted")
    assert streams["unitless"]["good"] is True
    assert streams["unitless"]["unit"].startswith(
        "not stated; inferred from the signal's amplitude"
    )


def test_without_a_model_streams_are_listed_but_not_opened(session: str) -> None:
    (info,) = pylsl.resolve_byprop("source_id", "good", timeout=60)
    (found,) = glance([info], "not compared with a model: none could be loaded")
    assert (found.name, found.good, found.check) == ("good", False, None)
    assert (found.simulated, found.coverage, found.signal) == (None, None, None)
    assert found.reason == "not compared with a model: none could be loaded"


def test_without_a_visible_stream_the_remedy_is_printed(findings: Findings) -> None:
    last = to_text(replace(findings, streams=(), other_streams=())).splitlines()[-1]
    assert last.startswith("streams     none in sight. Start the program")


COMMANDS = [
    ("doctor", "--lsl-scope", "link"),
    ("verify-model",),
    ("serve", "--port", "0"),
    ("replay", "--simulate", "3"),
    ("demo",),
]
RUNNING_THEM = """
import json, sys
from dataclasses import asdict
from tests.support.command import command
print(json.dumps([asdict(command(*arguments)) for arguments in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def without_liblsl(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """Return what commands do in a process in which pylsl finds a library that it cannot load."""
    file = tmp_path_factory.mktemp("no-liblsl") / "liblsl.so"
    file.write_text("not at all", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RUNNING_THEM, json.dumps(COMMANDS)],
        env=os.environ | {"PYLSL_LIB": str(file)},
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    return {command[0]: Done(**one) for command, one in zip(COMMANDS, found, strict=True)}


def test_without_liblsl_the_doctor_runs_and_prints_the_remedy(
    without_liblsl: dict[str, Done],
) -> None:
    # Nothing is discovered beyond this machine then, whatever the scope.
    done = without_liblsl["doctor"]
    assert (done.returncode, done.stderr) == (1, "")
    assert "\nliblsl      MISSING: found no liblsl that can be loaded (" in done.stdout
    assert "unset it, or name a liblsl for this machine" in done.stdout
    assert "\ndiscovery   scope link, session id 'default', ports 16572 to 17083\n" in done.stdout
    assert "\nWARNING     streams are looked for beyond this machine (scope link): " in done.stdout
    assert "\nmodel       demo-simulated 1: digest, contract and graph agree\n" in done.stdout
    assert done.stdout.endswith("\nstreams     not looked for: there is no liblsl\n")


@pytest.mark.parametrize("name", ["serve", "replay", "demo"])
def test_without_liblsl_each_command_that_needs_it_prints_the_remedy(
    name: str, without_liblsl: dict[str, Done]
) -> None:
    done = without_liblsl[name]
    assert done.stderr.startswith("eeg-emotion: found no liblsl that can be loaded (")
    assert_refused(done, 1, "unset it, or name a liblsl for this machine")


def test_without_liblsl_a_command_that_does_not_need_it_works(
    without_liblsl: dict[str, Done],
) -> None:
    assert without_liblsl["verify-model"].returncode == 0
