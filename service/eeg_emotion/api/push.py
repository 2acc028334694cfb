"""What WebSockets and event streams share: the bus, the subscribers, and the connection cap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import Response

from eeg_emotion.api.fanout import Fanout
from eeg_emotion.api.problems import problem
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus

RETRY_AFTER_SECONDS = 10
"""The `Retry-After` of a service that is full or stopping."""


@dataclass(frozen=True, slots=True)
class Push:
    """Delivers messages to subscribers.

    Attributes
    ----------
    bus
        Where messages come from.
    subscribers
        The open connections.
    fanout
        Writes to WebSockets.
    metrics
        Counts refusals and deliveries.
    clock, utc
        Monotonic, and Unix time; seconds.
    """

    bus: Bus
    subscribers: Subscribers
    fanout: Fanout
    metrics: Metrics
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time

    def refusal(self) -> Response | None:
        """Return the 503 response if no more connections are accepted, else None."""
        if self.subscribers.draining:
            reason, why = "draining", "the service is stopping; try again in a moment"
        elif self.subscribers.full:
            reason = "connection_cap"
            most = self.subscribers.most
            why = f"found {most} connections, the most that are allowed; try again later"
        else:
            return None
        self.metrics.refused(reason)
        response = problem(HTTPStatus.SERVICE_UNAVAILABLE, why)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    async def run(self) -> None:
        """Deliver messages and check the subscribers until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.fanout.run())
            tasks.create_task(self.subscribers.run())
