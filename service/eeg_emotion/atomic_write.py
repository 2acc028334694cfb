"""Write files that appear under their name only once they are complete and on the disk."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from io import BufferedRandom
from pathlib import Path

# The errors "access is denied" and "used by another process": Windows refuses to replace a file
# that another program has open, and virus scanners open every new one for a moment.
_IN_USE = frozenset({5, 32})
_IN_USE_WAITS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # seconds


@contextlib.contextmanager
def atomic_write(path: Path, *, private: bool = False) -> Iterator[BufferedRandom]:
    """Write a file completely or not at all, replacing an existing one.

    The content goes to `.NAME.RANDOM.tmp` in the same folder, because replacing is atomic only
    within a file system. After an error no part of it is left, and an existing file stays as it
    was. To replace several files only once all can be written, enter one context for each before
    writing.

    Parameters
    ----------
    path
        The file; its folder must exist.
    private
        Whether only its owner may read it.

    Yields
    ------
    BufferedRandom
        The file to write to; it is readable and seekable as well.

    Raises
    ------
    OSError
        If the file cannot be written.
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
        # A folder that cannot be written to fails here again, which must not hide the cause.
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_folder(unfinished: Path, folder: Path) -> None:
    """Rename a folder to its final name once everything in it is on the disk.

    Both paths must be on one file system, and no file in the folder may be open.
    """
    for path in unfinished.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:  # Windows can only sync a writable file
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(unfinished)
    _replace(unfinished, folder)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make files added to or removed from a folder survive a power cut."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # Windows cannot open folders, and elsewhere a folder may be write-only.
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
