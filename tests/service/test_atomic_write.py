from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from eeg_emotion.atomic_write import atomic_write, replace_folder, sync_folder


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr("eeg_emotion.atomic_write.time.sleep", waits.append)
    return waits


def write(path: Path, text: str, *, private: bool = False) -> None:
    with atomic_write(path, private=private) as file:
        file.write(text.encode())


def test_a_written_file_is_complete_and_alone(tmp_path: Path) -> None:
    write(tmp_path / "a", "old")
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
        assert (tmp_path / "a").read_text() == "old"
    assert (tmp_path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_who_may_read_it(tmp_path: Path, umask: None, private: bool, mode: int) -> None:
    write(tmp_path / "a", "text", private=private)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def write_half(file: IO[bytes], error: BaseException) -> None:
    file.write(b"half")
    raise error


@pytest.mark.parametrize("error", [ValueError("half"), KeyboardInterrupt()])
def test_after_an_error_the_old_file_is_unchanged_and_nothing_else_is_left(
    tmp_path: Path, error: BaseException
) -> None:
    write(tmp_path / "a", "old")
    with pytest.raises(type(error)), atomic_write(tmp_path / "a") as file:
        write_half(file, error)
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_the_file_is_synced_before_its_name_appears_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def note_replace(source: Path, target: Path) -> None:
        done.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write(tmp_path / "a", "text")
    assert done == ["file", "name", "folder"]


def test_of_several_files_none_is_replaced_if_one_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path / "a", "old")
    full = OSError(errno.ENOSPC, "full")
    with (
        pytest.raises(OSError, match="full"),
        atomic_write(tmp_path / "b") as cut_short,
        atomic_write(tmp_path / "a"),
    ):
        write_half(cut_short, full)
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_cannot_be_opened_as_on_windows_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def open_no_folder(path: Path, flags: int, mode: int = 0o777) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", open_no_folder)
    write(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")


class InUse(PermissionError):
    """Return the error of Windows for a file that another program has open."""

    winerror = 32


def refuse(times: int, error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, left = os.replace, [error] * times

    def sometimes(source: Path, target: Path) -> None:
        if left:
            raise left.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", sometimes)


def test_a_file_that_another_program_opened_briefly_is_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    refuse(3, InUse(errno.EACCES, "in use"), monkeypatch)
    write(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"
    assert len(slept) == 3


def test_a_file_that_stays_open_is_an_error_after_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    refuse(100, InUse(errno.EACCES, "in use"), monkeypatch)
    with pytest.raises(InUse):
        write(tmp_path / "a", "text")
    assert 0.5 < sum(slept) < 2
    assert os.listdir(tmp_path) == []


def test_a_permission_error_is_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    refuse(1, PermissionError(errno.EACCES, "never"), monkeypatch)
    with pytest.raises(PermissionError, match="never"):
        write(tmp_path / "a", "text")
    assert slept == []


def test_a_folder_is_renamed_with_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "made" / "inner").mkdir(parents=True)
    (tmp_path / "made" / "inner" / "a").write_text("text")
    replace_folder(tmp_path / "made", tmp_path / "run")
    assert (tmp_path / "run" / "inner" / "a").read_text() == "text"
    assert os.listdir(tmp_path) == ["run"]
