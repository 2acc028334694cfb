"""Tests and benchmarks that a text names, as `tests/FILE.py` or `tests/FILE.py::NAME`."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

_NAMED = re.compile(r"tests/[\w/.-]+\.py(?:::\w+)*|tests/[\w/-]*\w")


def named_tests(text: str) -> list[str]:
    """Return what a text names, in its order: files with or without a test's name, and folders."""
    return _NAMED.findall(text)


def is_there(name: str) -> bool:
    """Return whether the file or folder exists, and the function or class in it."""
    file, *inside = name.split("::")
    path = ROOT / file
    return path.exists() and (not inside or tuple(inside) in _definitions(path))


@cache
def _definitions(path: Path) -> frozenset[tuple[str, ...]]:
    """Return the functions and classes of a module, and the functions of its classes."""
    found: set[tuple[str, ...]] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add((node.name,))
        if isinstance(node, ast.ClassDef):
            found |= {(node.name, inner.name) for inner in node.body if hasattr(inner, "name")}
    return frozenset(found)
