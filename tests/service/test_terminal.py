from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from eeg_emotion.cli.main import main
from eeg_emotion.terminal import Output, ends_with_its_reader, write_every_letter


def test_a_character_that_the_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="cp1252") as output:
        monkeypatch.setattr(sys, "stdout", output)
        write_every_letter()
        sys.stdout.write("20 µV → Ω")
        output.flush()
        assert raw.getvalue().decode("cp1252") == r"20 µV \u2192 \u03a9"


def test_without_a_standard_output_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as under pythonw
    write_every_letter()


@contextlib.contextmanager
def closed_pipe() -> Iterator[TextIO]:
    """Give an output that writes at once into a pipe without a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    output = os.fdopen(writing, "w", encoding="utf-8")
    try:
        yield output
    finally:
        with contextlib.suppress(BrokenPipeError):
            output.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports such a pipe differently")
@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["verify-model"], ["keys", "list"]], ids=" ".join
)
def test_a_command_ends_quietly_once_its_reader_has_ended(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["eeg-emotion", *arguments])
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # the command's library replaces it
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with closed_pipe() as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == ""


async def _print_in_a_task(console: Output) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_print(console))
        tasks.create_task(asyncio.Event().wait())


async def _print(console: Output) -> None:
    console.print("ready")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports such a pipe differently")
def test_a_reader_that_has_ended_ends_a_task_and_then_the_command(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closed_pipe() as output:
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(BrokenPipeError):
            Output().print("ready")
        with pytest.raises(SystemExit) as ended, ends_with_its_reader():
            asyncio.run(_print_in_a_task(Output()))
        # What is still held goes nowhere, without a complaint.
        output.write("more")
        output.flush()
    assert ended.value.code == 1
    assert caplog.text == ""


def test_other_errors_are_handed_on() -> None:
    with pytest.raises(ConnectionResetError), ends_with_its_reader():
        raise ConnectionResetError
    with pytest.raises(ExceptionGroup) as both, ends_with_its_reader():
        raise ExceptionGroup("two", [BrokenPipeError(), ConnectionResetError()])
    assert both.group_contains(ConnectionResetError)
    assert not both.group_contains(BrokenPipeError)
