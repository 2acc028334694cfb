"""Each news fragment is one plain sentence of a known type, and a release shows all of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEWS = ROOT / "docs" / "news"
TYPES = tuple(
    kind["directory"]
    for kind in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "towncrier"
    ]["type"]
)
MOST_CHARACTERS = 240


def problem(name: str, text: str) -> str | None:
    """Return what is wrong with a fragment, and what is expected; None if nothing is."""
    if not re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(TYPES)})\.md", name):
        return f"{name}: expected +NAME.TYPE.md with one of {', '.join(TYPES)}"
    lines = text.splitlines()
    if len(lines) != 1 or not text.endswith("\n"):
        return f"{name}: found {len(lines)} lines, expected one"
    if len(text) > MOST_CHARACTERS:
        return f"{name}: found {len(text)} characters, expected at most {MOST_CHARACTERS}"
    if text[0] in "-*# " or not text.rstrip().endswith((".", ".`")):
        return f"{name}: expected a sentence with a full stop, without a list's mark"
    return None


@pytest.mark.parametrize("path", sorted(NEWS.glob("*")), ids=lambda path: path.name)
def test_a_fragment_is_one_sentence_of_a_known_type(path: Path) -> None:
    assert problem(path.name, path.read_text(encoding="utf-8")) is None


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("reader.added.md", "A reader.\n", r"expected \+NAME.TYPE.md"),
        ("+reader.feature.md", "A reader.\n", "with one of added, changed, fixed, removed, secur"),
        ("+reader.added.txt", "A reader.\n", r"expected \+NAME.TYPE.md"),
        ("+reader.added.md", "", "found 0 lines, expected one"),
        ("+reader.added.md", "A reader\nof files.\n", "found 2 lines, expected one"),
        ("+reader.added.md", "- A reader.\n", "without a list's mark"),
        ("+reader.added.md", "A reader\n", "with a full stop"),
        ("+reader.added.md", f"{'A reader ' * 40}.\n", "found 362 characters"),
    ],
)
def test_what_is_no_fragment_is_refused(name: str, text: str, expected: str) -> None:
    assert re.search(expected, problem(name, text) or "")


def test_the_next_release_shows_every_fragment() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    shown = " ".join(done.stdout.split())
    assert "## 9.9 (" in shown
    for path in NEWS.glob("*"):
        assert " ".join(path.read_text(encoding="utf-8").split()) in shown, path.name


def test_a_release_is_put_above_the_earlier_ones() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.count("\n<!-- towncrier release notes start -->\n") == 1
    assert "\n## " not in changelog.partition("<!-- towncrier release notes start -->")[0]
