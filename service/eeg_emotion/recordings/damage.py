"""What a transfer has done to a binary file, found from its bytes before a sample is believed.

A recording is binary. A program that takes it for text, such as a version control system, FTP or an
e-mail gateway, changes some bytes and shifts all later ones; what then looks like a signal is none.
"""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eeg_emotion.recordings.recording import RecordingError

_EXAMINED_BYTES = 32 * 2**20  # damage by a text mode is everywhere, so the beginning shows it
_HEAD_BYTES = 512
_CR, _LF = 13, 10
_FEWEST_LINE_ENDS = 8  # each that is natural has one chance in 256 to follow a carriage return
_FEWEST_OF_NEIGHBOURS = 50  # where bytes next to LF or CR are this frequent, they are missed
_EXPECTED_PAIRS = 16.0
_FEWEST_HIGH_BYTES = 64
_SMALLEST_FOR_SEVEN_BITS = 4096

_BINARY_AGAIN = (
    "its samples are shifted or changed and cannot be restored; fetch it again from its source "
    "in binary mode (FTP: 'binary'; Git: a line '*{suffix} binary' in .gitattributes, then a fresh "
    "checkout; e-mail: inside a .zip)"
)

# What is often saved under a recording's name: its first bytes, what it is, and the remedy.
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "get the file itself with 'git lfs pull' in its repository",
    ),
    (
        b"/annex/objects/",
        "a pointer of git-annex",
        "get the file itself with 'git annex get' or 'datalad get' in its repository",
    ),
    (b"\x1f\x8b", "a file compressed by gzip", "unpack it with 'gunzip'"),
    (b"BZh", "a file compressed by bzip2", "unpack it with 'bunzip2'"),
    (b"\xfd7zXZ\x00", "a file compressed by xz", "unpack it with 'unxz'"),
    (b"\x28\xb5\x2f\xfd", "a file compressed by zstd", "unpack it with 'unzstd'"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive", "unpack it"),
    (b"%PDF-", "a PDF document", "get the recording itself"),
    (b"{\\rtf", "a text document", "get the recording itself"),
)
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
_PAGE_REMEDY = (
    "a server has sent a page instead of the file, often one for signing in or of an error: read "
    "it in a browser, then download the file itself"
)


def check_transfer(path: Path, *, compressed: bool = False) -> None:
    """Check that a file is not something else under its name, nor damaged as text.

    Parameters
    ----------
    path
        The file. A folder or a file of plain text is not examined.
    compressed
        Whether its reader decompresses gzip itself.

    Raises
    ------
    RecordingError
        If the bytes show such a cause, with its remedy.
    """
    if not path.is_file():
        return
    content = np.fromfile(path, dtype=np.uint8, count=_EXAMINED_BYTES)
    head = content[:_HEAD_BYTES].tobytes()
    foreign = foreign_content(head)
    if foreign is not None and not (compressed and head.startswith(b"\x1f\x8b")):
        what, remedy = foreign
        raise RecordingError(f"{path.name}: found {what}, expected a recording; {remedy}")
    damage = text_damage(content)
    if damage is not None:
        remedy = _BINARY_AGAIN.format(suffix=path.suffix)
        raise RecordingError(
            f"{path.name}: found {damage}, expected the bytes as they were recorded: a transfer "
            f"has taken the file for text; {remedy}"
        )


def foreign_content(head: bytes) -> tuple[str, str] | None:
    """Return what a file is that begins so, and what to do; None if that is not known."""
    for first, what, remedy in _FOREIGN:
        if head.startswith(first):
            return what, remedy
    page = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if page.startswith(_PAGES) or (page.startswith(b"<?xml") and b"<html" in page):
        return "a web page", _PAGE_REMEDY
    return None


def text_damage(content: NDArray[np.uint8]) -> str | None:
    """Return how a text mode has changed a binary file, from its bytes; None if it has not.

    Parameters
    ----------
    content
        `(bytes,)` of the file, or of its first 32 MiB. Plain text is never damaged.
    """
    counts = np.bincount(content, minlength=256)
    if not (counts[:9].sum() + counts[14:32].sum()):
        return None  # plain text: it may have any line ends
    line_feeds = np.flatnonzero(content == _LF)
    after_cr = _after_cr(content, line_feeds)
    pairs = line_feeds[after_cr]
    if (
        len(line_feeds) >= _FEWEST_LINE_ENDS
        and after_cr.all()
        and 2 * _among_binary(content, pairs) >= _FEWEST_LINE_ENDS
    ):
        return "a carriage return before every line feed"
    neighbours = int(counts[[9, 11, 12, 14]].min())
    if neighbours >= _FEWEST_OF_NEIGHBOURS:
        if not counts[_LF]:
            return "no line feed among its bytes"
        if not counts[_CR]:
            return "no carriage return among its bytes"
    if not len(pairs) and _expected_pairs(content) >= _EXPECTED_PAIRS:
        return "no carriage return before any line feed"
    high = int(counts[128:].sum())
    if not high and len(content) >= _SMALLEST_FOR_SEVEN_BITS and (counts[:128] > 0).sum() >= 64:
        return "no byte above 127, so that the eighth bit of all is lost"
    if high >= _FEWEST_HIGH_BYTES and _is_utf8(content):
        return "its bytes converted to UTF-8"
    return None


def _after_cr(content: NDArray[np.uint8], at: NDArray[np.intp]) -> NDArray[np.bool_]:
    after: NDArray[np.bool_] = (at > 0) & (content[np.maximum(at - 1, 0)] == _CR)
    return after


def _among_binary(content: NDArray[np.uint8], pairs: NDArray[np.intp]) -> int:
    """Return how many line ends have a byte beside them that no text contains."""
    beside = np.concatenate(
        [
            content[np.maximum(pairs - 2, 0)][np.newaxis],
            content[np.minimum(pairs + 1, len(content) - 1)][np.newaxis],
        ]
    )
    binary = (beside < 9) | ((beside > 13) & (beside < 32)) | (beside > 126)
    return int(binary.any(axis=0).sum())


def _expected_pairs(content: NDArray[np.uint8]) -> float:
    """Return how many CR LF pairs are to be expected where bytes are independent.

    Even and odd places are counted apart: the upper bytes of small samples are never CR or LF.
    """
    even, odd = content[::2], content[1::2]
    cr_even, cr_odd = (np.count_nonzero(part == _CR) for part in (even, odd))
    lf_even, lf_odd = (np.count_nonzero(part == _LF) for part in (even, odd))
    return (cr_even * lf_odd + cr_odd * lf_even) / max(1, len(odd))


def _is_utf8(content: NDArray[np.uint8]) -> bool:
    try:
        # Not final: the examined part may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(content.tobytes())
    except UnicodeDecodeError:
        return False
    return True
