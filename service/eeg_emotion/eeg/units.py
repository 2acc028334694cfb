"""Units of voltage as spelled by headsets and files, as factors to microvolts.

Nothing is guessed here: a text has a factor, or states no unit, or states that the channel is not a
voltage. A text that is a voltage with an unreadable prefix states no unit.
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
# The micro sign is the only prefix outside ASCII, and its bytes differ between code pages. Those of
# every page of several bytes a sign mean nothing else before a V, nor do these single ones: Latin-1
# and most of Windows and Macintosh, and DOS.
_MICRO_SIGNS = "\u00b5\u03bc"
_WIDE_PAGES = ("utf-8", "shift_jis", "gbk", "gb18030", "euc_jp", "euc_kr", "johab", "big5")
_MICRO_BYTES = frozenset(
    {b"\xb5", b"\xe6"}
    | {sign.encode(page, errors="ignore") for page in _WIDE_PAGES for sign in _MICRO_SIGNS}
) - {b""}
_BEFORE_VOLTS = re.compile(
    r"(?P<prefix>[^\x00-\x7f].{0,3}?) ?v(?:olts?)?", re.IGNORECASE | re.DOTALL
)
# Any other sign before a V is a lost micro sign, or milli in another script: in one code page a
# byte is a Greek mu, in another a Cyrillic m. The amplitude decides, never the text.
_FOREIGN_PREFIX = re.compile(
    r"(?P<prefix>\?{1,3}|[^\x00-\x7f](?:.{0,4}[^\x00-\x7f])?) ?v(?:olts?)?",
    re.IGNORECASE | re.DOTALL,
)
_CYRILLIC = {"мкв": "uv", "мв": "mv", "нв": "nv", "в": "v"}
_CYRILLIC_PAGES = ("cp1251", "koi8_r", "cp866", "iso8859_5")

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

    Neither does a ``V`` after a sign that cannot be read. Anything else that has no factor, such as
    ``µS`` or ``counts``, means that it is not a voltage.
    """
    return _plain(unit) in _UNSTATED


def unit_name(microvolts: float) -> str:
    """Return the unit that equals `microvolts` microvolts: ``V``, ``mV``, ``µV`` or ``nV``."""
    return _NAMES[microvolts]


def _plain(unit: str) -> str:
    """Return the text in lower case and ASCII as far as possible; "" for an unreadable prefix."""
    text = "".join(sign for sign in unit if unicodedata.category(sign) != "Cf").strip()
    found = _BEFORE_VOLTS.fullmatch(text)
    if found is not None and _is_micro(found["prefix"]):
        return f"uv{text[found.end('prefix') :].strip()[1:]}"
    if _FOREIGN_PREFIX.fullmatch(text) is not None:
        return ""
    if (russian := _russian(text)) is not None:
        return russian
    # NFKC maps one of the two mu characters to the other, and decomposes the squared one.
    return unicodedata.normalize("NFKC", text).strip().lower().replace("\u03bc", "u")


def _is_micro(prefix: str) -> bool:
    if unicodedata.normalize("NFKC", prefix) == "\u03bc":
        return True
    # Headers are often read in another code page than they were written in.
    return any(_bytes(prefix, page) in _MICRO_BYTES for page in ("latin-1", "cp1252"))


def _russian(text: str) -> str | None:
    """Return a Russian unit in Latin letters; "" where its bytes may mean another prefix."""
    if (known := _CYRILLIC.get(text.lower())) is not None:
        return known
    content = _bytes(text, "latin-1")
    if content is None or content.isascii():
        return None
    readings = {
        _CYRILLIC.get(content.decode(page, errors="replace").lower()) for page in _CYRILLIC_PAGES
    } - {None}
    if not readings:
        return None
    return "uv" if readings == {"uv"} else ""


def _bytes(text: str, page: str) -> bytes | None:
    try:
        return text.encode(page)
    except UnicodeEncodeError:
        return None
