"""The guide to missing scores has each reason once, and the numbers of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eeg_emotion.codes import Reason, State
from eeg_emotion.eeg.amplitude import NEEDED_SECONDS
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.model import demo_model_path, load_model
from eeg_emotion.stream.link import LOST_SECONDS, STALE_SECONDS
from eeg_emotion.stream.pipeline import _INFERRING_SECONDS

_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "no-score.md"
TEXT = _PAGE.read_text(encoding="utf-8")
SECTIONS = {
    name: " ".join(text.split())
    for name, text in re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", TEXT, re.DOTALL | re.MULTILINE)
}
STATES = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE))

CONTRACT = load_model(demo_model_path()).contract
SETTLE = CONTRACT.path.settle_seconds
WINDOW = CONTRACT.path.window_seconds
LIMITS = QualityLimits()


def test_each_reason_has_one_section_that_says_what_is_seen_and_what_to_do() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", TEXT, re.MULTILINE)) == sorted(Reason)
    for section in SECTIONS.values():
        assert section.count("**You see**") == section.count("**Do**") == 1


def test_each_state_without_scores_has_a_row() -> None:
    assert set(STATES) == set(State) - {State.LIVE}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            Reason.WARMING_UP,
            f"need {SETTLE:g} s to settle and the window {WINDOW:g} s: the first score comes after "
            f"{SETTLE + WINDOW:g} s",
        ),
        (Reason.GAP, f"until {SETTLE + WINDOW:g} s of unbroken signal"),
        (Reason.STALE, f"ended more than {STALE_SECONDS:g} s ago"),
        (
            Reason.CHANNELS_MISSING,
            f"more than {CONTRACT.path.max_interpolated} of the {len(CONTRACT.path.channels)} "
            "channels",
        ),
        (Reason.POOR_CONTACT, f"is below {LIMITS.least_quality:g};"),
        (
            Reason.POOR_CONTACT,
            f"until it has been good for {SETTLE + WINDOW:g} s: {SETTLE:g} s until its filters "
            f"have settled, and {WINDOW:g} s until",
        ),
        (Reason.NOT_WORN, f"quieter than {LIMITS.quiet_uv[0]:g} µV"),
        (Reason.UNIT_SUSPECT, f"above {LIMITS.suspect_uv:g} µV"),
        (Reason.OUT_OF_RANGE, f"beyond {LIMITS.largest_uv / 1e6:g} V"),
        (Reason.OUT_OF_RANGE, f"in the {SETTLE:g} s before it"),
    ],
)
def test_a_section_states_the_numbers_of_the_code(reason: Reason, words: str) -> None:
    assert words in SECTIONS[reason]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.CONNECTING, f"takes {NEEDED_SECONDS:g} s of good signal"),
        (State.CONNECTING, f"again for up to {_INFERRING_SECONDS:g} s"),
        (State.STALE, f"nothing has come for {STALE_SECONDS:g} s"),
        (State.LOST, f"nothing has come for {LOST_SECONDS:g} s"),
    ],
)
def test_a_row_states_the_numbers_of_the_code(state: State, words: str) -> None:
    assert words in STATES[state]


def test_only_a_model_with_a_rest_baseline_needs_one_and_the_demos_does_not() -> None:
    assert CONTRACT.needs_rest is None
    assert "The demo's model is none of these." in SECTIONS[Reason.NO_BASELINE]
