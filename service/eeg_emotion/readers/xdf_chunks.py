"""The chunks of an XDF file, walked before its reader believes them.

The reader looks for the next boundary where a chunk is damaged, and continues as if nothing were
missing: samples without stamps of their own would close up.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

from eeg_emotion.recordings.recording import RecordingError

_MAGIC = b"XDF:"
_LENGTH_BYTES = (1, 4, 8)
_TAGS = range(1, 7)  # file header, stream header, samples, clock offset, boundary, stream footer
_SMALLEST = 2  # a chunk has at least its tag
_READ_AT_ONCE = 2**20


def whole_chunks(path: Path, file: io.BufferedIOBase) -> tuple[int, bool]:
    """Find the end of the last whole chunk.

    Parameters
    ----------
    path
        The file's name for messages.
    file
        The open file, decompressed.

    Returns
    -------
    tuple
        The offset of that end in bytes, and whether the file ends there. Otherwise it is cut
        within a chunk, as where a recorder has crashed.

    Raises
    ------
    RecordingError
        If it is no XDF file, or if what follows a chunk is none.
    """
    if (first := file.read(4)) != _MAGIC:
        raise RecordingError(
            f"{path.name}: found a file that begins with {first!r}, expected {_MAGIC!r}: it is no "
            "XDF file; copy it again from its source, or name it by its format"
        )
    end = 4
    while True:
        head = file.read(1)
        if not head:
            return end, True
        if head[0] not in _LENGTH_BYTES:
            raise _damaged(path, end)
        size = file.read(head[0])
        if len(size) < head[0]:
            return end, False
        length = int.from_bytes(size, "little")
        tag = file.read(2)
        if len(tag) == _SMALLEST and (
            length < _SMALLEST or struct.unpack("<H", tag)[0] not in _TAGS
        ):
            raise _damaged(path, end)
        if len(tag) < _SMALLEST or not _skip(file, length - _SMALLEST):
            return end, False
        end += 1 + head[0] + length


def _skip(file: io.BufferedIOBase, count: int) -> bool:
    """Read so many bytes; return whether they were there. The stated number may be anything."""
    while count:
        part = len(file.read(min(count, _READ_AT_ONCE)))
        if not part:
            return False
        count -= part
    return True


def _damaged(path: Path, end: int) -> RecordingError:
    return RecordingError(
        f"{path.name}: found something else than a chunk after byte {end}, expected one: the file "
        "is damaged there, and samples are missing or shifted; copy it again from its source, in "
        "binary mode"
    )
