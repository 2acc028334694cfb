"""Whether links within the repository lead somewhere, and how far each page is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from tests.support.markdown import REPOSITORY, Page, Problem

_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def broken_links(pages: Sequence[Page], root: Path = REPOSITORY) -> Iterator[Problem]:
    """Yield every link to a file or a heading that is not there; none to a network is followed."""
    by_name = {page.name: page for page in pages}
    for page in pages:
        for link in page.links:
            if not _ELSEWHERE.match(link.text) and (
                wrong := _wrong(page, link.text, by_name, root)
            ):
                yield Problem(page.name, link.line, wrong)


def distances(pages: Sequence[Page], doors: Sequence[str]) -> dict[str, int]:
    """Return how many links each page that can be reached is away from the nearest door."""
    by_name = {page.name: page for page in pages}
    found = dict.fromkeys(doors, 0)
    ahead = list(doors)
    for name in ahead:  # it grows: the pages come by their distance
        for link in by_name[name].links:
            if _ELSEWHERE.match(link.text):
                continue
            target = _target(by_name[name], link.text)
            if target in by_name and target not in found:
                found[target] = found[name] + 1
                ahead.append(target)
    return found


def _target(page: Page, link: str) -> str:
    """Return the path in the repository that a page's link names."""
    path = link.partition("#")[0]
    folder = posixpath.dirname(page.name)
    return posixpath.normpath(posixpath.join(folder, unquote(path))) if path else page.name


def _wrong(page: Page, link: str, by_name: Mapping[str, Page], root: Path) -> str:
    path, _, anchor = link.partition("#")
    target = _target(page, link)
    if target.startswith("../") or path.startswith("/"):
        return f"found a link to {link}, outside the repository; link to a file in it"
    if target not in by_name and not (root / target).exists():
        return f"found a link to {link}, but there is no {target}; correct the link"
    if not anchor:
        return ""
    if target not in by_name:
        return f"found a link to {link}, but {target} is no page with headings; leave out the #"
    if unquote(anchor) not in by_name[target].anchors:
        known = ", ".join(sorted(by_name[target].anchors))
        return f"found a link to {link}, but {target} has no such heading; it has {known}"
    return ""
