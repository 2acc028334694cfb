"""Markdown that reads alike on GitHub and in Sphinx."""

from __future__ import annotations

import re
from collections.abc import Sequence

MADE = "`make reference` makes this page from {source}; a test compares it with the code.\n"
"""The sentence under a made page's title."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; a cell is Markdown of any number of lines."""
    lines = [f"| {' | '.join(map(_cell, cells))} |\n" for cells in (head, *rows)]
    return "".join((lines[0], f"|{'---|' * len(head)}\n", *lines[1:]))


def code(text: object) -> str:
    """Return a text as code."""
    return f"`{text}`"


def plain(text: str) -> str:
    """Return a text in which Markdown's own signs stand for themselves."""
    return re.sub(r"([*<\[\]])", r"\\\1", text)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence."""
    return " ".join([", ".join(words[:-1]), last, words[-1]]) if len(words) > 1 else "".join(words)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
