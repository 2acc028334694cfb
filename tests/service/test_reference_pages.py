"""The pages of docs/ that list what is in the code list all of it, with the code's numbers."""

from __future__ import annotations

import ast
import re
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

import eeg_emotion
from eeg_emotion.access import tokens
from eeg_emotion.access.grants import Action
from eeg_emotion.api.guard import OPEN_PATHS
from eeg_emotion.api.health import ALIVE_LAG_SECONDS
from eeg_emotion.codes import Check, Reason, State, Trouble
from eeg_emotion.eeg import filters, resampling
from eeg_emotion.eeg.amplitude import NEEDED_SECONDS
from eeg_emotion.eeg.path import GRID_SECONDS, PathSettings
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.extras import MODULES
from eeg_emotion.publish.outbox import ACK_EVERY, CREDITS, REPLAY_ALLOWANCE
from eeg_emotion.stream.link import LOST_SECONDS, STALE_SECONDS, WARNED_SECONDS
from eeg_emotion.stream.stamping import GAP_PERIODS

_DOCS = Path(__file__).parents[2] / "docs"
_CODE = Path(eeg_emotion.__file__).parent
_LOGGED = {"debug", "info", "warning", "error", "exception"}
_AUDITED = {"audit", "note"}


def page(name: str) -> str:
    """Return a page with its lines joined, so that a sentence may be found whole."""
    return re.sub(r"\n(?=\S)(?![-|#])", " ", (_DOCS / name).read_text(encoding="utf-8"))


def section(name: str, heading: str) -> str:
    _, found, after = page(name).partition(f"\n## {heading}\n")
    assert found, heading
    return after.split("\n## ")[0]


def first_cells(text: str) -> list[str]:
    """Return the code in the first cell of each row."""
    found: list[str] = []
    for row in re.findall(r"^\| (`[^|]*`) \|", text, re.MULTILINE):
        found += re.findall(r"`([^`]+)`", row)
    return found


@cache
def calls() -> frozenset[tuple[str, str, str]]:
    """Return object, method and text of each call in the code whose first argument is a text."""
    found = set()
    for path in _CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=value, attr=method),
                    args=[ast.Constant(value=str(text)), *_],
                ) if method in _LOGGED | _AUDITED:
                    found.add((ast.unparse(value), method, text))
    return frozenset(found)


@pytest.mark.parametrize(
    ("heading", "codes"),
    [
        ("States of a headset", State),
        ("Reasons why a window has no score", Reason),
        ("Checks of a stream", Check),
    ],
)
def test_every_code_has_its_row(heading: str, codes: type[StrEnum]) -> None:
    assert set(first_cells(section("reference/reasons.md", heading))) == set(codes)


def test_every_trouble_is_named() -> None:
    named = re.findall(r"`(\w+)`", section("reference/reasons.md", "Troubles of a channel"))
    assert set(Trouble) <= set(named)


def test_every_event_that_is_logged_has_its_row() -> None:
    # The client's, which run in programs of others, are sentences with values.
    own = {text for by, how, text in calls() if by == "logger" and how in _LOGGED}
    own = {text for text in own if "%" not in text}
    assert set(first_cells(section("reference/logs.md", "Events"))) == own


def test_every_event_of_the_audit_has_its_row() -> None:
    written = {text for _, how, text in calls() if how in _AUDITED}
    assert set(first_cells(section("reference/access.md", "The audit"))) == written


def test_every_scope_has_its_row() -> None:
    scopes = first_cells(section("reference/access.md", "Scopes"))
    assert [scope.partition(":")[0] for scope in scopes] == list(Action)


def test_every_extra_has_its_row() -> None:
    assert first_cells(section("reference/platforms.md", "Extras")) == list(MODULES)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_what_is_said_to_be_open_is_open(path: str) -> None:
    assert path in OPEN_PATHS
    said = re.findall(r"`(/[^`…]*)…?`", page("reference/access.md").partition("Everything else")[0])
    assert any(path.startswith(each) for each in said)


def delay_ms(sfreq: float) -> int:
    return round(resampling.delay_seconds(sfreq, PathSettings().sfreq) * 1e3)


def filters_ms() -> float:
    path = PathSettings()
    sos = filters.bandpass(*path.bandpass_hz, order=path.bandpass_order, sfreq=path.sfreq)
    notches = filters.notches(path.notch_hz, q=path.notch_q, sfreq=path.sfreq)
    both = filters.group_delay_seconds(sos, 13.0, path.sfreq) + filters.group_delay_seconds(
        notches, 13.0, path.sfreq
    )
    return round(both * 1e3, 1)


@pytest.mark.parametrize(
    ("name", "found", "expected"),
    [
        ("reference/access.md", r"at most (\d+) minutes ahead", tokens.LONGEST_SECONDS / 60),
        ("reference/health.md", r"less than (\d+) s late", ALIVE_LAG_SECONDS),
        ("reference/reasons.md", r"`stale` \| no sample for (\d+) s", STALE_SECONDS),
        ("reference/reasons.md", r"after (\d+) s its `detail`", WARNED_SECONDS),
        ("reference/reasons.md", r"`lost` \| no sample for (\d+) s", LOST_SECONDS),
        ("reference/reasons.md", r"quality is below ([\d.]+)", QualityLimits().least_quality),
        ("topics/signal-path.md", r"inferred from (\d+) s of amplitude", NEEDED_SECONDS),
        ("topics/signal-path.md", r"rate\*\* must be (\d+) to", resampling.LOWEST_SFREQ),
        ("topics/signal-path.md", r"rate\*\* must be \d+ to (\d+) Hz", resampling.HIGHEST_SFREQ),
        ("topics/signal-path.md", r"allows: (\d+) of DEAP's", PathSettings().max_interpolated),
        ("topics/signal-path.md", r"blocks of ([\d.]+) s", GRID_SECONDS),
        ("topics/signal-path.md", r"`settle_seconds`, (\d+) s in", PathSettings().settle_seconds),
        ("topics/signal-path.md", r"by more than ([\d.]+) sample periods", GAP_PERIODS),
        ("topics/signal-path.md", r"more than (\d+) s after its end", STALE_SECONDS),
        ("topics/signal-path.md", r"(\d+) ms from rates well above", delay_ms(500.0)),
        ("topics/signal-path.md", r"(\d+) ms from 120 Hz", delay_ms(120.0)),
        ("topics/signal-path.md", r"(\d+) ms from 100 Hz", delay_ms(100.0)),
        ("topics/signal-path.md", r"shows, ([\d.]+) ms at 13 Hz", filters_ms()),
        ("topics/delivery.md", r"No more than (\d+) are sent beyond", CREDITS),
        ("topics/delivery.md", r"acknowledges every (\d+) messages", ACK_EVERY),
        ("topics/delivery.md", r"its own, (\d+) messages beside", REPLAY_ALLOWANCE),
    ],
)
def test_a_number_is_the_codes(name: str, found: str, expected: float) -> None:
    (stated,) = re.findall(found, page(name))
    assert float(stated) == expected


# Decisions

_RECORDS = sorted((_DOCS / "decisions").glob("[0-9]*.md"))


def test_decisions_are_numbered_each_once() -> None:
    numbers = [path.name[:4] for path in _RECORDS]
    assert len(set(numbers)) == len(numbers) > 0


@pytest.mark.parametrize("path", _RECORDS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_has_its_parts(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 25
    assert lines[0].startswith(f"# {path.name[:4]}: ")
    parts = re.findall(r"^\*\*(\w+)\.\*\* ", "\n".join(lines), re.MULTILINE)
    assert parts == ["Context", "Decision", "Consequences"]
