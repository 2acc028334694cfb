"""Pages in Markdown: their links, code and headings, each with its line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).resolve().parents[2]
_PAGES = (
    "*.md",
    ".github/**/*.md",
    "docker/**/*.md",
    "docs/**/*.md",
    "models/*.md",
    "service/*.md",
    "training/*.md",
)
# What Sphinx built, and what a release joins to the changelog.
_NO_PAGES = ("docs/_build/", "docs/news/")
_PARSER = MarkdownIt("commonmark").enable("table")
# Sphinx's own fences: what stands in them is neither code nor a command.
_DIRECTIVE = re.compile(r"\{[\w-]+\}")


@dataclass(frozen=True)
class Piece:
    """A part of a page: a link's target, some code, or a heading.

    Attributes
    ----------
    text
        The part's text.
    line
        Its line, from 1.
    language
        Of a block of code, what the block says that it is; empty for code within a sentence.
    """

    text: str
    line: int
    language: str = ""


@dataclass(frozen=True)
class Problem:
    """Something in a page that is not so.

    Attributes
    ----------
    page, line
        Where.
    found
        What is wrong, and what to do about it.
    """

    page: str
    line: int
    found: str

    def __str__(self) -> str:
        """Return it as one line, as compilers do."""
        return f"{self.page}:{self.line}: {self.found}"


class Page:
    """One page.

    Attributes
    ----------
    name
        Its path in the repository.
    text
        Its Markdown.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    @cached_property
    def _tokens(self) -> list[Token]:
        return _PARSER.parse(self.text)

    @cached_property
    def links(self) -> list[Piece]:
        """Targets of links and images, as they are written."""
        return [
            Piece(str(token.attrs.get("href", token.attrs.get("src", ""))), line)
            for token, line in self._inline()
            if token.type in ("link_open", "image")
        ]

    @cached_property
    def code(self) -> list[Piece]:
        """Code within sentences and tables, and of links."""
        return [
            Piece(" ".join(token.content.split()), line)
            for token, line in self._inline()
            if token.type == "code_inline"
        ]

    @cached_property
    def blocks(self) -> list[Piece]:
        """Blocks of code, without those that are Sphinx's."""
        return [
            Piece(token.content, (token.map or [0])[0] + 2, token.info.split(" ")[0])
            for token in self._tokens
            if token.type == "fence" and not _DIRECTIVE.match(token.info)
        ]

    @cached_property
    def anchors(self) -> frozenset[str]:
        """The headings' anchors, as GitHub makes them."""
        seen: Counter[str] = Counter()
        made = set()
        for before, token in zip(self._tokens, self._tokens[1:], strict=False):
            if before.type == "heading_open":
                slug = _slug(token)
                made.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
                seen[slug] += 1
        return frozenset(made)

    def _inline(self) -> Iterator[tuple[Token, int]]:
        """Yield every part of a sentence, with its line."""
        line = 1
        for token in self._tokens:
            if token.map is not None:
                line = token.map[0] + 1
            now = line
            for child in token.children or ():
                if child.type in ("softbreak", "hardbreak"):
                    now += 1
                yield child, now


def pages(root: Path = REPOSITORY) -> list[Page]:
    """Return every page of the repository, sorted."""
    found = {path for pattern in _PAGES for path in root.glob(pattern)}
    named = {path.relative_to(root).as_posix(): path for path in found}
    return [
        Page(name, path.read_text(encoding="utf-8"))
        for name, path in sorted(named.items())
        if not name.startswith(_NO_PAGES)
    ]


def _slug(heading: Token) -> str:
    text = "".join(child.content for child in heading.children or () if child.content)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
