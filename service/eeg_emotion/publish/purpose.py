"""The purpose of running the service, which its operator has to state.

Regulation (EU) 2024/1689 (the AI Act), Article 5(1)(f), prohibits inferring people's emotions at
work and in education except for medical or safety reasons. A program cannot judge whether an
exception applies, and nothing here is legal advice: it asks for the reason and shows it to all.
"""

from __future__ import annotations

from eeg_emotion.codes import Purpose
from eeg_emotion.errors import EegEmotionError

_TO_JUSTIFY = (Purpose.WORKPLACE, Purpose.EDUCATION)


class PurposeError(EegEmotionError):
    """The purpose is not stated, or not justified."""


def settle_purpose(
    stated: Purpose | None, justification: str | None, *, simulated: bool
) -> Purpose:
    """Return the purpose that the service runs for.

    Parameters
    ----------
    stated
        The operator's statement.
    justification
        Why emotions are estimated at work or in education.
    simulated
        Whether the model was trained on simulated people only, which makes it a demo.

    Raises
    ------
    PurposeError
        If none is stated for a real model, or a justification is missing.
    """
    if stated is None:
        if simulated:
            return Purpose.DEMO
        raise PurposeError(
            "found no purpose, expected --purpose with one of "
            f"{', '.join(Purpose)}; it is shown to everyone who is connected"
        )
    given = bool(justification and justification.strip())
    if stated in _TO_JUSTIFY and not given:
        raise PurposeError(
            f"found the purpose {stated.value!r} without a justification. The EU's AI Act, Article "
            "5(1)(f), prohibits inferring emotions at work and in education except for medical or "
            "safety reasons. If one applies, state it with --justification; it is shown to "
            "everyone who is connected. This is not legal advice"
        )
    return stated
