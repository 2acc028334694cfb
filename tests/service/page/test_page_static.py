"""The page's files: no outside address, no dangling reference, a sentence for every code."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from eeg_emotion.codes import Reason
from eeg_emotion.eeg.normaliser import NormaliserKind
from eeg_emotion.publish.messages import PROTOCOL

STATIC = Path(str(files("eeg_emotion.page"))) / "static"
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
MODULES = sorted(STATIC.glob("*.js"))
SERVED_BY_THE_DAEMON = {"plotly.min.js"}
MADE_BY_THE_DAEMON = {"./codes.js"}
NAMESPACE = "http://www.w3.org/2000/svg"

OUTSIDE = re.compile(r"""\b(?:https?|wss?|ftp)://\w|["'(=]\s*//[\w-]+\.""", re.IGNORECASE)
IMPORT = re.compile(r"""\b(?:from|import)\s*\(?\s*["']([^"']+)["']""")


class Tags(HTMLParser):
    """Every start tag of a document with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def tags() -> list[tuple[str, dict[str, str | None]]]:
    return Tags((STATIC / "index.html").read_text("utf-8")).found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_outside_address(path: Path) -> None:
    found = OUTSIDE.findall(path.read_text("utf-8").replace(NAMESPACE, ""))
    assert not found


@pytest.mark.parametrize(
    "text",
    ['src="https://cdn.example/x.js"', "url(//cdn.example/x)", "import '//a.b/c.js'", "ws://h/"],
)
def test_an_outside_address_would_be_found(text: str) -> None:
    assert OUTSIDE.search(text)


def test_every_reference_of_the_page_exists(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    references = [
        value for _, attrs in tags for key in ("src", "href") if (value := attrs.get(key))
    ]
    assert any(reference.endswith("page.js") for reference in references)
    ids = {attrs.get("id") for _, attrs in tags}
    for reference in references:
        if reference.startswith("#"):
            assert reference[1:] in ids
            continue
        assert reference.startswith("static/"), reference
        name = reference.removeprefix("static/")
        assert name in SERVED_BY_THE_DAEMON or (STATIC / name).is_file(), reference


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_every_import_exists(path: Path) -> None:
    for reference in IMPORT.findall(path.read_text("utf-8")):
        assert reference.startswith("./"), reference
        assert reference in MADE_BY_THE_DAEMON or (STATIC / reference).is_file(), reference


def test_no_module_is_left_over() -> None:
    imported = {name for path in MODULES for name in IMPORT.findall(path.read_text("utf-8"))}
    there = {f"./{path.name}" for path in MODULES} | MADE_BY_THE_DAEMON
    assert imported | {"./page.js"} == there


def test_nothing_inline_that_the_content_security_policy_refuses(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    for tag, attrs in tags:
        assert tag != "style"
        assert tag != "script" or attrs.get("src")
        assert not [name for name in attrs if name == "style" or name.startswith("on")]


def test_plotly_is_deferred_and_behind_the_page(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    scripts = [attrs for tag, attrs in tags if tag == "script"]
    assert [script["src"] for script in scripts] == ["static/page.js", "static/plotly.min.js"]
    assert scripts[0]["type"] == "module"
    assert "defer" in scripts[1]


def test_every_element_the_scripts_ask_for_is_in_the_page(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    asked = {
        name
        for path in MODULES
        for name in re.findall(
            r"""\b(?:getElementById|element|write)\(\s*"([\w-]+)\"""", path.read_text("utf-8")
        )
    }
    assert asked
    assert asked <= set(ids)


def test_every_reason_has_a_hatching_of_its_curves() -> None:
    text = (STATIC / "annotations.js").read_text("utf-8")
    body = re.search(r"^const HATCHES = {\n(.*?)^};$", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    keys = re.findall(r"^\s*(\w+): ", body[1], re.MULTILINE)
    assert sorted(keys) == sorted(Reason)


def test_every_region_is_one_of_two_sure_labels() -> None:
    text = (STATIC / "sentences.js").read_text("utf-8")
    body = re.search(r"^const REGIONS = {\n(.*?)^};$", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    keys = re.findall(r'^\s*"(\w+ \w+)": "', body[1], re.MULTILINE)
    assert sorted(keys) == ["high high", "high low", "low high", "low low"]


def test_the_page_knows_the_normaliser_that_asks_something_of_the_wearer() -> None:
    assert 'normaliser === "rest-baseline"' in (STATIC / "rest.js").read_text("utf-8")
    assert "rest-baseline" in get_args(NormaliserKind)


def test_the_page_speaks_the_protocol_of_the_service() -> None:
    assert f'PROTOCOL = "{PROTOCOL}"' in (STATIC / "client.js").read_text("utf-8")
