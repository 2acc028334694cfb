"""How much of the poller's thread one headset may take. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from eeg_emotion.errors import EegEmotionError

LARGEST_SHARE = 0.25
"""Of a core, lastingly: a good headset of 32 channels takes 0.002 at 128 Hz."""

_SAVED_SECONDS = 2.0  # of the thread's time: a backlog and a first window cost more than usual


class BudgetExceeded(EegEmotionError):
    """A headset's samples cost more than the thread that serves all can give to one."""


@dataclass(slots=True)
class Budget:
    """What one headset has spent and not yet earned back.

    Attributes
    ----------
    now
        When it was last charged, seconds of a steady clock.
    spent
        Seconds of the thread's time.
    """

    now: float
    spent: float = 0.0

    def charge(self, seconds: float, now: float) -> None:
        """Charge some of the thread's time.

        Raises
        ------
        BudgetExceeded
            If it has spent more than its share for too long.
        """
        earned = LARGEST_SHARE * max(0.0, now - self.now)
        self.spent = max(0.0, self.spent - earned) + seconds
        self.now = now
        if self.spent > _SAVED_SECONDS:
            raise BudgetExceeded(
                f"found samples whose processing takes more than {LARGEST_SHARE:.0%} of the thread "
                "that serves all headsets, expected less: its rate or its number of channels is "
                "too high, or its chunks are too small; lower them in the program that makes the "
                "outlet, or serve this headset by a process of its own (--match)"
            )
