"""The guides to headsets match how the code maps each one's labels, and what the doctor prints."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pylsl
import pytest

from eeg_emotion.doctor.checkup import look
from eeg_emotion.doctor.doctor import Discovery, Findings
from eeg_emotion.doctor.findings import StreamFinding
from eeg_emotion.doctor.lines import to_text
from eeg_emotion.eeg.caps import cap_named
from eeg_emotion.eeg.layout import Layout, LayoutError, most_interpolated
from eeg_emotion.eeg.montage import MONTAGES
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.lsl.inlet import StreamDescription
from eeg_emotion.lsl.library import load_library
from eeg_emotion.stream.admission import Admission, StreamRefused
from eeg_emotion.stream.selection import HeadsetFilter

_FOLDER = Path(__file__).parents[2] / "docs" / "how-to" / "headsets"
_INDEX = _FOLDER / "index.md"
PAGES = sorted(page for page in _FOLDER.glob("*.md") if page != _INDEX)
SETTINGS = load_model(demo_model_path()).contract.path


@dataclass(frozen=True)
class Row:
    """One line of the table of what the demo model finds."""

    headset: str
    channel_count: int
    labels: tuple[str, ...]
    unit: str
    sfreq: float
    cap: str | None
    found: int
    verdict: str

    @property
    def name(self) -> str:
        """The name by which a page's output refers to it."""
        return self.headset if self.cap is None else f"{self.headset}; {self.cap}"

    @property
    def description(self) -> StreamDescription:
        """The stream's metadata."""
        return StreamDescription(
            uid="",
            channel_count=self.channel_count,
            labels=self.labels,
            units=(self.unit,) * self.channel_count,
            sfreq=self.sfreq,
            is_text=False,
            simulated=False,
            replay_speed=1.0,
        )


def _expand(label: str) -> list[str]:
    """Expand `A1..A32`."""
    span = re.fullmatch(r"(\D*)(\d+)\.\.(\D*)(\d+)", label)
    if span is None:
        return [label]
    prefix, first, again, last = span.groups()
    assert prefix == again
    return [f"{prefix}{number}" for number in range(int(first), int(last) + 1)]


def _table(heading: str, columns: int) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    _, found, section = _INDEX.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert found, heading
    section = section.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert all(len(row) == columns for row in rows)
    return rows


def _rows() -> list[Row]:
    rows = []
    for headset, stated, unit, sfreq, cap, found, verdict in _table(
        "What the demo model finds", columns=7
    ):
        unlabelled = re.fullmatch(r"none \((\d+)\)", stated)
        labels = (
            ()
            if unlabelled
            else tuple(name for label in stated.split(", ") for name in _expand(label))
        )
        rows.append(
            Row(
                headset=headset,
                channel_count=int(unlabelled[1]) if unlabelled else len(labels),
                labels=labels,
                unit="" if unit == "none" else unit,
                sfreq=float(sfreq),
                cap=None if cap == "none" else cap,
                found=int(found),
                verdict=verdict,
            )
        )
    return rows


ROWS = _rows()
BY_NAME = {row.name: row for row in ROWS}
OWN_MODELS = _table("A model for its own electrodes", columns=4)


def _place(row: Row, channels: tuple[str, ...], max_interpolated: int) -> Layout | None:
    """Return how the service maps the row's stream to a model; None if it refuses the stream."""
    settings = replace(SETTINGS, channels=channels, max_interpolated=max_interpolated)
    cap = None if row.cap is None else cap_named(row.cap)
    try:
        admission = Admission.of(row.description, settings, cap)
    except (LayoutError, StreamRefused):
        return None
    return admission.layout or admission.infer_unit(np.full(row.channel_count, 10.0))


def test_each_row_of_the_table_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(ROWS)
    text = " ".join(BY_NAME)
    for name in ("Cyton", "Daisy", "EPOC X", "Muse", "BioSemi 32", "BioSemi 64", "Unicorn"):
        assert name in text


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_counts_the_channels_that_the_code_finds(row: Row) -> None:
    layout = _place(row, SETTINGS.channels, len(SETTINGS.channels) - 1)
    assert row.found == (0 if layout is None else len(layout.measured))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_says_what_the_service_says(row: Row) -> None:
    layout = _place(row, SETTINGS.channels, SETTINGS.max_interpolated)
    if layout is None:
        assert row.verdict == "quarantined"
        return
    filled = ", ".join(layout.interpolated)
    assert row.verdict == (f"accepted; interpolated: {filled}" if filled else "accepted")


