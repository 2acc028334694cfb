"""The `welcome` message of a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass

import eeg_emotion
from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.wire import PING_SECONDS
from eeg_emotion.codes import Purpose
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.history import RESUME_SECONDS
from eeg_emotion.publish.messages import ModelCard, Welcome
from eeg_emotion.publish.outbox import ACK_EVERY, CREDITS
from eeg_emotion.publish.requests import MAX_SUBSCRIPTIONS


@dataclass(frozen=True, slots=True)
class Greeter:
    """Makes `welcome` messages.

    Attributes
    ----------
    card
        The model card.
    headsets
        The headsets.
    purpose, justification
        What the service is run for, and the stated reason.
    """

    card: ModelCard
    headsets: Headsets
    purpose: Purpose = Purpose.DEMO
    justification: str | None = None

    def welcome(self, grant: Grant) -> Welcome:
        """Return a subscriber's welcome, with the headsets that it may read."""
        return Welcome(
            service=f"eeg-emotion {eeg_emotion.__version__}",
            purpose=self.purpose,
            justification=self.justification,
            subject=grant.subject,
            scopes=tuple(map(str, grant.scopes)),
            credits=CREDITS,
            ack_every=ACK_EVERY,
            heartbeat_seconds=PING_SECONDS,
            resume_seconds=RESUME_SECONDS,
            max_subscriptions=MAX_SUBSCRIPTIONS,
            model=self.card,
            headsets=tuple(
                headset
                for headset in self.headsets.headsets()
                if grant.allows(Action.READ, headset.id)
            ),
        )
