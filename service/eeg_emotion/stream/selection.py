"""Which headsets are followed, and how their signal is read and judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from eeg_emotion.eeg.caps import Cap
from eeg_emotion.eeg.quality import QualityLimits


@dataclass(frozen=True, slots=True)
class HeadsetFilter:
    """What the service's settings say about headsets.

    Attributes
    ----------
    match
        Patterns with ``*``, ``?`` and ``[...]``; none follows every headset.
    cap
        The electrodes behind numbered labels.
    limits
        Thresholds of the quality judgement.
    """

    match: tuple[str, ...] = ()
    cap: Cap | None = None
    limits: QualityLimits = field(default_factory=QualityLimits)

    def follows(self, identifier: str, name: str) -> bool:
        """Return whether a headset is followed, by its id or its stream's name."""
        if not self.match:
            return True
        return any(
            fnmatchcase(text.lower(), pattern.lower())
            for pattern in self.match
            for text in (identifier, name)
        )
