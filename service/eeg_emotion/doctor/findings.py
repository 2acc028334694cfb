"""The findings about a stream: plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from eeg_emotion.codes import Check, Reason, Trouble


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which of the model's channels a stream has.

    Attributes
    ----------
    needed
        The number of the model's channels.
    measured, interpolated, missing
        The model's channels that the stream has, those that are interpolated from them, and those
        that cannot be, because too few are measured.
    dropped
        The labels of the stream's channels that are not used.
    """

    needed: int
    measured: tuple[str, ...]
    interpolated: tuple[str, ...]
    missing: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChannelFinding:
    """One measured channel: its quality from 0 to 1, and its main problem if any."""

    label: str
    score: float
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """The quality of the newest whole window of the check.

    Attributes
    ----------
    overall
        0 to 1 over the model's channels.
    faults
        Why the window gets no score; empty if it gets one.
    settled
        False while the filters may still ring from the stream's start.
    interpolated
        The model's channels that were interpolated, including bad ones.
    channels
        The measured channels in the model's order.
    """

    overall: float
    faults: tuple[Reason, ...]
    settled: bool
    interpolated: tuple[str, ...]
    channels: tuple[ChannelFinding, ...]


@dataclass(frozen=True, slots=True)
class SignalFinding:
    """The signal received during the check.

    Attributes
    ----------
    samples_received, samples_missing, gaps
        Counts.
    sfreq_measured
        Samples received per second of the source's time stamps, lower if samples are missing;
        None if too few were received.
    stamps
        What is unusual about the time stamps; None for nothing.
    quality
        None if no whole window was received.
    """

    samples_received: int
    samples_missing: int
    gaps: int
    sfreq_measured: float | None
    stamps: str | None
    quality: QualityFinding | None


@dataclass(frozen=True, slots=True)
class StreamFinding:
    """One EEG stream and how it fits the model.

    Attributes
    ----------
    sfreq
        The nominal rate, Hz.
    simulated
        None if its metadata could not be read.
    check
        The result of comparing it with the model; None if that was not possible.
    reason
        Why it cannot be used, with the remedy; None if it can.
    unit
        The unit, and how it is known.
    signal
        None if it was not read.
    """

    id: str
    name: str
    hostname: str
    type: str
    source_id: str
    channel_count: int
    channel_format: str
    sfreq: float
    simulated: bool | None
    check: Check | None
    reason: str | None
    coverage: Coverage | None
    unit: str | None
    signal: SignalFinding | None

    @property
    def good(self) -> bool:
        """Whether the stream can be used and its signal, if it was read, gets a score."""
        quality = self.signal.quality if self.signal else None
        return self.reason is None and (quality is None or not quality.faults)

    @property
    def next_step(self) -> str | None:
        """What to do next about this stream, a sentence; None if its signal was not read."""
        if self.reason is not None:
            return _sentence(_remedy_of(self.reason))
        if self.signal is None:
            return None
        if self.signal.quality is None:
            return "Run the doctor again with more --seconds: no whole window came in the look."
        if self.signal.quality.faults:
            return self.signal.quality.faults[0].remedy
        if not self.signal.quality.settled:
            return "Run the doctor again with more --seconds: the filters had not settled yet."
        return "Nothing: 'eeg-emotion serve' with the same options follows it."


def _remedy_of(reason: str) -> str:
    """Return the part of a reason that says what to do, which follows a full stop or ";"."""
    _, *sentences = re.split(r"\. (?=[A-Z])", reason, maxsplit=1)
    if sentences:
        return sentences[0]
    found, expected, rest = reason.partition("expected ")
    return (rest if expected else found).partition("; ")[2] or reason


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
