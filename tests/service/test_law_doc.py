"""The page on the law states of the service what the service does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eeg_emotion.codes import Purpose
from eeg_emotion.publish.purpose import PurposeError, settle_purpose
from eeg_emotion.settings import Settings

_PAGE = Path(__file__).parents[2] / "docs" / "topics" / "law.md"
TEXT = " ".join(_PAGE.read_text(encoding="utf-8").split())


def _needs_justification(purpose: Purpose) -> bool:
    try:
        settle_purpose(purpose, None, simulated=False)
    except PurposeError:
        return True
    return False


def test_the_page_names_every_purpose_and_which_need_a_justification() -> None:
    named = [f"`{purpose}`" for purpose in Purpose]
    assert f"not served without one: {', '.join(named[:-1])} or {named[-1]}" in TEXT
    asked = [f"`{purpose}`" for purpose in Purpose if _needs_justification(purpose)]
    assert f"| {' and '.join(asked)} need a `--justification` in words" in TEXT


def test_a_model_of_real_people_needs_a_purpose() -> None:
    with pytest.raises(PurposeError, match="found no purpose"):
        settle_purpose(None, None, simulated=False)
    assert "A model of real people is not served without one" in TEXT


def test_the_page_states_how_long_events_are_kept() -> None:
    assert f"{Settings().retention_days:g} days, `--retention-days`" in TEXT


def test_the_page_is_dated_and_is_no_legal_advice() -> None:
    assert re.search(r"\*\*Nothing here is legal advice\.\*\*.*As of \d+ \w+ \d{4}", TEXT)
