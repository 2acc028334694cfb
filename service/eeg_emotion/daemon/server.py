"""The server of a process in any role: assembled, started, run and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI

from eeg_emotion.api.app import create_app, create_health_app, shared_parts
from eeg_emotion.api.arrivals import Arrivals
from eeg_emotion.api.fanout import Fanout
from eeg_emotion.api.health import EventStoreHealth, Vitals
from eeg_emotion.api.parts import Part
from eeg_emotion.api.probes import HealthPart, metrics_server
from eeg_emotion.api.push import Push
from eeg_emotion.api.server import make_server
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.api.welcome import Greeter
from eeg_emotion.daemon.preparation import Prepared
from eeg_emotion.daemon.process import caps_of_arrivals, room_for, url_of
from eeg_emotion.inference.model import Model
from eeg_emotion.logs import get_logger
from eeg_emotion.metrics.loop_lag import LoopLag
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.open_inference.routes import OpenInferencePart
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.headsets import Headsets
from eeg_emotion.publish.model_card import model_card

logger = get_logger(__name__)

Announce = Callable[[str, Model], None]
"""Called with the address and the model once the process answers."""


class DaemonServer:
    """Serves a process's port, and runs the tasks behind it.

    Parameters
    ----------
    prepared
        The result of the checks before the start.
    headsets, bus
        The headsets, and the bus that their messages are published on.
    metrics
        The metrics.
    event_store
        The state of the event store; None if there is no store.

    Attributes
    ----------
    card
        The model.
    """

    def __init__(
        self,
        prepared: Prepared,
        headsets: Headsets,
        bus: Bus,
        metrics: Metrics,
        event_store: EventStoreHealth | None = None,
    ) -> None:
        self._prepared = prepared
        self._headsets = headsets
        self._metrics = metrics
        settings, model = prepared.settings, prepared.model
        self.card = model_card(
            model.contract, sha256=model.sha256, hop_seconds=prepared.path.hop_seconds
        )
        self._subscribers = Subscribers(room_for(settings.max_connections))
        self._push = Push(bus, self._subscribers, Fanout(metrics), metrics)
        self._lag = LoopLag(metrics.observe_lag)
        self._vitals = Vitals(
            model.contract, headsets, bus, self._subscribers, metrics, self._lag, event_store
        )

    def app(self, parts: Sequence[Part]) -> FastAPI:
        """Make the complete application; `parts` are the endpoints that only some roles have."""
        prepared, settings = self._prepared, self._prepared.settings
        greeter = Greeter(self.card, self._headsets, prepared.purpose, settings.justification)
        shared = shared_parts(prepared.model, settings.quality, self._push, greeter, self._health())
        inference = OpenInferencePart(prepared.model, self._subscribers)
        return create_app(
            [*shared, *parts, inference], prepared.access, self._metrics, docs=settings.serves_docs
        )

    def health_app(self) -> FastAPI:
        """Make the application of a process without subscribers: health only."""
        return create_health_app(self._health(), self._prepared.access, self._metrics)

    def _health(self) -> HealthPart:
        prepared = self._prepared
        return HealthPart(self._vitals, prepared.settings.serves_metrics, prepared.metrics_address)

    async def run(
        self,
        app: FastAPI,
        working: Sequence[Coroutine[Any, Any, None]],
        announce: Announce,
        stop: asyncio.Event,
    ) -> None:
        """Serve an application, and shut down in order when `stop` is set.

        Parameters
        ----------
        app
            What answers.
        working
            What is run meanwhile.
        announce
            Called once the process answers.
        stop
            Ends it.
        """
        async with asyncio.TaskGroup() as tasks:
            await self._startup(tasks, app, working)
            announce(url_of(self._prepared.listener), self._prepared.model)
            await stop.wait()
            await self._shutdown()

    async def _startup(
        self,
        tasks: asyncio.TaskGroup,
        app: FastAPI,
        working: Sequence[Coroutine[Any, Any, None]],
    ) -> None:
        prepared, settings = self._prepared, self._prepared.settings
        contract = prepared.model.contract
        self._metrics.show_model(
            name=contract.name, version=contract.version, sha256=prepared.model.sha256
        )
        most, most_at_endpoints = caps_of_arrivals()
        arrivals = Arrivals(
            most, most_at_endpoints=most_at_endpoints, refused=self._metrics.refused
        )
        self._server = make_server(
            app,
            arrivals=arrivals,
            trusted_proxies=settings.trusted_proxy,
            root_path=settings.root_path,
        )
        self._metrics_server = metrics_server(
            self._vitals,
            prepared.access.origins,
            any_host=not settings.metrics_loopback,
            arrivals=arrivals,
        )
        tasks.create_task(self._server.serve(sockets=[prepared.listener]))
        if prepared.metrics_listener is not None:
            tasks.create_task(self._metrics_server.serve(sockets=[prepared.metrics_listener]))
            logger.info("metrics served", address=prepared.metrics_address)
        self._working = [
            tasks.create_task(part) for part in (self._lag.run(), self._push.run(), *working)
        ]
        await self._server.answering.wait()
        prepared.access.note(
            "started",
            address=url_of(prepared.listener).removeprefix("http://").rstrip("/"),
            open=prepared.access.open,
            justification=settings.justification,
        )

    async def _shutdown(self) -> None:
        logger.info("stopping")
        # Headsets are still followed meanwhile: no subscriber misses a prediction before its close.
        await self._subscribers.drain()
        for task in self._working:
            task.cancel()
        self._server.should_exit = self._metrics_server.should_exit = True
