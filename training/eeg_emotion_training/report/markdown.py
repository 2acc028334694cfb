"""Names and numbers as Markdown, which shows them as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from eeg_emotion_training.report.tables import Table


def markdown_table(table: Table) -> str:
    """Write a table."""
    lines = [table.header, ("---",) * len(table.header), *table.rows]
    cells = [[cell if cell == "---" else plain(cell) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def plain(text: str) -> str:
    """Write names and reasons, whatever is in them, so that Markdown shows them as they are."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def listed(names: Sequence[str]) -> str:
    """List names as a sentence does."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
