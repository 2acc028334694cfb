"""What a look at a stream found: plain data."""

from __future__ import annotations

from dataclasses import dataclass

from eeg_emotion.codes import Check, Reason, Trouble


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which of the model's channels a stream has.

    Attributes
    ----------
    needed
        How many channels the model has.
    measured, interpolated, missing
        Of these, the ones that the stream has, those that are filled in from them, and those that
        cannot be, as too few are there.
    dropped
        The stream's labels that are not used.
    """

    needed: int
    measured: tuple[str, ...]
    interpolated: tuple[str, ...]
    missing: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChannelFinding:
    """One measured channel: its score from 0 to 1, and what it suffers from most."""

    label: str
    score: float
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """The newest whole window of the look.

    Attributes
    ----------
    overall
        0 to 1 over the model's channels.
    faults
        Why it can bear no score; empty where it can.
    settled
        False where the filters may still ring from the stream's start.
    interpolated
        The model's channels that were filled in, bad ones among them.
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
    """What came in the look.

    Attributes
    ----------
    samples_received, samples_missing, gaps
        Counts.
    sfreq_measured
        Samples that came in a second of the source's stamps, so the fewer the more are missing;
        None where too few came.
    stamps
        What is unusual about them; None for nothing.
    quality
        None where no whole window came.
    """

    samples_received: int
    samples_missing: int
    gaps: int
    sfreq_measured: float | None
    stamps: str | None
    quality: QualityFinding | None


@dataclass(frozen=True, slots=True)
class StreamFinding:
    """One EEG stream and how it fits.

    Attributes
    ----------
    sfreq
        The nominal rate, Hz.
    simulated
        None where its metadata could not be read.
    check
        How it stood the check against the model; None where that was not possible.
    reason
        Why it cannot serve, with the remedy; None where it can.
    unit
        In words, and how it is known.
    signal
        None where it was not listened to.
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
        """Return whether it can serve, and its signal, if listened to, can bear a score."""
        quality = self.signal.quality if self.signal else None
        return self.reason is None and (quality is None or not quality.faults)
