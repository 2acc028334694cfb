"""How liblsl is configured: explicitly, once, and verified. Each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
from tests.support.processes import next_line

from eeg_emotion.lsl.configuration import PORTS, LslError, configure


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_streams_of_another_session_are_not_seen() -> None:
    ours, others = uuid.uuid4().hex, uuid.uuid4().hex
    look = (
        "import pylsl\nfrom eeg_emotion.lsl.configuration import configure\n"
        "configure(session_id={!r})\n"
        "info = pylsl.StreamInfo('x', 'EEG', 1, 128.0, 'float32', 'x')\n"
        "keep = pylsl.StreamOutlet(info) if {outlet} else None\n"
        "found = pylsl.resolve_bypred(\"type='EEG'\", minimum={least}, timeout={wait})\n"
        "print(len(found), flush=True)\n"
        "if {outlet}: input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", look.format(others, outlet=True, least=1, wait=20)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert next_line(other) == "1\n"
        assert run(look.format(ours, outlet=False, least=1, wait=2)).stdout == "0\n"
        assert run(look.format(others, outlet=False, least=1, wait=20)).stdout == "1\n"
        other.communicate("\n")


def test_a_configuration_that_liblsl_did_not_take_is_refused() -> None:
    # liblsl reads its configuration once, at its first other call.
    result = run(
        "import pylsl\npylsl.set_config_content('[multicast]\\nResolveScope = machine\\n')\n"
        "pylsl.resolve_streams(0.1)\n"
        "from eeg_emotion.lsl.configuration import configure\nconfigure(session_id='mine')\n"
    )
    assert result.returncode == 1
    assert "expected 'mine': it ignored the configuration" in result.stderr


def test_a_second_configuration_in_one_process_is_refused(lsl_session: str) -> None:
    configure(session_id=lsl_session)
    with pytest.raises(LslError, match="already configured differently"):
        configure(session_id="another")


@pytest.mark.parametrize("session_id", ["", "a;b", "a\nResolveScope = site"])
def test_a_session_id_that_would_break_the_file_is_refused(session_id: str) -> None:
    with pytest.raises(LslError, match="expected one line of text"):
        configure(session_id=session_id)


@pytest.mark.parametrize("peer", ["a;b", "a\nResolveScope = site", "a}", "", "a, b"])
def test_a_peer_that_would_break_the_file_is_refused(lsl_session: str, peer: str) -> None:
    with pytest.raises(ValueError, match="expected a host's name or IPv4 address"):
        configure(session_id=lsl_session, peers=[peer])


@pytest.mark.needs("time")
@pytest.mark.parametrize(
    ("config", "ports"),
    [("BasePort = 17000", PORTS), ("BasePort = 26572\nPortRange = 8", range(26572, 26580))],
)
def test_an_outlet_at_another_base_port_is_found_soon(config: str, ports: range) -> None:
    """docs/how-to/no-stream.md states the time."""
    session = uuid.uuid4().hex
    outlet = (
        "import pylsl\n"
        f"pylsl.set_config_content('''[ports]\n{config}\n[multicast]\nResolveScope = machine\n"
        f"[lab]\nSessionID = {session}\n''')\n"
        "keep = pylsl.StreamOutlet(pylsl.StreamInfo('x', 'EEG', 1, 128.0, 'float32', 'x'))\n"
        "print('open', flush=True)\ninput()\n"
    )
    look = (
        "import time, pylsl\nfrom eeg_emotion.lsl.configuration import configure\n"
        f"configure(session_id={session!r}, ports={ports!r})\n"
        "from eeg_emotion.lsl.discovery import Discovery\n"
        "discovery, begun = Discovery(), time.monotonic()\n"
        "while not discovery.visible() and time.monotonic() < begun + 60: time.sleep(0.05)\n"
        "print(time.monotonic() - begun)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", outlet], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert next_line(other) == "open\n"
        found = run(look)
        other.communicate("\n")
    assert float(found.stdout) < 10.0, found.stderr
