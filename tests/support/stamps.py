"""Stamps of senders, as they arrive: made on sending, dated back, in bursts, out of order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BEGIN = 1000.0
"""The stamp of the first sample, about, seconds."""

Array = NDArray[np.float64]


def stamped_on_sending(
    *, nominal: float, real: float, jitter: float, chunk: int, seconds: float
) -> Iterator[Array]:
    """Yield chunks dated back from when each is sent, up to `jitter` seconds late."""
    rng, last = np.random.default_rng(1), 0.0
    for number in range(round(seconds * real / chunk)):
        sent = BEGIN + (number + 1) * chunk / real + rng.uniform(0.0, jitter)
        last = max(last + 1e-4, sent)  # a clock only moves forward
        yield np.asarray(last - np.arange(chunk)[::-1] / nominal, dtype=np.float64)


def in_bursts(*, real: float, sizes: tuple[int, ...], seconds: float) -> Iterator[Array]:
    """Yield bursts of so many samples in turn, each sample stamped as it arrives."""
    count, number = 0, 0
    while count < seconds * real:
        size = sizes[number % len(sizes)]
        number, count = number + 1, count + size
        yield np.asarray(BEGIN + count / real + np.arange(size) * 1e-5, dtype=np.float64)


def regular(*, real: float, chunk: int, seconds: float) -> list[Array]:
    """Return chunks stamped by a sample clock."""
    stamps = BEGIN + np.arange(round(seconds * real / chunk) * chunk) / real
    return np.split(stamps, len(stamps) // chunk)
