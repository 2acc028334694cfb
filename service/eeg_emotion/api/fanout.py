"""Writes pending messages from outboxes to sockets: one task, a slice of subscribers at a time.

Publishing only marks outboxes. So a burst of messages for a subscriber becomes one write, and
other work of the event loop, such as requests and acknowledgements, runs between slices.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from eeg_emotion.logs import get_logger
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.frames import Frame
from eeg_emotion.publish.outbox import Outbox

logger = get_logger(__name__)

_SLICE = 200  # about 2 ms of work, too little to delay anything else in the loop


class Carrier(Protocol):
    """Sends an outbox's messages to its subscriber."""

    outbox: Outbox

    def write(self, frames: list[Frame]) -> bool:
        """Send messages, or drop them where the connection is closing; return which it was."""
        ...

    def fail(self) -> None:
        """Cut the connection."""
        ...


class Fanout:
    """Writes for all subscribers.

    Parameters
    ----------
    metrics
        Counts deliveries and their latency.
    utc
        Returns the time, Unix seconds; dates the writing of predictions.
    """

    def __init__(self, metrics: Metrics, utc: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._utc = utc
        self._ready: deque[Carrier] = deque()
        self._wake = asyncio.Event()

    def mark(self, carrier: Carrier) -> None:
        """Record that a carrier's outbox has pending messages."""
        self._ready.append(carrier)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ready:
                self._write_slice()
                await asyncio.sleep(0)

    def _write_slice(self) -> None:
        delivered = 0
        newest: Frame | None = None
        for _ in range(min(_SLICE, len(self._ready))):
            carrier = self._ready.popleft()
            try:
                frames = carrier.outbox.take()
                sent = bool(frames) and carrier.write(frames)
            except Exception:
                # A failure of one subscriber must not affect the others.
                logger.exception("subscriber failed")
                carrier.fail()
                continue
            if not sent:
                continue
            delivered += len(frames)
            if frames[-1].window_end is not None:
                newest = frames[-1]
        self._metrics.delivered.inc(delivered)
        if newest is not None and newest.window_end is not None:
            # Once per slice, for its last: measuring every delivery would take a tenth more time.
            self._metrics.observe_delivery(self._utc() - newest.window_end)
