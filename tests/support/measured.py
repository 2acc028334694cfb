"""Coverage is measured in the tests that anyone can run, and in those that need a server.

Tracing costs Python code half of its time again. What runs the same code for seconds or minutes, as
an outside process or for its numbers, is left alone.
"""

from __future__ import annotations

from collections.abc import Generator

import coverage
import pytest

_UNMEASURED = {"time", "installs", "debian root"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Stop measuring while a long test runs."""
    needs = {name for mark in item.iter_markers("needs") for name in mark.args}
    measuring = coverage.Coverage.current()
    if measuring is None or not needs & _UNMEASURED:
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()
