"""The codes on the wire, each with its meaning and remedy in words.

This is the only place for these texts: everything that shows a code to people uses them, and the
page loads them as `/static/codes.js`. A code never changes; its texts may.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code with its texts.

    Attributes
    ----------
    sentence
        What it means.
    remedy
        What to do, in sentences; empty where there is nothing to do.
    brief
        A few words for a list or a chart; empty where nothing needs them.
    """

    sentence: str
    remedy: str
    brief: str

    def __new__(cls, code: str, sentence: str, remedy: str = "", brief: str = "") -> Self:
        """Make a member from its code and its texts."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.remedy = remedy
        member.brief = brief
        return member


class State(Code):
    """The state of a headset's connection."""

    CONNECTING = "connecting", "Connecting to the headset.", "Wait while it connects."
    LIVE = "live", "Live."
    STALE = (
        "stale",
        "Stale: the headset has stopped sending samples.",
        "Check that the headset is on, in range and still sending.",
    )
    LOST = (
        "lost",
        "Lost: the headset is gone. The service is waiting for its signal.",
        "Switch the headset on again, or restart its program. The service finds it by itself.",
    )
    QUARANTINED = (
        "quarantined",
        "Quarantined: the signal cannot be trusted and is not scored.",
        "Correct what the headset's details report.",
    )


class Reason(Code):
    """Why a window has no scores."""

    WARMING_UP = (
        "warming_up",
        "Warming up: there is not enough settled signal to score yet.",
        "Wait a few seconds.",
        "filters settling",
    )
    GAP = (
        "gap",
        "Samples are missing inside this window.",
        "Wait. If this happens again, check the headset's battery, and its radio link or cable.",
        "settling after a gap",
    )
    STALE = (
        "stale",
        "The window is too old: the headset has stopped sending, or its samples came late.",
        "Check that the headset is on, in range and still sending.",
        "samples late or none",
    )
    CHANNELS_MISSING = (
        "channels_missing",
        "Too many of the channels that the model needs are missing or unusable.",
        "Reseat the worst electrodes.",
        "too few good channels",
    )
    POOR_CONTACT = (
        "poor_contact",
        "An electrode has just lost contact with the skin, or too many have poor contact.",
        "Press the worst electrodes to the skin, or add gel or water.",
        "poor contact",
    )
    UNIT_SUSPECT = (
        "unit_suspect",
        "The signal is too large or too small for its stated unit.",
        "Set the right unit in the program that makes the headset's stream.",
        "unit in doubt",
    )
    OUT_OF_RANGE = (
        "out_of_range",
        "Some samples are not numbers, or are larger than an electrode can show.",
        "Check the cables, the amplifier and the unit of the headset's stream.",
        "samples out of range",
    )
    NOT_WORN = (
        "not_worn",
        "The headset does not seem to be worn: all electrodes are flat, cut off or full of hum.",
        "Put the headset on, and check that its reference electrode touches the skin.",
        "no signal, as if not worn",
    )
    NO_BASELINE = (
        "no_baseline",
        "This model needs this person's rest baseline before it can score.",
        "Collect this person's rest baseline.",
        "no rest baseline",
    )
    OVERLOADED = (
        "overloaded",
        "The service could not take the samples in time: its machine is overloaded.",
        "Lower the load of the service's machine, or divide the headsets among several ingests.",
        "service overloaded",
    )


FAULTS = (
    Reason.OUT_OF_RANGE,
    Reason.NOT_WORN,
    Reason.UNIT_SUSPECT,
    Reason.CHANNELS_MISSING,
    Reason.POOR_CONTACT,
)
"""The reasons found in a window's own signal, in the order in which they are reported."""


class Trouble(Code):
    """What an electrode's signal suffers from."""

    # The words follow the electrode's name.

    NOT_FINITE = "not_finite", "gives no numbers", "check its amplifier and cable"
    FLAT = "flat", "gives no signal", "check that it is plugged in and touches the skin"
    RAILED = "railed", "is cut off by the amplifier", "reseat it, and check the reference"
    DUPLICATE = (
        "duplicate",
        "shows the same as another electrode",
        "wipe off gel that joins them, and check the wiring",
    )
    LINE_NOISE = (
        "line_noise",
        "picks up the mains",
        "improve its contact, and move cables and chargers away",
    )
    MUSCLE = "muscle", "shows muscle activity", "relax jaw, neck and forehead"
    MOVEMENT = "movement", "moves", "fasten it and its cable"
    DRIFT = "drift", "drifts", "let it settle, wipe off sweat, add gel"
    AMPLITUDE = "amplitude", "is too strong or too weak", "add gel, or reseat it"


class Check(Code):
    """How a stream's metadata compare with what the model needs."""

    ACCEPTED = "accepted", "Accepted."
    INTERPOLATED = (
        "interpolated",
        "Accepted. Missing channels are filled in from their neighbours.",
    )
    QUARANTINED = "quarantined", "Refused: see the reason above."


class Purpose(Code):
    """What the service is run for, as its operator states."""

    RESEARCH = "research", "Run for research."
    MEDICAL = "medical", "Run for medical reasons."
    SAFETY = "safety", "Run for safety."
    DEMO = "demo", "Run as a demonstration."
    WORKPLACE = "workplace", "Run at a place of work."
    EDUCATION = "education", "Run at a place of education."
