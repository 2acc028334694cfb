"""Shared by the benches: print each figure with its aim, and whether it was met."""

from __future__ import annotations

import pytest
from tests.support.report import Report


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Print a figure with its aim; `met` is None if there is no aim."""

    def tell(what: str, figure: str, aim: str = "", met: bool | None = None) -> None:
        mark = {True: "met", False: "MISSED", None: ""}[met]
        print(f"\n{what:<58} {figure:>22}   {aim} {mark}".rstrip(), end="", flush=True)

    print(f"\n== {request.node.name}", end="")
    return tell
