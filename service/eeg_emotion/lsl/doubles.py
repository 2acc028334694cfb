"""Several streams under one headset id: none of them is followed, and all are named."""

from __future__ import annotations

import glob
import shlex
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pylsl

_MOST_NAMED = 4
_LONGEST_NAME = 64


def describe_doubles(identifier: str, streams: Sequence[pylsl.StreamInfo]) -> str:
    """Return which streams share a headset id, and what to do."""
    named = [
        f"{shortened(info.name())!r} on {shortened(info.hostname())} (uid {info.uid()[:8]})"
        for info in streams[:_MOST_NAMED]
    ]
    if more := len(streams) - len(named):
        named.append(f"{more} more")
    stop = "stop one" if len(streams) == 2 else "stop all but one"
    remedy = f"{stop}, or give them distinct source ids in the programs that make them"
    names = Counter(info.name() for info in streams)
    if unique := [name for name, count in names.items() if name and count == 1]:
        remedy += f"; or follow one by its name, such as --match {_pattern(unique[0])}"
    return (
        f"found {len(streams)} streams with the headset id {identifier!r}: {' and '.join(named)}; "
        f"expected one. There is no way to know which one is meant: {remedy}"
    )


def shortened(text: str) -> str:
    """Return a stream's or host's name as messages show it."""
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _pattern(name: str) -> str:
    """Return a pattern of `--match` that the name matches, for a shell."""
    rest = "*" if len(name) > _LONGEST_NAME else ""
    return shlex.quote(glob.escape(name[:_LONGEST_NAME]) + rest)
