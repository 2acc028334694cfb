"""The table of docs/how-to/headsets.md matches how the code maps each headset's labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from eeg_emotion.eeg.caps import cap_named
from eeg_emotion.eeg.layout import ChannelsMissing, plan_layout
from eeg_emotion.inference.model import demo_model_path, load_model

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "headsets.md"
_HEADING = "## What the demo model finds"
_COLUMNS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    headset: str
    labels: tuple[str, ...]
    cap: str | None
    found: int
    verdict: str


def _expand(label: str) -> list[str]:
    """Expand `A1..A32`."""
    span = re.fullmatch(r"(\D*)(\d+)\.\.(\D*)(\d+)", label)
    if span is None:
        return [label]
    prefix, first, again, last = span.groups()
    assert prefix == again
    return [f"{prefix}{number}" for number in range(int(first), int(last) + 1)]


def _rows() -> list[Row]:
    _, _, section = _PAGE.read_text(encoding="utf-8").partition(_HEADING)
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    rows = []
    for line in lines:
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        assert len(cells) == _COLUMNS, line
        headset, labels, cap, found, verdict = cells
        rows.append(
            Row(
                headset=headset,
                labels=()
                if labels == "none"
                else tuple(name for label in labels.split(", ") for name in _expand(label)),
                cap=None if cap == "none" else cap,
                found=int(found),
                verdict=verdict,
            )
        )
    return rows


ROWS = _rows()
SETTINGS = load_model(demo_model_path()).contract.path


def _place(row: Row, max_interpolated: int) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the channels measured and interpolated; None if the stream is refused."""
    try:
        layout = plan_layout(
            row.labels,
            ["uV"] * len(row.labels),
            channels=SETTINGS.channels,
            max_interpolated=max_interpolated,
            cap=None if row.cap is None else cap_named(row.cap),
        )
    except ChannelsMissing:
        return None
    return layout.measured, layout.interpolated


def test_the_page_has_a_row_for_each_headset_with_known_labels() -> None:
    text = " ".join(row.headset for row in ROWS)
    for name in ("Cyton", "Daisy", "EPOC X", "Muse", "BioSemi 32", "BioSemi 64", "Unicorn"):
        assert name in text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.headset} {row.cap or ''}".strip())
def test_a_row_counts_the_channels_that_the_code_finds(row: Row) -> None:
    placed = _place(row, max_interpolated=len(SETTINGS.channels))
    assert row.found == (0 if placed is None else len(placed[0]))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.headset} {row.cap or ''}".strip())
def test_a_row_says_what_the_service_says(row: Row) -> None:
    placed = _place(row, max_interpolated=SETTINGS.max_interpolated)
    if placed is None:
        assert row.verdict == "quarantined"
        return
    _, interpolated = placed
    expected = f"accepted; interpolated: {', '.join(interpolated)}" if interpolated else "accepted"
    assert row.verdict == expected


def test_the_page_states_how_many_channels_the_demo_model_needs() -> None:
    needed = len(SETTINGS.channels) - SETTINGS.max_interpolated
    assert f"needs at least {needed} of its {len(SETTINGS.channels)} channels" in " ".join(
        _PAGE.read_text(encoding="utf-8").split()
    )
