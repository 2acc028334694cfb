"""Watches what comes of a live headset: if no window is ever valid, it says why. Pure."""

from __future__ import annotations

from collections import Counter

from eeg_emotion.codes import Reason

WITHOUT_SCORE_SECONDS = 30.0
"""After this long without a valid window, a live headset's detail says why."""


class ResultWatch:
    """Follows the windows of one connection.

    Parameters
    ----------
    now
        When the connection was opened, in seconds of a steady clock.
    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._reasons: Counter[Reason] = Counter()

    def restart(self, now: float) -> None:
        """Start over: the headset is live again."""
        self._since = now
        self._reasons.clear()

    def on_window(self, reasons: tuple[Reason, ...], now: float) -> None:
        """Record a window, and why it has no score; with no reasons it is valid."""
        if not reasons:
            self.restart(now)
        self._reasons.update(reasons)

    def without_score(self, now: float) -> bool:
        """Return whether there was no valid window for too long."""
        return now - self._since >= WITHOUT_SCORE_SECONDS

    @property
    def main_reason(self) -> Reason | None:
        """The most frequent reason since the last valid window; None if no window was complete.

        Filters that settle are named only if nothing else is: something else broke the signal off.
        """
        others = [found for found in self._reasons.most_common() if found[0] != Reason.WARMING_UP]
        if others:
            return others[0][0]
        return Reason.WARMING_UP if self._reasons else None

    def describe(self, now: float) -> str | None:
        """Return why there is no valid window and what to do; None if there was one lately."""
        if not self.without_score(now):
            return None
        begin = f"no valid window for {WITHOUT_SCORE_SECONDS:.0f} s or more"
        reason = self.main_reason
        if reason is None:
            return (
                f"{begin}: the signal breaks off again and again before a window is complete; "
                f"{_lower(Reason.GAP.remedy)}"
            )
        return f"{begin}, most often {reason}: {_lower(reason.sentence)} {reason.remedy}".strip()


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
