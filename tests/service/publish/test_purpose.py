"""The purpose: stated for a real model, and with its reason where the law asks for one."""

from __future__ import annotations

import pytest

from eeg_emotion.codes import Purpose
from eeg_emotion.publish.purpose import PurposeError, settle_purpose


def test_a_simulated_model_is_a_demo_unless_it_is_said_otherwise() -> None:
    assert settle_purpose(None, None, simulated=True) is Purpose.DEMO
    assert settle_purpose(Purpose.RESEARCH, None, simulated=True) is Purpose.RESEARCH


def test_a_real_model_needs_a_purpose_and_all_are_named() -> None:
    with pytest.raises(PurposeError) as caught:
        settle_purpose(None, None, simulated=False)
    assert all(purpose in str(caught.value) for purpose in Purpose)


@pytest.mark.parametrize(
    "purpose", [Purpose.RESEARCH, Purpose.MEDICAL, Purpose.SAFETY, Purpose.DEMO]
)
def test_these_need_no_justification(purpose: Purpose) -> None:
    assert settle_purpose(purpose, None, simulated=False) == purpose


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("justification", [None, "", "  "])
@pytest.mark.parametrize("purpose", [Purpose.WORKPLACE, Purpose.EDUCATION])
def test_these_are_refused_without_one_and_it_is_said_why(
    purpose: Purpose, justification: str | None, simulated: bool
) -> None:
    with pytest.raises(PurposeError, match=r"Article 5\(1\)\(f\).*not legal advice"):
        settle_purpose(purpose, justification, simulated=simulated)


@pytest.mark.parametrize("purpose", [Purpose.WORKPLACE, Purpose.EDUCATION])
def test_these_are_taken_with_one(purpose: Purpose) -> None:
    assert settle_purpose(purpose, "pilots' fatigue", simulated=False) == purpose
