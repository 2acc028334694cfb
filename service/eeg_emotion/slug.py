"""Ids made of names that others chose: safe in addresses and subjects, and distinct."""

from __future__ import annotations

import hashlib
import re

LONGEST = 64
"""Characters of the longest slug."""

_DIGITS = 8  # of the hash: 32 bits, so that 1000 such names collide with a chance of 1 in 8600
_READ = 4 * LONGEST  # of a name; a stranger may state one of any length


def slug(text: str, otherwise: str) -> str:
    """Return a text as lower-case letters, digits and single hyphens.

    Parameters
    ----------
    text
        Such as a source id. If it already has this form and at most `LONGEST` characters, it is
        returned as it is. Otherwise something is lost, such as case, punctuation or another
        script, and a hyphen and eight hex digits of the SHA-256 of the exact text are appended, so
        that different texts have different slugs.
    otherwise
        What precedes the digits if no character of the text can be kept.
    """
    kept = re.sub(r"[^a-z0-9]+", "-", text[:_READ].lower()).strip("-")
    if kept == text and 0 < len(text) <= LONGEST:
        return text
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{kept[: LONGEST - _DIGITS - 1].strip('-') or otherwise}-{digits}"
