r"""The text in EDF+ and BDF+ files: when each record begins, and what was noted.

Each record begins with a time-stamped list that has the record's onset, then those of the notes:
``+12.5 \x14 \x14 \x00 +13.25 \x15 duration \x14 note \x14 \x00``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LIST = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15\d+(?:\.\d*)?)?\x14((?:[^\x14\x00]*\x14)*)\x00")


@dataclass(frozen=True, slots=True)
class Texts:
    """The text of one file.

    Attributes
    ----------
    onsets
        When each record begins, seconds since the first; None where a record does not say so.
    decimals
        Decimals with which the onsets are written.
    notes
        When and what, in the file's order; seconds since the first record.
    misplaced
        The number of the first record without a list where one belongs; None if all have one.
    """

    onsets: tuple[float | None, ...]
    decimals: int
    notes: tuple[tuple[float, str], ...]
    misplaced: int | None


def read_texts(records: Sequence[Sequence[bytes]]) -> Texts:
    """Read the text of each record: the bytes of each of its signals of text."""
    onsets: list[float | None] = []
    notes: list[tuple[float, str]] = []
    decimals, misplaced, zero = 0, None, None
    for number, signals in enumerate(records):
        first = signals[0]
        began = _LIST.match(first)
        if began is None:
            # Not all recorders fill all records; but what is there must be a list.
            if first.strip(b"\x00") and misplaced is None:
                misplaced = number
            onsets.append(None)
        else:
            zero = float(began[1]) if zero is None else zero
            decimals = max(decimals, len(began[1].partition(b".")[2]))
            onsets.append(float(began[1]) - zero)
        for signal in signals:
            for onset, texts in _LIST.findall(signal):
                notes += [
                    (float(onset) - (zero or 0.0), _decoded(text))
                    for text in texts.split(b"\x14")
                    if text
                ]
    return Texts(tuple(onsets), decimals, tuple(notes), misplaced)


def holes(texts: Texts, record_seconds: float, sfreq: float) -> list[int]:
    """Return the numbers of the records that do not follow the one before.

    Raises no error: a record without an onset follows.
    """
    scale = 10.0**texts.decimals
    exact = abs(record_seconds * scale - round(record_seconds * scale)) < 1e-6
    # Half a sample period, as live; more if the onsets are rounded to fewer decimals than needed.
    tolerance = max(0.5 / sfreq, 0.0 if exact else 1.0 / scale)
    found: list[int] = []
    last: tuple[int, float] | None = None
    for number, onset in enumerate(texts.onsets):
        if onset is None:
            continue
        if last is not None:
            expected = last[1] + (number - last[0]) * record_seconds
            if abs(onset - expected) > tolerance:
                found.append(number)
        last = number, onset
    return found


def _decoded(text: bytes) -> str:
    # EDF+ demands UTF-8; older recorders write their machine's code page.
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
