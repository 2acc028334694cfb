"""The documentation as Sphinx builds it: whole, without a warning, and read without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.support.browser import Page
from tests.support.markdown import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.needs("time")]


@dataclass(frozen=True)
class Built:
    """What a build left: its folder, and what it printed."""

    folder: Path
    status: int
    output: str


def build(pages: Path, folder: Path) -> Built:
    """Build pages as `make docs` does."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-c", REPOSITORY / "docs", pages, folder],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return Built(folder, done.returncode, done.stdout)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build everything, from nothing."""
    return build(REPOSITORY / "docs", tmp_path_factory.mktemp("docs") / "html")


class Elements(HTMLParser):
    """The addresses that a page loads by itself, and the places that can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "src" in given:
            self.loaded.append(given["src"])
        if tag == "link":
            self.loaded.append(given.get("href", ""))
        if "id" in given:
            self.places.add(given["id"])


def test_the_documentation_is_built_without_a_warning(built: Built) -> None:
    assert built.status == 0, built.output
    assert built.output == ""


def test_every_page_that_git_has_is_built(built: Built) -> None:
    for page in (REPOSITORY / "docs" / "reference").glob("*.md"):
        assert (built.folder / "reference" / f"{page.stem}.html").is_file(), page
    assert (built.folder / "index.html").is_file()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_a_text_at_the_root_is_a_page_and_no_download(built: Built, name: str) -> None:
    assert list((built.folder / "_downloads").glob(f"*/{name}")) == []
    (title,) = re.findall(r"^# (.+)$", (REPOSITORY / name).read_text(encoding="utf-8"), re.M)[:1]
    pages = [*(built.folder / "project").glob("*.html"), built.folder / "reference/changelog.html"]
    assert any(f"<h1>{title}<a " in page.read_text(encoding="utf-8") for page in pages)


def test_links_from_and_to_an_included_text_lead_to_pages(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (tmp_path / "root.md").write_text(
        "# Root\n\nA [page](docs/index.md), [another](other.md#below), [itself](root.md).\n",
        encoding="utf-8",
    )
    (tmp_path / "other.md").write_text("# Other\n\n## Below\n", encoding="utf-8")
    for name in ("root", "other"):
        (pages / f"a-{name}.md").write_text(
            f"```{{include}} ../{name}.md\n:relative-docs: docs/\n```\n", encoding="utf-8"
        )
    (pages / "index.md").write_text(
        "# Title\n\nThe [root](../root.md), [below](../other.md#below).\n\n"
        "```{toctree}\n:glob:\n\n*\n```\n",
        encoding="utf-8",
    )
    done = build(pages, tmp_path / "html")
    assert (done.status, done.output) == (0, "")
    assert sentence_links(done, "index", "<p>The ") == ["a-root.html", "a-other.html#below"]
    assert sentence_links(done, "a-root", "<p>A ") == ["index.html", "a-other.html#below", "#"]


def sentence_links(built: Built, page: str, beginning: str) -> list[str]:
    """Return where the links of a page's sentence lead."""
    text = (built.folder / f"{page}.html").read_text(encoding="utf-8")
    (sentence,) = (line for line in text.splitlines() if line.startswith(beginning))
    return re.findall(r'<a [^>]*href="([^"]*)"', sentence)


def test_no_page_loads_anything_from_elsewhere(built: Built) -> None:
    found = {
        f"{page.relative_to(built.folder)}: {address}"
        for page in built.folder.rglob("*.html")
        for address in Elements(page).loaded
        if urlsplit(address).scheme not in ("", "data") or address.startswith("//")
    }
    assert found == set()


def test_no_style_sheet_loads_anything_from_elsewhere(built: Built) -> None:
    for sheet in built.folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert "url(http" not in text.replace('"', "").replace("'", "")
        assert "url(//" not in text.replace('"', "").replace("'", "")


@pytest.mark.parametrize(
    "name", ["openapi.json", "asyncapi.json", "schema/server.json", "schema/client.json"]
)
def test_the_documents_for_tools_can_be_downloaded(built: Built, name: str) -> None:
    (copy,) = (built.folder / "_downloads").glob(f"*/{Path(name).name}")
    assert copy.read_bytes() == (REPOSITORY / "service" / name).read_bytes()


def test_links_out_of_docs_offer_files_and_name_folders_and_others_fail(tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    (tmp_path / "folder").mkdir()
    (tmp_path / "beside.md").write_text("# Beside\n", encoding="utf-8")
    pages.mkdir()
    (pages / "index.md").write_text(
        "# Title\n\nA [page](../beside.md#beside), a [folder](../folder/), [itself](index.md).\n\n"
        "Also [nothing](none.md).\n",
        encoding="utf-8",
    )
    done = build(pages, tmp_path / "html")
    assert (done.status, done.output.count("WARNING")) == (1, 1)
    assert "cross-reference target not found: 'none.md'" in done.output
    text = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    (sentence,) = (line for line in text.splitlines() if line.startswith("<p>A "))
    assert re.search(r'<a [^>]*download="" href="_downloads/\w+/beside.md">', sentence)
    assert sentence.count("<a ") == 2


def from_a_network(page: Page) -> list[str]:
    return [each for each in page.addresses if urlsplit(each).scheme not in ("file", "data")]


async def test_the_front_page_asks_no_network_for_anything(built: Built, page: Page) -> None:
    await page.open((built.folder / "index.html").as_uri())
    assert page.addresses
    assert (from_a_network(page), page.complaints) == ([], [])


RESULTS = """new Promise((done) => {
    const end = performance.now() + 60000;
    const look = () => {
        const status = document.querySelector("#search-results p.search-summary");
        const links = [...document.querySelectorAll("#search-results ul.search li > a")];
        if (status && links.length) done(links.map((link) => link.href));
        else if (performance.now() > end) done([]);
        else setTimeout(look, 20);
    };
    look();
})"""


async def test_search_works_from_a_disk(built: Built, page: Page) -> None:
    await page.open((built.folder / "search.html").as_uri() + "?q=baseline")
    found = await page.value(RESULTS)
    assert (from_a_network(page), page.complaints) == ([], [])
    assert any("/reference/messages.html" in each for each in found), found
    assert [each for each in found if not leads_somewhere(each)] == []


def leads_somewhere(found: str) -> bool:
    """Return whether a file and the place in it are there."""
    address = urlsplit(found)
    target = Path(unquote(address.path))
    if not target.is_file():
        return False
    return not address.fragment or unquote(address.fragment) in Elements(target).places
