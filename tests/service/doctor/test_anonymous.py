"""What of a check may be shown to others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.command import command

from eeg_emotion.codes import Check
from eeg_emotion.doctor.anonymous import anonymous
from eeg_emotion.doctor.doctor import Discovery, Findings, OtherStream
from eeg_emotion.doctor.findings import StreamFinding
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.lsl.library import FoundBy, Library

SECRETS = ("jane", "ward-7", "clinic", "muse-4f2a", "10.1.2.3")


def stream(number: int, name: str, source_id: str, reason: str | None = None) -> StreamFinding:
    return StreamFinding(
        id=f"{source_id}-{number}",
        name=name,
        hostname="ward-7",
        type="EEG",
        source_id=source_id,
        channel_count=32,
        channel_format="float32",
        sfreq=128.0,
        simulated=False,
        check=Check.ACCEPTED if reason is None else Check.QUARANTINED,
        reason=reason,
        coverage=None,
        unit=None,
        signal=None,
    )


@pytest.fixture
def named() -> Findings:
    """Findings on a machine of Jane's, in a clinic."""
    return Findings(
        version="0.1.0",
        python="3.11.7",
        machine="Linux x86_64, glibc 2.36",
        liblsl=Library(
            version="1.18",
            build="git",
            path="/srv/jane/lib/liblsl.so",
            found_by=FoundBy.VARIABLE,
            notes=(f"PYLSL_LIB names {Path.home()}/jane doe/clinic/liblsl.so, which is old",),
        ),
        liblsl_problem="found no liblsl (C:\\Users\\jane\\lsl.dll: no such file)",
        discovery=Discovery(Scope.LINK, "clinic", ("127.0.0.1", "10.1.2.3"), (1, 2), None),
        model="found no file /srv/clinic/own.onnx, expected a model",
        model_good=True,
        held_out=(),
        needs_rest=None,
        seconds=0.0,
        streams=(
            stream(1, "Jane's Muse", "muse-4f2a"),
            stream(2, "Jane", "muse-4f2a", "'Jane's Muse' at ward-7 has the id muse-4f2a of Jane"),
        ),
        other_streams=(OtherStream("clinic triggers", "Markers", "ward-8"),),
    )


def shown(findings: Findings) -> str:
    return json.dumps(findings.as_dict()).lower()


def test_nothing_names_a_person_a_machine_or_a_folder(named: Findings) -> None:
    assert all(secret in shown(named) for secret in SECRETS)
    found = shown(anonymous(named))
    assert [
        secret for secret in (*SECRETS, "doe", "srv", "users", "ward-8") if secret in found
    ] == []


def test_what_a_remedy_needs_stays(named: Findings) -> None:
    found = anonymous(named)
    first, second = found.streams
    assert (first.name, first.source_id, first.hostname) == ("stream-1", "source-1", "host-1")
    assert (first.id, second.id, second.name) == ("headset-1", "headset-2", "stream-2")
    assert second.reason == "'stream-1' at host-1 has the id source-1 of stream-2"
    assert found.other_streams == (OtherStream("stream-3", "Markers", "host-2"),)
    assert found.liblsl is not None
    assert found.liblsl.path == ".../liblsl.so"
    assert found.liblsl_problem == "found no liblsl (.../lsl.dll: no such file)"
    assert found.model == "found no file .../own.onnx, expected a model"
    assert found.discovery.known_peers == ("127.0.0.1", "(another machine)")
    assert (found.good, found.version, found.machine) == (named.good, named.version, named.machine)


def test_the_command_can_be_asked_for_it(lsl_session: str) -> None:
    options = ("--seconds", "0", "--json", "--session-id", lsl_session)
    for anonymous_too, expected in (((), lsl_session), (("--anonymous",), "(not the default)")):
        done = command("doctor", *options, *anonymous_too)
        assert json.loads(done.stdout)["discovery"]["session_id"] == expected
