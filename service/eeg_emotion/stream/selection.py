"""Which headsets are followed, their cap, and the limits on their signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from eeg_emotion.eeg.caps import Cap
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.lsl.stream_types import EEG_TYPE


@dataclass(frozen=True, slots=True)
class HeadsetFilter:
    """The service's settings for headsets.

    Attributes
    ----------
    match
        Patterns with ``*``, ``?`` and ``[...]``; empty for every headset.
    cap
        The electrodes behind numbered labels.
    limits
        Thresholds of the signal quality.
    types
        The LSL types of headset streams; see `lsl.stream_types`.
    """

    match: tuple[str, ...] = ()
    cap: Cap | None = None
    limits: QualityLimits = field(default_factory=QualityLimits)
    types: tuple[str, ...] = (EEG_TYPE,)

    def follows(self, identifier: str, name: str) -> bool:
        """Return whether a headset is followed, matching its id or its stream's name."""
        if not self.match:
            return True
        return any(
            fnmatchcase(text.lower(), pattern.lower())
            for pattern in self.match
            for text in (identifier, name)
        )
