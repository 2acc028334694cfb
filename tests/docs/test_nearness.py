"""Every page is near the front door, by links that any host of plain Markdown shows."""

from __future__ import annotations

import pytest
from tests.support.links import distances
from tests.support.markdown import Page, pages

DOORS = ("README.md", "docs/index.md")


def test_every_page_of_the_documentation_is_within_two_links_of_a_front_door() -> None:
    every = pages()
    clicks = distances(every, DOORS)
    # What only shows another file within the site is read in that file elsewhere.
    own = [page for page in every if not page.text.startswith("```{include}")]
    away = {page.name: clicks.get(page.name) for page in own if page.name.startswith("docs/")}
    assert len(away) >= 80
    assert {name: links for name, links in away.items() if links is None or links > 2} == {}


@pytest.mark.parametrize("page", ["docs/how-to/nginx.md", "docs/how-to/grafana.md"])
def test_what_who_runs_it_for_others_asks_first_is_near_the_readme(page: str) -> None:
    assert distances(pages(), ["README.md"])[page] <= 2


def test_links_are_counted_from_the_nearest_door_and_a_toctree_is_no_link() -> None:
    every = [
        Page("README.md", "[one](docs/one.md#there)\n"),
        Page("docs/index.md", "[two](two.md), [out](https://example.org/five.md)\n"),
        Page("docs/one.md", "[two](two.md)\n\n[three](../docs/three.md)\n"),
        Page("docs/two.md", "```{toctree}\nfour\n```\n\n`[four](four.md)`, [here](#top)\n"),
        Page("docs/three.md", ""),
        Page("docs/four.md", ""),
    ]
    assert distances(every, DOORS) == {
        "README.md": 0,
        "docs/index.md": 0,
        "docs/one.md": 1,
        "docs/two.md": 1,
        "docs/three.md": 2,
    }
