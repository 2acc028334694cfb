"""How the service is: whether its event loop is late, and what its readiness depends on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.codes import State
from eeg_emotion.inference.contract import Contract
from eeg_emotion.metrics.loop_lag import LoopLag
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Headset

ALIVE_LAG_SECONDS = 1.0
"""An event loop that is later than this serves nobody."""

_FOLLOWED = {
    ("lsl", True): "LSL is followed",
    ("lsl", False): "found that LSL was not looked at for some seconds, expected several times "
    "each; if it stays so, start the service anew",
    ("broker", True): "the broker is there, and what ingests keep is known",
    ("broker", False): "found the broker away, or what ingests keep not known yet, expected both; "
    "see that it runs and is reached, it is tried again and again",
}
_TROUBLED = (State.STALE, State.LOST, State.QUARANTINED)


class Health(Message):
    """The answer of the health endpoints."""

    status: str


class Check(Message):
    """One thing that readiness depends on."""

    ok: bool
    detail: str


class SampleDeficit(Message):
    """Samples of the last minute; `share` is the missing ones' of all that there should be."""

    received: int
    missing: int
    share: float


class PredictionAges(Message):
    """Seconds since the ends of the newest windows of headsets, the least and the most."""

    least: float | None
    most: float | None


class LatencyLately(Message):
    """Seconds from a window's end to the writing of its prediction, over the last minute."""

    p50: float | None
    p99: float | None


class Readiness(Health):
    """What `/readyz?verbose` tells. `troubled` has the ids that the caller may read."""

    checks: dict[str, Check]
    event_store: Check | None
    """Apart from the checks: while it fails, everything else is served all the same. Null where
    there is none: at a gateway, and where alarms are not installed."""
    headsets: dict[State, int]
    troubled: dict[State, tuple[str, ...]]
    samples: SampleDeficit
    prediction_age_seconds: dict[State, PredictionAges]
    subscribers: dict[str, int]
    event_loop_lag_seconds: float
    end_to_end_latency_seconds: LatencyLately


class EventStoreHealth(Protocol):
    """How the store of events is."""

    @property
    def trouble(self) -> str | None:
        """What is wrong with it; None where nothing is."""
        ...

    @property
    def unwritten(self) -> int:
        """How many events it does not have yet."""
        ...


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the service's health is read from.

    Attributes
    ----------
    contract
        The model's.
    headsets, bus
        Who is here, and what was published of them.
    subscribers
        Who is connected, and whether they are being sent away.
    metrics, lag
        What is counted and measured.
    event_store
        None where there is none.
    utc
        Unix seconds.
    """

    contract: Contract
    headsets: Headsets
    bus: Bus
    subscribers: Subscribers
    metrics: Metrics
    lag: LoopLag
    event_store: EventStoreHealth | None = None
    utc: Callable[[], float] = time.time

    def lateness(self) -> str | None:
        """Return by how much the event loop is late, in words; None where it is in time."""
        lag = self.lag.seconds
        if lag < ALIVE_LAG_SECONDS:
            return None
        return (
            f"found the event loop {lag:.1f} s late, expected less than {ALIVE_LAG_SECONDS:g} s; "
            "if it stays so, start the service anew, with fewer subscribers or headsets"
        )

    def unreadiness(self) -> str | None:
        """Return why no work is to be sent here; None where it is."""
        return "; ".join(check.detail for check in self._checks().values() if not check.ok) or None

    def readiness(self, grant: Grant) -> Readiness:
        """Return all that readiness depends on, with the ids that a grant may read."""
        found = self.headsets.headsets()
        counts = Counter(headset.state for headset in found)
        recent = self.metrics.recent
        deficit = recent.deficit
        return Readiness(
            status="ok",
            checks=self._checks(),
            event_store=self._event_store(),
            headsets={state: counts[state] for state in State},
            troubled={
                state: tuple(
                    headset.id
                    for headset in found
                    if headset.state is state and grant.allows(Action.READ, headset.id)
                )
                for state in _TROUBLED
            },
            samples=SampleDeficit(
                received=deficit.received, missing=deficit.missing, share=round(deficit.share, 6)
            ),
            prediction_age_seconds=self._ages(found),
            subscribers=dict(self.metrics.subscribers),
            event_loop_lag_seconds=round(self.lag.seconds, 4),
            end_to_end_latency_seconds=LatencyLately(
                p50=_rounded(recent.latency(50)), p99=_rounded(recent.latency(99))
            ),
        )

    def _checks(self) -> dict[str, Check]:
        contract, source = self.contract, self.headsets.source
        following, draining = self.headsets.following, self.subscribers.draining
        return {
            "model": Check(
                ok=True, detail=f"{contract.name} {contract.version} is loaded, verified"
            ),
            source: Check(ok=following, detail=_FOLLOWED[source, following]),
            "accepting": Check(
                ok=not draining,
                detail="the service is stopping" if draining else "it takes subscribers",
            ),
        }

    def _event_store(self) -> Check | None:
        if self.event_store is None:
            return None
        trouble, unwritten = self.event_store.trouble, self.event_store.unwritten
        if trouble is None:
            return Check(ok=True, detail="events are kept")
        return Check(ok=False, detail=f"{unwritten} events are not kept yet: {trouble}")

    def _ages(self, found: tuple[Headset, ...]) -> dict[State, PredictionAges]:
        now = self.utc()
        ages: dict[State, list[float]] = {state: [] for state in State}
        for headset in found:
            if (newest := self.bus.last_prediction(headset.id)) is not None:
                ages[headset.state].append(now - newest.window.end)
        return {
            state: PredictionAges(
                least=_rounded(min(some, default=None)), most=_rounded(max(some, default=None))
            )
            for state, some in ages.items()
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