@pytest.mark.parametrize(
    ("headset", "cap", "montage", "measured"), OWN_MODELS, ids=lambda value: str(value)
)
def test_a_model_for_a_headsets_own_electrodes_finds_them_all(
    headset: str, cap: str, montage: str, measured: str
) -> None:
    channels = MONTAGES.get(montage, tuple(montage.split(",")))
    row = BY_NAME[headset if cap == "none" else f"{headset}; {cap}"]
    layout = _place(row, channels, most_interpolated(channels))
    assert layout is not None
    assert layout.interpolated == ()
    assert measured == f"all {len(channels)}"


def test_the_index_states_how_many_channels_the_demo_model_needs() -> None:
    needed = len(SETTINGS.channels) - SETTINGS.max_interpolated
    assert f"needs at least {needed} of its {len(SETTINGS.channels)} channels" in " ".join(
        _INDEX.read_text(encoding="utf-8").split()
    )


# What the pages show of the doctor, against an outlet with the same metadata.


@dataclass(frozen=True)
class Shown:
    """An output of the doctor on a page."""

    page: Path
    row: Row
    text: str

    @property
    def stream(self) -> str:
        """The stream's name."""
        found = re.match(r"stream +'([^']+)'", self.text)
        assert found is not None, self.text
        return found[1]


_OUTPUT = re.compile(
    r"^(?P<indent> *)<!-- doctor: (?P<name>[^\n]+) -->\n *```text\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)


def _shown() -> list[Shown]:
    return [
        Shown(
            page,
            BY_NAME[found["name"]],
            re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE).rstrip("\n"),
        )
        for page in PAGES
        for found in _OUTPUT.finditer(page.read_text(encoding="utf-8"))
    ]


SHOWN = _shown()


def _open(shown: Shown, source_id: str) -> pylsl.StreamOutlet:
    """Open an outlet with the metadata of the row, under the name that the page shows."""
    row = shown.row
    info = pylsl.StreamInfo(shown.stream, "EEG", row.channel_count, row.sfreq, "float32", source_id)
    channels = info.desc().append_child("channels") if row.labels else None
    for label in row.labels:
        assert channels is not None
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        if row.unit:
            channel.append_child_value("unit", row.unit)
    return pylsl.StreamOutlet(info)


@pytest.fixture(scope="module")
def findings(lsl_session: str) -> Iterator[dict[int, StreamFinding]]:
    """Check an outlet for each output shown, by its number."""
    prefix = f"page-{os.getpid()}-"
    outlets = [_open(shown, f"{prefix}{number}") for number, shown in enumerate(SHOWN)]
    infos = pylsl.resolve_bypred(
        f"starts-with(source_id,'{prefix}')", minimum=len(outlets), timeout=20.0
    )
    by_cap: defaultdict[str | None, list[pylsl.StreamInfo]] = defaultdict(list)
    for info in infos:
        number = int(info.source_id().removeprefix(prefix))
        by_cap[SHOWN[number].row.cap].append(info)
    found = [
        finding
        for cap, streams in by_cap.items()
        for finding in look(
            streams,
            SETTINGS,
            HeadsetFilter(cap=None if cap is None else cap_named(cap)),
            seconds=0.0,
        )
    ]
    yield {int(finding.source_id.removeprefix(prefix)): finding for finding in found}
    del outlets


def _printed(finding: StreamFinding) -> str:
    """Return what the doctor prints of one stream."""
    findings = Findings(
        version="",
        python="",
        machine="",
        liblsl=load_library(),
        liblsl_problem=None,
        discovery=Discovery(Scope.MACHINE, "", (), (0, 0), None),
        model="",
        model_good=True,
        held_out=(),
        needs_rest=None,
        seconds=0.0,
        streams=(finding,),
        other_streams=(),
    )
    lines = to_text(findings).splitlines()
    return "\n".join(lines[next(n for n, line in enumerate(lines) if line[:7] == "stream ") :])


def test_every_maker_has_an_output_of_the_doctor() -> None:
    assert {shown.page for shown in SHOWN} == set(PAGES)


@pytest.mark.parametrize(
    "number",
    range(len(SHOWN)),
    ids=[f"{shown.page.stem}: {shown.row.name}" for shown in SHOWN],
)
def test_a_page_shows_what_the_doctor_prints_of_such_a_stream(
    findings: dict[int, StreamFinding], number: int
) -> None:
    shown = SHOWN[number]
    printed = _printed(findings[number])
    expected = ".*?".join(re.escape(part) for part in shown.text.split("..."))
    assert re.fullmatch(expected, printed, re.DOTALL), f"{shown.text}\n\nprinted:\n{printed}"
    # Three dots may stand for what varies or is long, never for the outcome.
    assert printed.splitlines()[0].rpartition(": ")[2] in shown.text.splitlines()[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_was_tried_and_whether_the_headset_can_be_scored(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for words in ("**Not tried:**", "**Tried:**", "**Can it be scored?**"):
        assert text.count(words) == 1
