"""Log lines: one event each, for people or machines, without credentials, signals or locals."""

from __future__ import annotations

import io
import json
import logging
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.log_records import event_of

from eeg_emotion.log_format import LogFormat
from eeg_emotion.logs import NEVER_LOGGED, configure_logging, formatter, get_logger

Lines = Callable[[], list[str]]


@pytest.fixture
def name() -> Iterator[str]:
    """Return a logger name for this test only, whose lines go to its own handlers."""
    name = f"eeg_emotion.test_{secrets.token_hex(4)}"
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    yield name
    logger.handlers.clear()


@pytest.fixture
def written(name: str) -> Callable[[LogFormat], Lines]:
    """Log events in a format; yield the lines."""

    def begin(log_format: LogFormat) -> Lines:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter(log_format))
        logging.getLogger(name).addHandler(handler)
        return lambda: stream.getvalue().splitlines()

    return begin


def test_json_lines_have_the_event_its_fields_and_its_origin(
    name: str, written: Callable[[LogFormat], Lines]
) -> None:
    lines = written(LogFormat.JSON)
    logger = get_logger(name)
    logger.info("headset state", headset="ward-7", state="live", detail="a line\nof words, µV")
    logger.warning("odd numbers", numbers=[1.5, float("nan"), float("inf")], path=Path("a/b"))
    first, second = (json.loads(line, parse_constant=pytest.fail) for line in lines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("timestamp"))
    assert first == {
        "level": "info",
        "logger": name,
        "event": "headset state",
        "headset": "ward-7",
        "state": "live",
        "detail": "a line\nof words, µV",
    }
    assert (second["level"], second["path"]) == ("warning", "a/b")
    assert second["numbers"] == [1.5, "nan", "inf"]


def test_console_lines_are_time_level_event_and_fields(
    name: str, written: Callable[[LogFormat], Lines]
) -> None:
    lines = written(LogFormat.CONSOLE)
    get_logger(name).info("headset state", headset="ward-7", state="live")
    (line,) = lines()
    assert re.fullmatch(
        rf"\S+Z \[info +\] headset state +\[{re.escape(name)}\] headset=ward-7 state=live", line
    )


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_secrets_are_redacted_at_any_depth(
    name: str, written: Callable[[LogFormat], Lines], log_format: LogFormat
) -> None:
    lines = written(log_format)
    planted = "planted-value"
    fields = dict.fromkeys(NEVER_LOGGED, planted)
    get_logger(name).warning(
        "request refused",
        headers={"Authorization": f"Bearer {planted}", "host": "here"},
        windows=[{"samples": [planted]}],
        **fields,
    )
    text = "\n".join(lines())
    assert planted not in text
    assert text.count("[redacted]") == len(NEVER_LOGGED) + 2
    assert "here" in text
    assert {"token", "authorization", "secret", "data", "samples"} == NEVER_LOGGED


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_traceback_shows_the_place_but_no_local_variables(
    name: str, written: Callable[[LogFormat], Lines], log_format: LogFormat
) -> None:
    lines = written(log_format)
    window = np.full(4, 123.4375)
    try:
        window.reshape(5)
    except ValueError:
        get_logger(name).exception("line failed", headset="ward-7")
    text = "\n".join(lines())
    assert "Traceback" in text
    assert "window.reshape(5)" in text
    assert "ValueError: cannot reshape" in text
    assert "123.4375" not in text
    if log_format is LogFormat.JSON:
        (line,) = lines()
        assert json.loads(line)["headset"] == "ward-7"


def test_other_packages_messages_have_the_same_format(
    name: str, written: Callable[[LogFormat], Lines]
) -> None:
    lines = written(LogFormat.JSON)
    try:
        raise OSError("no room")
    except OSError:
        logging.getLogger(name).exception("could not write %s", "it")
    found = json.loads(lines()[0])
    assert (found["event"], found["level"], found["logger"]) == (
        "could not write it",
        "error",
        name,
    )
    assert "OSError: no room" in found["exception"]


def test_without_configuration_events_reach_the_embedding_programs_logging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    get_logger("eeg_emotion.somewhere").warning("headset silent", headset="h1", data="planted")
    (record,) = caplog.records
    assert event_of(record)["event"] == "headset silent"
    assert event_of(record)["headset"] == "h1"
    assert "planted" not in caplog.text


_SAYING = """
import logging, sys
from eeg_emotion.log_format import LogFormat
from eeg_emotion.logs import configure_logging, get_logger
configure_logging(LogFormat(sys.argv[1]), verbose=sys.argv[2] == "verbose")
get_logger("eeg_emotion.fleet.fleet").info("headset state", headset="h1")
get_logger("eeg_emotion.fleet.fleet").warning("headset silent", headset="h1")
logging.getLogger("uvicorn.error").info("connection open")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
kept = logging.getLogger("eeg_emotion.audit")
print(kept.isEnabledFor(logging.INFO))
"""


def say(log_format: str, verbosity: str) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", _SAYING, log_format, verbosity],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr.splitlines(), done.stdout.strip()


def test_without_a_terminal_the_automatic_format_is_json_with_others_warnings() -> None:
    lines, _ = say("auto", "verbose")
    events = [json.loads(line) for line in lines]
    assert [item["event"] for item in events] == [
        "headset state",
        "headset silent",
        "Invalid HTTP request received.",
    ]
    assert events[2]["logger"] == "uvicorn.error"


def test_quiet_shows_only_warnings_while_a_log_file_gets_everything() -> None:
    lines, enabled = say("console", "quiet")
    assert len(lines) == 2
    assert "[warning  ] headset silent" in lines[0]
    assert enabled == "True"


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_on_a_terminal_the_automatic_format_is_for_people(
    no_color: str, is_coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    given: dict[str, list[logging.Handler]] = {}
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(logging, "basicConfig", lambda **options: given.update(options))
    before = logging.getLogger("eeg_emotion").level
    try:
        configure_logging(LogFormat.AUTO, verbose=True)
    finally:
        logging.getLogger("eeg_emotion").setLevel(before)
    (handler,) = given["handlers"]
    line = handler.format(logging.makeLogRecord({"msg": "hello", "levelname": "INFO"}))
    assert "hello" in line
    assert not line.startswith("{")
    assert ("\x1b[" in line) is is_coloured
