"""Finds digits that have wrapped: an integer too small for the amplitude begins again below."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

FEWEST_STEPS = 3
"""A cosmic ray or a damaged byte makes one or two such steps, wrapping many."""

_SHARE = 0.9


def wrapped_steps(blocks: Iterable[NDArray[np.integer]], bits: int) -> NDArray[np.intp]:
    """Count the steps of nearly the whole range of an integer, as wrapping makes them.

    A step between the two ends of the range is none: an amplifier that saturates makes it.

    Parameters
    ----------
    blocks
        `(channels, samples)` digits, one block after the other.
    bits
        The integer's width.

    Returns
    -------
    NDArray[np.intp]
        `(channels,)`; empty without blocks.
    """
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    found: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
    last: NDArray[np.int64] | None = None
    for block in blocks:
        digits = block.astype(np.int64)
        joined = digits if last is None else np.concatenate([last, digits], axis=1)
        wide = np.abs(np.diff(joined, axis=1)) > _SHARE * (1 << bits)
        railed = (joined == low) | (joined == high)
        steps = (wide & ~(railed[:, 1:] & railed[:, :-1])).sum(axis=1)
        found = steps if last is None else found + steps
        last = joined[:, -1:]
    return found
