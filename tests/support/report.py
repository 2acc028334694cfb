"""What benches print their figures with."""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Prints a figure with its aim; `met` is None if there is no aim."""

    def __call__(self, what: str, figure: str, aim: str = "", met: bool | None = None) -> None: ...
