"""What the endpoints need of the running service, and nothing more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request
from starlette.responses import Response

import eeg_emotion
from eeg_emotion.access.access import Access
from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.fanout import Fanout
from eeg_emotion.api.server import PING_SECONDS
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.eeg.quality import QualityLimits
from eeg_emotion.inference.model import Model
from eeg_emotion.metrics.loop_lag import LoopLag
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.history import RESUME_SECONDS
from eeg_emotion.publish.messages import (
    Baseline,
    ModelCard,
    Welcome,
)
from eeg_emotion.publish.outbox import ACK_EVERY, CREDITS
from eeg_emotion.publish.purpose import Purpose
from eeg_emotion.publish.requests import MAX_SUBSCRIPTIONS

if TYPE_CHECKING:
    from eeg_emotion.alarms.alarms import Alarms
    from eeg_emotion.alarms.store.store import EventStore


class Baselines(Protocol):
    """Whose rest baseline each headset uses; `baseline.baselines` says what is refused."""

    @property
    def profiles(self) -> ProfileStore:
        """Where the baselines are kept."""
        ...

    def begin(self, identifier: str, seconds: int, profile: str | None) -> Baseline:
        """Begin to collect clean rest."""
        ...

    def baseline(self, identifier: str) -> Baseline:
        """Return where a headset stands."""
        ...

    def use(self, identifier: str, profile: str) -> Baseline:
        """Apply a stored profile."""
        ...

    def cancel(self, identifier: str) -> Baseline:
        """End a collection, or stop using a profile."""
        ...

    def delete_profile(self, name: str) -> None:
        """Delete a stored profile that no headset uses."""
        ...


class Elsewhere(Protocol):
    """Where requests are answered that a gateway cannot answer itself."""

    async def answer(self, request: Request) -> Response:
        """Have the ingest answer that can."""
        ...


@dataclass(slots=True)
class Service:
    """The running service as the endpoints see it.

    A gateway has no baselines, alarms and events of its own: it has `elsewhere` in their place.
    Without the extra `alarms` there are no alarms and events at all.
    """

    model: Model
    hop_seconds: float
    headsets: Headsets
    bus: Bus
    metrics: Metrics
    baselines: Baselines | None
    alarms: Alarms | None
    events: EventStore | None
    limits: QualityLimits = field(default_factory=QualityLimits)
    access: Access = field(default_factory=Access)
    purpose: Purpose = Purpose.DEMO
    justification: str | None = None
    subscribers: Subscribers = field(default_factory=Subscribers)
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
    draining: bool = False
    elsewhere: Elsewhere | None = None
    fanout: Fanout = field(init=False)
    lag: LoopLag = field(init=False)

    def __post_init__(self) -> None:
        self.fanout = Fanout(self.metrics)
        self.lag = LoopLag(self.metrics.observe_lag)

    async def run(self) -> None:
        """Carry messages to the subscribers, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.lag.run())
            tasks.create_task(self.fanout.run())
            tasks.create_task(self.subscribers.run())

    def model_card(self) -> ModelCard:
        """Describe the model."""
        contract = self.model.contract
        return ModelCard(
            name=contract.name,
            version=contract.version,
            sha256=self.model.sha256,
            simulated=contract.trained_on.simulated,
            trained_on=(
                f"{contract.trained_on.dataset}, {contract.trained_on.people} people, "
                f"{contract.trained_on.windows} windows"
            ),
            held_out={result.target: result.describe() for result in contract.held_out},
            calibration={target.name: target.calibration.describe() for target in contract.targets},
            label_rule=contract.label_policy.text,
            targets=tuple(target.name for target in contract.targets),
            channels=contract.path.channels,
            sfreq=contract.path.sfreq,
            window_seconds=contract.path.window_seconds,
            hop_seconds=self.hop_seconds,
            settle_seconds=contract.path.settle_seconds,
            representation=contract.path.representation.kind,
            normaliser=contract.normaliser.kind,
        )

    def welcome(self, grant: Grant) -> Welcome:
        """Greet a subscriber."""
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
            model=self.model_card(),
            headsets=tuple(
                headset
                for headset in self.headsets.headsets()
                if grant.allows(Action.READ, headset.id)
            ),
        )
