"""What the report's figures have in common."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind people can distinguish; each model has a mark too.
LOOKS = {
    "gru": ("#0072B2", "o"),
    "bn-gru": ("#D55E00", "s"),
    "lstm": ("#009E73", "^"),
    "bn-lstm": ("#CC79A7", "D"),
    "logistic": ("#56B4E9", "v"),
    "majority": ("#000000", "x"),
    "person-majority": ("#666666", "+"),
}
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    # Text stays text: it can be searched, and read aloud.
    "svg.fonttype": "none",
}
_LEAST_INCHES = 6.0
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure.

    Attributes
    ----------
    name
        Its file's name without the ending.
    svg
        The `svg` element.
    alt
        What it shows, for those who do not see it.
    caption
        How to read it.
    """

    name: str
    svg: str
    alt: str
    caption: str


def panels(titles: Sequence[str], width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Make one panel beside the other, inches each."""
    # A legend has to fit below a single panel too.
    figure = Figure(figsize=(max(_LEAST_INCHES, width * len(titles)), height), layout="constrained")
    made = [figure.add_subplot(1, len(titles), place + 1) for place in range(len(titles))]
    for axes, title in zip(made, titles, strict=True):
        axes.set_title(title)
    return figure, made


def legend(figure: Figure, axes_of: Sequence[Axes]) -> None:
    """Name every mark once, below the panels."""
    named: dict[str, Artist] = {}
    for axes in axes_of:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(name, handle)
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=min(3, len(named))
    )


def plot(figure: Figure, name: str, alt: str, caption: str) -> Plot:
    """Write a figure as SVG text."""
    text = io.StringIO()
    # The salt names the marks in the file; each figure's differ, for all stand in one page.
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    svg = text.getvalue()
    # The document type names an outside address, and a page of several SVGs has no place for it.
    svg = svg[svg.index("<svg ") :].replace(
        "<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1
    )
    return Plot(name, svg, alt, caption)
