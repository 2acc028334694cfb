"""The guide for when no stream is found quotes the doctor, and states the ports that are used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pylsl
import pytest
from tests.support.command import command
from tests.support.processes import next_line

from eeg_emotion.eeg.montage import DEAP32
from eeg_emotion.lsl.configuration import PORTS, Scope, known_peers

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "no-stream.md"
TABLE = _PAGE.read_text(encoding="utf-8")
TEXT = " ".join(TABLE.split())


def test_with_no_stream_the_doctor_says_so_and_succeeds_whatever_lsl_api_cfg_says(
    tmp_path: Path,
) -> None:
    ours = uuid.uuid4().hex
    file = tmp_path / "lsl_api.cfg"
    file.write_text("[lab]\nSessionID = of-the-file\n[multicast]\nResolveScope = machine\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "eeg_emotion", "doctor"),
            *("--seconds", "0", "--session-id", ours),
        ],
        env={**os.environ, "LSLAPICFG": str(file)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\nstreams     none in sight. " in done.stdout
    # That liblsl took this session, and not the file's, is verified at the start.
    assert f"\ndiscovery   scope machine, session id {ours!r}, " in done.stdout
    for quoted in ("streams     none in sight.", "discovery   scope machine, session id"):
        assert quoted in TABLE
    assert "`doctor` looks for 2 s. Its exit status is 0 when no stream is there" in TEXT


def test_a_stream_of_another_type_is_listed_as_the_page_quotes_it(lsl_session: str) -> None:
    outlet = pylsl.StreamOutlet(
        pylsl.StreamInfo("Unicorn", "Data", 8, 250.0, "float32", uuid.uuid4().hex)
    )
    done = command("doctor", "--seconds", 0, "--session-id", lsl_session)
    line = "others      'Unicorn' of type 'Data': not followed."
    assert line in done.stdout
    assert f"| `{line}` … |" in TABLE
    del outlet


MANY = 40
MANY_OUTLETS = """
import sys
import pylsl

pylsl.set_config_content({config!r})
outlets = [
    pylsl.StreamOutlet(pylsl.StreamInfo(f"s{{n}}", "EEG", 1, 100.0, "float32", f"many-{{n}}"))
    for n in range({many})
]
print("open", flush=True)
sys.stdin.read()
"""


def _count_streams(session: str) -> int:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "eeg_emotion", "doctor"),
            *("--seconds", "0", "--session-id", session),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return sum(line.startswith("stream ") for line in done.stdout.splitlines())


@pytest.mark.needs("time")
@pytest.mark.parametrize("is_widened", [False, True], ids=["default range", "the page's range"])
def test_of_many_outlets_the_default_range_hides_some_and_the_pages_none(is_widened: bool) -> None:
    session = uuid.uuid4().hex
    config = f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {session}\n"
    if is_widened:
        ini = re.search(r"```ini\n(.*?)```", TABLE, re.DOTALL)
        assert ini is not None
        config += "\n".join(line.strip() for line in ini[1].splitlines()) + "\n"
    with subprocess.Popen(
        [sys.executable, "-c", MANY_OUTLETS.format(config=config, many=MANY)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert next_line(program) == "open\n"
        found = _count_streams(session)
        if is_widened and found < MANY:  # on a busy machine a look of 2 s may miss some
            found = _count_streams(session)
        program.communicate("")
    assert (found == MANY) is is_widened, found
    assert f"{MANY} of {MANY} outlets were found" in TEXT


def test_the_page_states_the_ports_and_that_only_this_machine_is_asked() -> None:
    assert f"asks the ports {PORTS[0]} to {PORTS[-1]} of 127.0.0.1" in TEXT
    assert f"own range is longer: {PORTS[0]} to {PORTS[-1]}" in TEXT
    assert f"PortRange = {len(PORTS)}" in TEXT
    assert known_peers(Scope.MACHINE) == ("127.0.0.1",)
    # Elsewhere none but those that are named:
    assert known_peers(Scope.LINK) == known_peers(Scope.SITE) == ()
    assert known_peers(Scope.LINK, ["10.0.0.5"]) == ("10.0.0.5",)
    assert "--lsl-peer 10.0.0.5" in TEXT


def test_a_silent_and_an_unfit_stream_are_reported_as_the_page_quotes_it(lsl_session: str) -> None:
    silent = pylsl.StreamInfo("Silent", "EEG", 32, 128.0, "float32", uuid.uuid4().hex)
    channels = silent.desc().append_child("channels")
    for label in DEAP32:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label).append_child_value("unit", "uV")
    unfit = pylsl.StreamInfo("Unfit", "EEG", 8, 250.0, "float32", uuid.uuid4().hex)
    outlets = [pylsl.StreamOutlet(silent), pylsl.StreamOutlet(unfit)]
    done = command("doctor", "--seconds", 0.2, "--session-id", lsl_session)
    assert done.returncode == 1
    for name, quoted in (("Silent", "received no samples"), ("Unfit", "quarantined;")):
        paragraph = done.stdout.partition(f"stream      '{name}'")[2].partition("\nstream ")[0]
        assert ": NOT GOOD\n" in paragraph
        assert quoted in paragraph
        assert f"| `stream      'NAME'` … `: NOT GOOD`, `{quoted}`" in TABLE
    del outlets
