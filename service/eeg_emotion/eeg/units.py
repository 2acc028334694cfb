"""Units of voltage as spelled by headsets and files, as factors to microvolts.

Nothing is guessed here: a text has a factor, or states no unit, or states that the channel is not a
voltage.
"""

from __future__ import annotations

import re
import unicodedata

_PREFIXES = {"": 1e6, "m": 1e3, "u": 1.0, "n": 1e-3}
_WORDS = {"milli": "m", "micro": "u", "nano": "n"}
_SPELLED = re.compile(r"(?P<prefix>milli[ -]?|micro[ -]?|nano[ -]?|[mun]?)v(?:olts?)?")
# An exponent means volts times that power of ten: mne-lsl's streams state the bare number, files a
# factor with or without the V.
_EXPONENT = re.compile(
    r"(?P<bare>[-\u2212]?\d{1,2})"
    r"|(?:1(?:\.0*)?e|10(?:\^|\*\*))(?P<power>[-\u2212]?\d{1,2})(?: ?v(?:olts?)?)?"
)
_EXPONENTS = {0: 1e6, -3: 1e3, -6: 1.0, -9: 1e-3}

_UNSTATED = frozenset(
    {
        "",
        *("n/a", "na", "nan", "n.a.", "none", "null", "nil"),
        *("unknown", "undefined", "unspecified", "not specified", "not available"),
        *("-", "--", "?", "??", "."),
    }
)

_NAMES = {1e6: "V", 1e3: "mV", 1.0: "µV", 1e-3: "nV"}


def microvolts_per(unit: str) -> float | None:
    """Return the factor from `unit` to microvolts; None if it is not a unit of voltage."""
    text = _plain(unit)
    if spelled := _SPELLED.fullmatch(text):
        prefix = spelled["prefix"].rstrip(" -")
        return _PREFIXES[_WORDS.get(prefix, prefix)]
    if stated := _EXPONENT.fullmatch(text):
        exponent = stated["bare"] or stated["power"]
        return _EXPONENTS.get(int(exponent.replace("\u2212", "-")))
    return None


def is_unstated(unit: str) -> bool:
    """Return whether the text states no unit, such as ``n/a``.

    Anything else that has no factor, such as ``µS`` or ``counts``, means that it is not a voltage.
    """
    return _plain(unit) in _UNSTATED


def unit_name(microvolts: float) -> str:
    """Return the unit that equals `microvolts` microvolts: ``V``, ``mV``, ``µV`` or ``nV``."""
    return _NAMES[microvolts]


def _plain(unit: str) -> str:
    # BrainVision's UTF-8 headers are often read as Latin-1: the micro sign becomes two characters.
    # NFKC maps one of the two mu characters to the other, and decomposes the squared one.
    text = unicodedata.normalize("NFKC", unit.replace("\u00c2\u00b5", "\u00b5"))
    return text.strip().lower().replace("\u03bc", "u")
