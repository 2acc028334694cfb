"""Which streams are headsets', and which markers', by the type that they state."""

from __future__ import annotations

import string
from collections.abc import Iterable

EEG_TYPE = "EEG"
"""The LSL type of headset streams, unless others are set."""

MARKERS_TYPE = "Markers"
"""The LSL type of marker streams."""

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def is_of_type(found: str, wanted: Iterable[str]) -> bool:
    """Return whether a type is one of these, without regard to the case of ASCII letters."""
    return found.translate(_LOWER) in {each.translate(_LOWER) for each in wanted}


def predicate(wanted: Iterable[str]) -> str:
    """Return `is_of_type` as a query of liblsl (XPath 1.0); no type may have a quotation mark."""
    lower = f"translate(type,'{string.ascii_uppercase}','{string.ascii_lowercase}')"
    types = dict.fromkeys(each.translate(_LOWER) for each in wanted)
    # In parentheses: liblsl joins its session id and this with "and", which binds more closely.
    tests = [f"{lower}='{each}'" for each in types]
    return f"({' or '.join(tests)})"
