"""Whether files of this repository that pages name are there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.support.markdown import REPOSITORY, Page, Problem

_FOLDERS = (
    "service",
    "training",
    "tests",
    "docs",
    "docker",
    "models",
    "requirements",
    ".ci",
    ".github",
)
_PACKAGES = ("service/eeg_emotion", "training/eeg_emotion_training")
# Where a name alone, such as `codes.py` or `fleet/`, is one of the packages.
_OF_THE_CODE = ("docs/topics/", "docs/decisions/")
_PATH = re.compile(r"[\w.{}-]+(/[\w.*{}-]+)*/?")
_MODULE = re.compile(r"eeg_emotion(_training)?(\.\w+)+")
# Written by who follows a page, or by a command.
_MADE = {
    "docs/_build": "make docs",
    "models/mine": "eeg-emotion-train export",
}


def missing_paths(pages: Sequence[Page], root: Path = REPOSITORY) -> Iterator[Problem]:
    """Yield every path or module of this repository in a page's code that is not there.

    Checked are paths from the root, such as `tests/conftest.py`, with a test's name or not; paths
    within a package, such as `stream/timeline.py`; and dotted names, such as `eeg_emotion.client`.
    In topics also names alone, such as `codes.py` and `fleet/`.
    """
    for page in pages:
        for code in page.code:
            is_topic = page.name.startswith(_OF_THE_CODE)
            if wrong := _wrong(code.text, root) or (is_topic and _wrong_alone(code.text, root)):
                yield Problem(page.name, code.line, wrong)


def _wrong(text: str, root: Path) -> str:
    path, _, test = text.partition("::")
    if _MODULE.fullmatch(text):
        return "" if _has_name(text, root) else f"found {text}, but no package has it; correct it"
    if not _PATH.fullmatch(path) or "/" not in path or _is_placeholder(path):
        return ""
    first = path.partition("/")[0]
    if first in _FOLDERS:
        if any(path == made or path.startswith((f"{made}/", f"{made}.")) for made in _MADE):
            return ""
        if not any(root.glob(path.rstrip("/"))):
            return f"found {path}, but the repository has no such file; correct the path"
    elif first in _parts(root) and path.endswith((".py", ".js", ".toml")):
        places = [root / place / path for place in (*_PACKAGES, "service", "training")]
        if not any(place.exists() for place in places):
            return f"found {path}, but no package has such a file; correct the path"
    if test and test not in (root / path).read_text(encoding="utf-8"):
        return f"found {test}, but {path} has no such test; correct its name"
    return ""


def _wrong_alone(text: str, root: Path) -> str:
    if re.fullmatch(r"\w+\.py", text) and text not in _modules(root):
        return f"found {text}, but no package has such a module; correct it"
    if re.fullmatch(r"\w+/", text) and text.rstrip("/") not in _folders(root):
        return f"found {text}, but no package has such a folder; correct it"
    return ""


@cache
def _modules(root: Path) -> frozenset[str]:
    folders = (*_PACKAGES, "docs", "tests")
    return frozenset(path.name for folder in folders for path in (root / folder).rglob("*.py"))


@cache
def _folders(root: Path) -> frozenset[str]:
    packages = [path.name for package in _PACKAGES for path in (root / package).rglob("*/")]
    others = [path.name for place in (root, root / "docker") for path in place.glob("*/")]
    return frozenset((*packages, *others, *(Path(package).name for package in _PACKAGES)))


def _is_placeholder(path: str) -> bool:
    return any(part.isupper() and "." not in part and len(part) > 1 for part in path.split("/"))


@cache
def _parts(root: Path) -> frozenset[str]:
    """Return the folders of both packages."""
    return frozenset(
        folder.name for package in _PACKAGES for folder in (root / package).glob("*/")
    ) | {Path(package).name for package in _PACKAGES}


def _has_name(dotted: str, root: Path) -> bool:
    """Return whether a module of a package has a name; none is imported."""
    package, *names = dotted.split(".")
    place = next(root / one for one in _PACKAGES if one.endswith(f"/{package}"))
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    if not names:
        return True
    module = place / f"{names[0]}.py"
    if module.is_file():
        names.pop(0)
    else:
        module = place / "__init__.py"
    text = module.read_text(encoding="utf-8")
    found = all(re.search(rf"\b{name}\b", text) for name in names)
    return found or dotted in _loggers(root)


@cache
def _loggers(root: Path) -> frozenset[str]:
    """Return the names of loggers that are no module's."""
    sources = [path for package in _PACKAGES for path in (root / package).rglob("*.py")]
    named = (re.findall(r'"(eeg_emotion\.\w+)"', path.read_text("utf-8")) for path in sources)
    return frozenset(name for names in named for name in names)
