"""EDF and BDF files as recorders write them, and as they should not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def time_list(onset: str, *notes: tuple[str, bytes]) -> bytes:
    """The list of times and notes of one record."""
    texts = b"".join(f"+{at}".encode() + b"\x14" + text + b"\x14\x00" for at, text in notes)
    return f"+{onset}".encode() + b"\x14\x14\x00" + texts


def write_edf(
    path: Path,
    digits: Sequence[NDArray[np.integer]],
    *,
    labels: Sequence[str],
    rates: Sequence[int],
    units: Sequence[bytes] | None = None,
    kind: str = "",
    lists: Sequence[bytes] | None = None,
    records: int | None = None,
    digital: tuple[int, int] | None = None,
) -> Path:
    """Write signals in records of 1 s; one digit is a tenth of a unit, in BDF a whole one.

    `digits` has one array for each signal, and `lists` one list of times for each record. The file
    is BDF where its name says so.
    """
    width = 3 if path.suffix == ".bdf" else 2
    low, high = digital or (-(1 << 8 * width - 1), (1 << 8 * width - 1) - 1)
    seconds = min(len(each) // rate for each, rate in zip(digits, rates, strict=True))
    scale = 10 if width == 2 else 1
    names, sizes = list(labels), list(rates)
    stated = list(units or [b"uV"] * len(names))
    if lists is not None:
        names, stated = [*names, f"{path.suffix[1:].upper()} Annotations"], [*stated, b""]
        sizes.append(max(map(len, lists)) // width + 2)
    count = len(names)

    def field(size: int, *values: object) -> bytes:
        texts = (each if isinstance(each, bytes) else str(each).encode() for each in values)
        return b"".join(text.ljust(size) for text in texts)

    content = (
        (b"\xffBIOSEMI" if width == 3 else field(8, 0)) + field(80, "X X X X", "")
        + field(8, "01.01.20", "00.00.00", 256 * (count + 1)) + field(44, kind)
        + field(8, seconds if records is None else records, 1) + field(4, count)
        + field(16, *names) + field(80, *[""] * count) + field(8, *stated)
        + field(8, *[f"{low / scale:.8g}"[:8]] * count)
        + field(8, *[f"{high / scale:.8g}"[:8]] * count)
        + field(8, *[low] * count) + field(8, *[high] * count)
        + field(80, *[""] * count) + field(8, *sizes) + field(32, *[""] * count)
    )  # fmt: skip
    for second in range(seconds):
        for each, rate in zip(digits, rates, strict=True):
            part = each[second * rate : (second + 1) * rate].astype("<i4")
            content += part.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
        if lists is not None:
            content += lists[second].ljust(sizes[-1] * width, b"\x00")
    path.write_bytes(content)
    return path
