"""What the service is run for, as its operator must be able to say.

Regulation (EU) 2024/1689 (the AI Act), Article 5(1)(f), prohibits inferring people's emotions at
work and in education except for medical or safety reasons. Whether an exception holds is not for a
program to judge, and nothing here is legal advice: it asks for the reason and shows it to everyone.
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
        What its operator says.
    justification
        Why emotions are estimated at work or in education.
    simulated
        Whether the model knows simulated people only, so that it can be for nothing but a demo.

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
            f"{', '.join(Purpose)}; everyone who is connected is shown it"
        )
    given = bool(justification and justification.strip())
    if stated in _TO_JUSTIFY and not given:
        raise PurposeError(
            f"found the purpose {stated.value!r} without a justification. The EU's AI Act, Article "
            "5(1)(f), prohibits inferring emotions at work and in education except for medical or "
            "safety reasons. If one holds, state it with --justification; it is shown to everyone "
            "who is connected. This is not legal advice"
        )
    return stated
