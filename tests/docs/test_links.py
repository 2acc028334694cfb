"""Every link within README and docs leads to a file and a heading that are there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.links import broken_links
from tests.support.markdown import Page, pages


def test_every_link_leads_somewhere() -> None:
    problems = list(map(str, broken_links(pages())))
    assert not problems, "\n".join(["", *problems])


def test_the_pages_are_all_found() -> None:
    names = {page.name for page in pages()}
    assert {
        "README.md",
        "docs/index.md",
        "docs/reference/PROTOCOL.md",
        "docs/reference/rest.md",
        "models/demo-simulated.md",
    } <= names
    assert not any("_build" in name for name in names)


def found(text: str, tmp_path: Path, *, name: str = "docs/how-to/a.md") -> list[str]:
    """Return what is found in a page, beside another one and a picture."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.png").touch()
    other = Page("docs/b.md", "# Title\n\n## The `code`, and more!\n\n## Twice\n\n## Twice\n")
    return list(map(str, broken_links([Page(name, text), other], tmp_path)))


@pytest.mark.parametrize(
    "link",
    [
        "[b](../b.md)",
        "[b](../b.md#the-code-and-more)",
        "[b](../b.md#twice-1)",
        "![picture](../a.png)",
        "[here](#first)",
        "[far away](https://example.org/none.md)",
        "[mail](mailto:someone@example.org)",
        "`[code](none.md)`",
        "[folder](../)",
    ],
)
def test_what_is_there_is_passed(tmp_path: Path, link: str) -> None:
    assert found(f"# First\n\nSee {link}.\n", tmp_path) == []


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("[b](b.md)", "there is no docs/how-to/b.md"),
        ("[b](../b.md#none)", "docs/b.md has no such heading; it has the-code-and-more, "),
        ("[here](#none)", "docs/how-to/a.md has no such heading; it has first"),
        ("![picture](../b.png)", "there is no docs/b.png"),
        ("[picture](../a.png#top)", "docs/a.png is no page with headings"),
        ("[out](../../../b.md)", "outside the repository"),
        ("[root](/docs/b.md)", "outside the repository"),
    ],
)
def test_what_is_not_there_is_found_with_its_place(tmp_path: Path, link: str, words: str) -> None:
    (problem,) = found(f"# First\n\nOne line,\nsee {link}.\n", tmp_path)
    assert problem.startswith("docs/how-to/a.md:4: found a link to ")
    assert words in problem


def test_a_link_in_a_table_has_its_row_s_line(tmp_path: Path) -> None:
    (problem,) = found("# First\n\n| a |\n|---|\n| [x](#first) |\n| [x](no.md) |\n", tmp_path)
    assert problem.startswith("docs/how-to/a.md:6: ")


def test_a_link_of_several_words_over_two_lines_is_read(tmp_path: Path) -> None:
    (problem,) = found("# First\n\nSee [two\nlines](no.md).\n", tmp_path)
    assert "no.md" in problem
