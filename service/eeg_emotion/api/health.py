"""The service's health: the lag of its event loop, and the checks of its readiness."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from eeg_emotion.access.grants import Action, Grant
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.codes import Reason, State
from eeg_emotion.inference.contract import Contract
from eeg_emotion.metrics.loop_lag import LoopLag
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.message import Message
from eeg_emotion.publish.messages import Headset

ALIVE_LAG_SECONDS = 1.0
"""With a larger lag of its event loop the service counts as not alive."""

_FOLLOWED = {
    ("lsl", True): "LSL streams are being discovered",
    ("lsl", False): "found no look-up of LSL streams for some seconds, expected several each "
    "second; if this persists, restart the service",
    ("broker", True): "the broker is connected, and the ingests' histories have been fetched",
    ("broker", False): "found no connection to the broker, or the ingests' histories not fetched "
    "yet, expected both; check that the broker runs and can be reached, this is retried",
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
    """The samples of the last minute; `share` is that of the missing ones, 0 to 1."""

    received: int
    missing: int
    share: float


class PredictionAges(Message):
    """The least and the greatest time since the end of a headset's newest window, seconds."""

    least: float | None
    most: float | None


class RecentLatency(Message):
    """The time from a window's end to the writing of its prediction, last minute, seconds."""

    p50: float | None
    p99: float | None


class Readiness(Health):
    """The answer of `/readyz?verbose`; `troubled` has the ids that the caller may read."""

    checks: dict[str, Check]
    event_store: Check | None
    """Not one of the checks: while it fails, everything else is served. Null if there is none: at
    a gateway, and if alarms are not installed."""
    keeping_up: Check
    """Not one of the checks either: whether samples are taken in time. While it fails, some windows
    have no score, with the reason `overloaded`."""
    headsets: dict[State, int]
    troubled: dict[State, tuple[str, ...]]
    samples: SampleDeficit
    prediction_age_seconds: dict[State, PredictionAges]
    subscribers: dict[str, int]
    event_loop_lag_seconds: float
    end_to_end_latency_seconds: RecentLatency


class EventStoreHealth(Protocol):
    """The state of the event store."""

    @property
    def trouble(self) -> str | None:
        """What is wrong with it; None if nothing is."""
        ...

    @property
    def unwritten(self) -> int:
        """The number of events that are not stored yet."""
        ...


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the service's health is read from.

    Attributes
    ----------
    contract
        The model's contract.
    headsets, bus
        The headsets, and what was published about them.
    subscribers
        The open connections, and whether they are being closed.
    metrics, lag
        The metrics, and the event loop's lag.
    event_store
        The event store's state; None if there is no store.
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
        """Return how late the event loop is, in words; None if it is on time."""
        lag = self.lag.seconds
        if lag < ALIVE_LAG_SECONDS:
            return None
        return (
            f"found the event loop {lag:.1f} s late, expected less than {ALIVE_LAG_SECONDS:g} s; "
            "if this persists, restart the service with fewer subscribers or headsets"
        )

    def unreadiness(self) -> str | None:
        """Return why the service is not ready; None if it is."""
        return "; ".join(check.detail for check in self._checks().values() if not check.ok) or None

    def readiness(self, grant: Grant) -> Readiness:
        """Return the detailed readiness, with the headset ids that a grant may read."""
        found = self.headsets.headsets()
        counts = Counter(headset.state for headset in found)
        recent = self.metrics.recent
        deficit = recent.deficit
        return Readiness(
            status="ok",
            checks=self._checks(),
            event_store=self._event_store(),
            keeping_up=_keeping_up(sum(headset.overloaded for headset in found)),
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
            end_to_end_latency_seconds=RecentLatency(
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
                detail="the service is stopping" if draining else "subscribers are accepted",
            ),
        }

    def _event_store(self) -> Check | None:
        if self.event_store is None:
            return None
        trouble, unwritten = self.event_store.trouble, self.event_store.unwritten
        if trouble is None:
            return Check(ok=True, detail="events are stored")
        return Check(ok=False, detail=f"{unwritten} events are not stored yet: {trouble}")

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


def _keeping_up(overloaded: int) -> Check:
    if not overloaded:
        return Check(ok=True, detail="samples are taken in time")
    return Check(
        ok=False,
        detail=f"found samples taken too late, those of {overloaded} "
        f"{'headset' if overloaded == 1 else 'headsets'}, expected none: "
        f"{Reason.OVERLOADED.remedy}",
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
