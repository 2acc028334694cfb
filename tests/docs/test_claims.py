"""What README promises is in docs/reference/claims.md, with tests that exist."""

from __future__ import annotations

import re

from tests.support.named_tests import ROOT, is_there, named_tests

from eeg_emotion.inference.model import demo_model_path, load_model

README = (ROOT / "README.md").read_text("utf-8")
CLAIMS = (ROOT / "docs/reference/claims.md").read_text("utf-8")


def _section(page: str, heading: str) -> str:
    _, found, rest = page.partition(f"\n## {heading}\n")
    assert found, f"found no heading {heading!r}"
    return rest.partition("\n## ")[0]


def _rows(section: str) -> dict[str, str]:
    """Return the second column of the section's table by the first."""
    rows = re.findall(r"^\| (.+?) \| (.+?) ?\|$", section, re.MULTILINE)
    return dict(rows[1:])  # without the heading


def test_each_promise_of_the_readme_is_a_claim_and_no_other_is() -> None:
    promises = re.findall(r"^- \*\*(.+?):\*\*", _section(README, "What it promises"), re.MULTILINE)
    assert len(promises) > 5
    assert list(_rows(_section(CLAIMS, "What it promises"))) == promises


def test_each_claim_names_a_test_or_benchmark() -> None:
    headings = ("What it promises", "What the two commands do", "Headsets", "Numbers")
    unheld = [
        claim
        for heading in headings
        for claim, held_by in _rows(_section(CLAIMS, heading)).items()
        if not named_tests(held_by)
    ]
    assert unheld == []


def test_the_tests_that_hold_the_claims_exist() -> None:
    named = [name for name in named_tests(CLAIMS) if name != "tests/FILE.py"]
    assert [name for name in named if not is_there(name)] == []


def test_the_numbers_of_the_demo_are_those_of_its_model() -> None:
    rows = _rows(_section(README, "What the numbers mean"))
    for result in load_model(demo_model_path()).contract.held_out:
        low, high = result.trial_interval
        number, people = rows[f"the demo's model, {result.target}"].split(" | ")
        assert number == f"{result.trial_balanced_accuracy:.3f} (95 % {low:.3f}-{high:.3f})"
        if result.target == "arousal":
            assert f"on {result.people} *simulated* people" in people
            assert f"{result.trials} trials" in people


def test_the_readme_fits_on_three_screens() -> None:
    assert len(README.splitlines()) <= 150
