"""Writes files that take their name only once they are whole and on the disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from io import BufferedRandom
from pathlib import Path

# Windows refuses to replace a file that somebody has open, and virus scanners open every new one
# for a moment: "access is denied" and "used by another process".
_IN_USE = frozenset({5, 32})
_IN_USE_WAITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # seconds


@contextlib.contextmanager
def atomic_write(path: Path, *, private: bool = False) -> Iterator[BufferedRandom]:
    """Write a file, in place of an older one of its name: all of it or nothing.

    What is written goes to `.NAME.RANDOM.tmp` in the same folder, for only within a file system is
    replacing atomic. After an error nothing of it is left, and an older file stays as it was. To
    replace several files only once all can be written, enter one context for each before writing.

    Parameters
    ----------
    path
        The file; its folder must be there.
    private
        Whether only its owner may read it.

    Yields
    ------
    BufferedRandom
        What to write to; it can be read and sought as well.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    mode = 0o600 if private else 0o666  # before the umask
    try:
        with open(unfinished, "x+b", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _replace(unfinished, path)
    except BaseException:
        # Where nothing can be written nothing can be removed; that must not hide why.
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_folder(unfinished: Path, folder: Path) -> None:
    """Rename a folder to its final name once everything in it is on the disk.

    Both must be on one file system, and nothing in the folder may be open.
    """
    for path in unfinished.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:  # Windows syncs only what may be written
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(unfinished)
    _replace(unfinished, folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what was put into a folder, or removed from it, outlast a power cut."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # Windows opens no folder, and elsewhere one may be for writing alone.
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(unfinished: Path, path: Path) -> None:
    for wait in _IN_USE_WAITS:
        try:
            os.replace(unfinished, path)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _IN_USE:
                raise
        else:
            return
        time.sleep(wait)  # Windows: a virus scanner or a reader has it open for a moment
    os.replace(unfinished, path)
