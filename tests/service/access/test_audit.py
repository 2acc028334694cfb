"""The audit: a line for each event, in the log and in a file for its owner's eyes."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from tests.support.log_records import event_of

from eeg_emotion.access.access import Access
from eeg_emotion.access.audit import Audit, AuditError
from eeg_emotion.access.grants import Grant, Scope

GRANT = Grant("wallboard", (Scope.parse("read:*"),))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_an_audit_line_has_time_event_subject_client_headset_and_purpose(
    tmp_path: Path, clock: Any
) -> None:
    file = tmp_path / "audit.jsonl"
    clock.now = 1_795_000_000.25
    access = Access(audit=Audit("research", file, utc=clock))
    access.at("10.0.0.5:4711").audit("subscribed", GRANT, headset="ward-7", transport="sse")
    access.at("10.0.0.6:1").audit("refused", None, why="found no credentials")
    assert lines(file) == [
        {
            "time": "2026-11-18T11:06:40.250+00:00",
            "event": "subscribed",
            "subject": "wallboard",
            "client": "10.0.0.5:4711",
            "headset": "ward-7",
            "purpose": "research",
            "transport": "sse",
        },
        {
            "time": "2026-11-18T11:06:40.250+00:00",
            "event": "refused",
            "subject": None,
            "client": "10.0.0.6:1",
            "headset": None,
            "purpose": "research",
            "why": "found no credentials",
        },
    ]


def test_each_is_in_the_log_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="eeg_emotion.audit"):
        Access(audit=Audit("safety")).at("::1").audit("connected", GRANT)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("eeg_emotion.audit", logging.INFO)
    assert event_of(record)["event"] == "connected"
    assert (event_of(record)["subject"], event_of(record)["purpose"]) == ("wallboard", "safety")


def test_the_file_is_its_owners_and_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    for number in range(2):
        Audit("demo", file).note(f"event {number}", None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [line["event"] for line in lines(file)] == ["event 0", "event 1"]


def test_a_file_that_is_moved_away_is_created_again(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    audit = Audit("demo", file)
    audit.note("before", None)
    file.rename(tmp_path / "old")
    audit.note("after", None)
    assert [line["event"] for line in lines(file)] == ["after"]


def test_a_line_stays_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    Audit("demo", file).note("refused", None, path='/v1/\n{"event": "granted"}\x1b[2J')
    assert len(file.read_text(encoding="utf-8").splitlines()) == 1
    assert "\x1b" not in file.read_text(encoding="utf-8")


def test_a_file_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.touch()
    file.chmod(0o644)
    with pytest.raises(AuditError, match="chmod 600"):
        Audit("demo", file)


def test_a_file_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"No such file or directory.*--audit"):
        Audit("demo", tmp_path / "nowhere" / "audit.jsonl")


def test_a_file_that_fails_later_is_logged_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    audit = Audit("demo", folder / "audit.jsonl")
    (folder / "audit.jsonl").unlink()
    folder.rmdir()
    with caplog.at_level(logging.ERROR, logger="eeg_emotion.audit"):
        audit.note("connected", GRANT)
    (record,) = caplog.records
    assert (event_of(record)["event"], event_of(record)["lost"]) == (
        "audit not written",
        "connected",
    )


TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"  # noqa: S105 - of nobody


@pytest.mark.parametrize("secret", ["eeg_wallboard_" + "s" * 43, TOKEN])
def test_a_key_that_is_taken_for_a_name_is_not_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, secret: str
) -> None:
    file = tmp_path / "audit.jsonl"
    with caplog.at_level(logging.INFO, logger="eeg_emotion.audit"):
        Access(audit=Audit("research", file)).at("::1").audit(
            "refused",
            GRANT,
            headset=secret,
            headsets=["ward-7", secret],
            path=f"/v1/headsets/{secret}/history",
            why=f"expected read:{secret}",
        )
    (line,) = lines(file)
    assert (line["headset"], line["headsets"]) == ("[credentials]", ["ward-7", "[credentials]"])
    assert line["path"] == "/v1/headsets/[credentials]/history"
    assert secret not in file.read_text(encoding="utf-8") + str(caplog.records[0].msg)
