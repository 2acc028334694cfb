"""What a process is: everything in one, or one of two halves with a broker between them.

`serve` follows headsets and serves their predictions; with a broker it tells that too. `ingest`
follows headsets and tells the broker alone; `gateway` serves what ingests told it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from eeg_emotion.access.access import Access
from eeg_emotion.alarms.rules.presets import read_all_rules
from eeg_emotion.alarms.rules.rule import Rules
from eeg_emotion.alarms.store.store import EventStore
from eeg_emotion.api.app import create_app, create_health_app
from eeg_emotion.api.health import metrics_server
from eeg_emotion.api.server import make_server
from eeg_emotion.api.service import Service
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.cluster.subjects import EVERY_SITE
from eeg_emotion.daemon.preparation import access_for, live_path, load_for_service
from eeg_emotion.daemon.process import (
    allow_many_files,
    listen,
    room_for,
    url_of,
)
from eeg_emotion.daemon.reader import Reader
from eeg_emotion.daemon.stopping import run_until_asked
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.inference.model import Model
from eeg_emotion.logs import get_logger
from eeg_emotion.lsl import configuration as lsl
from eeg_emotion.lsl.outlets import Outlets
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.purpose import Purpose, settle_purpose
from eeg_emotion.settings import MEMORY, Settings, SettingsError

if TYPE_CHECKING:
    from eeg_emotion.cluster.connection import BrokerConnection
    from eeg_emotion.cluster.ingest import IngestBus
    from eeg_emotion.cluster.mirror import Mirror

logger = get_logger(__name__)

Announce = Callable[[str, Model], None]
"""Called with the address and the model once the process answers."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """What was found to be right before the process starts."""

    settings: Settings
    model: Model
    path: PathSettings
    purpose: Purpose
    access: Access
    rules: Rules
    listener: socket.socket
    numbers: socket.socket | None


def serve(settings: Settings, announce: Announce) -> None:
    """Follow headsets and serve their predictions until SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        What to serve, and where.
    announce
        Called with the page's address and the model once it answers.

    Raises
    ------
    EegEmotionError
        If the model, the port or Lab Streaming Layer is not as it must be.
    """
    with _ready(settings) as ready, _events(settings) as events:
        lsl.configure(session_id=settings.session_id, scope=settings.lsl_scope)
        run_until_asked(partial(_serve, ready, events, announce))


def ingest(settings: Settings, announce: Announce) -> None:
    """Follow headsets and tell a broker until SIGTERM or SIGINT; see `serve`."""
    if settings.bus.get_secret_value() == MEMORY:
        raise SettingsError(
            "found the bus memory://, which ends with this process, expected a broker for an "
            "ingest: name it with --bus nats://HOST, or run 'eeg-emotion serve'"
        )
    with _ready(settings) as ready, _events(settings) as events:
        lsl.configure(session_id=settings.session_id, scope=settings.lsl_scope)
        run_until_asked(partial(_ingest, ready, events, announce))


def gateway(settings: Settings, announce: Announce) -> None:
    """Serve what ingests tell a broker until SIGTERM or SIGINT; see `serve`."""
    if settings.bus.get_secret_value() == MEMORY:
        raise SettingsError(
            "found the bus memory://, which no ingest reaches, expected a broker for a gateway: "
            "name it with --bus nats://HOST, or run 'eeg-emotion serve'"
        )
    with _ready(settings) as ready:
        run_until_asked(partial(_gateway, ready, announce))


@contextlib.contextmanager
def _ready(settings: Settings) -> Iterator[_Ready]:
    model = load_for_service(settings)
    path = live_path(settings, model)
    purpose = settle_purpose(
        settings.purpose, settings.justification, simulated=model.contract.trained_on.simulated
    )
    access = access_for(settings, purpose)
    rules = read_all_rules(settings.rules)
    with contextlib.ExitStack() as listeners:
        listener = listeners.enter_context(listen(settings.host, settings.port, "--port"))
        numbers = None
        if settings.metrics_port is not None:
            numbers = listeners.enter_context(
                listen(settings.metrics_host, settings.metrics_port, "--metrics-port")
            )
        allow_many_files()
        yield _Ready(settings, model, path, purpose, access, rules, listener, numbers)


def _events(settings: Settings) -> contextlib.closing[EventStore]:
    return contextlib.closing(EventStore(settings.event_store.get_secret_value()))


async def _serve(
    ready: _Ready, events: EventStore, announce: Announce, stop: asyncio.Event
) -> None:
    settings = ready.settings
    told = None if settings.bus.get_secret_value() == MEMORY else _ingest_bus(ready)
    bus, metrics = told or Bus(), Metrics()
    reader = _reader(ready, events, bus, metrics)
    service = _service(ready, reader, bus, metrics)
    app = _app(ready, service)
    working = reader.running()
    if told is not None:
        _answer_calls(told, app)
        metrics.watch_broker(told.traffic)
        working.append(told.run())
    if settings.lsl_out:
        working.append(Outlets(bus, reader.fleet, service.model_card()).run())
    await _until_stopped(ready, service, app, working, announce, stop)


async def _ingest(
    ready: _Ready, events: EventStore, announce: Announce, stop: asyncio.Event
) -> None:
    bus, metrics = _ingest_bus(ready), Metrics()
    reader = _reader(ready, events, bus, metrics)
    service = _service(ready, reader, bus, metrics)
    # The whole service answers callers of gateways; at the port there is its health alone.
    _answer_calls(bus, _app(ready, service))
    metrics.watch_broker(bus.traffic)
    app = create_health_app(
        service,
        metrics=ready.settings.serves_metrics,
        metrics_address=_metrics_address(ready.numbers),
    )
    working = [*reader.running(), bus.run()]
    if ready.settings.lsl_out:
        working.append(Outlets(bus, reader.fleet, service.model_card()).run())
    await _until_stopped(ready, service, app, working, announce, stop)


async def _gateway(ready: _Ready, announce: Announce, stop: asyncio.Event) -> None:
    from eeg_emotion.cluster.forwarding import IngestProxy
    from eeg_emotion.cluster.gateway import GatewayBus

    settings, metrics = ready.settings, Metrics()
    bus = GatewayBus(
        settings.site or (EVERY_SITE,),
        model_sha256=ready.model.sha256,
        hop_seconds=ready.path.hop_seconds,
        connect=_connect(settings, "gateway"),
    )
    metrics.watch_broker(bus.traffic)
    service = Service(
        ready.model,
        ready.path.hop_seconds,
        bus.mirror,
        bus,
        metrics,
        None,
        None,
        None,
        limits=settings.quality,
        access=ready.access,
        purpose=ready.purpose,
        justification=settings.justification,
        subscribers=Subscribers(room_for(settings.max_connections)),
        elsewhere=IngestProxy(bus.mirror, bus.call),
    )
    working = [bus.run(), _show_states(bus.mirror, metrics)]
    await _until_stopped(ready, service, _app(ready, service), working, announce, stop)


async def _show_states(mirror: Mirror, metrics: Metrics) -> None:
    while True:
        metrics.show(Counter(headset.state for headset in mirror.headsets()))
        await asyncio.sleep(1.0)


def _reader(ready: _Ready, events: EventStore, bus: Bus, metrics: Metrics) -> Reader:
    return Reader(ready.settings, ready.model, ready.path, ready.rules, events, bus, metrics)


def _service(ready: _Ready, reader: Reader, bus: Bus, metrics: Metrics) -> Service:
    settings = ready.settings
    return Service(
        ready.model,
        ready.path.hop_seconds,
        reader.fleet,
        bus,
        metrics,
        reader.baselines,
        reader.alarms,
        reader.events,
        limits=settings.quality,
        access=ready.access,
        purpose=ready.purpose,
        justification=settings.justification,
        subscribers=Subscribers(room_for(settings.max_connections)),
    )


def _app(ready: _Ready, service: Service) -> FastAPI:
    return create_app(
        service,
        docs=ready.settings.serves_docs,
        metrics=ready.settings.serves_metrics,
        metrics_address=_metrics_address(ready.numbers),
    )


async def _until_stopped(
    ready: _Ready,
    service: Service,
    app: FastAPI,
    working: list[Coroutine[Any, Any, None]],
    announce: Announce,
    stop: asyncio.Event,
) -> None:
    """Run all parts, answer, and end in order when `stop` is set."""
    service.metrics.show_model(
        name=ready.model.contract.name,
        version=ready.model.contract.version,
        sha256=ready.model.sha256,
    )
    server = make_server(app, trusted_proxies=ready.settings.trusted_proxy)
    beside = metrics_server(service, any_host=not ready.settings.metrics_loopback)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[ready.listener]))
        if ready.numbers is not None:
            tasks.create_task(beside.serve(sockets=[ready.numbers]))
            logger.info("metrics served", address=_metrics_address(ready.numbers))
        running = [tasks.create_task(part) for part in (service.run(), *working)]
        await server.answering.wait()
        address = url_of(ready.listener)
        ready.access.note(
            "started",
            address=address.removeprefix("http://").rstrip("/"),
            open=ready.access.open,
            justification=ready.settings.justification,
        )
        announce(address, ready.model)
        await stop.wait()
        logger.info("stopping")
        service.draining = True
        # Headsets are followed on meanwhile: nobody misses a prediction before its own close.
        await service.subscribers.drain()
        for task in running:
            task.cancel()
        server.should_exit = beside.should_exit = True


def _metrics_address(listener: socket.socket | None) -> str | None:
    return None if listener is None else f"{url_of(listener)}metrics"


def _ingest_bus(ready: _Ready) -> IngestBus:
    from eeg_emotion.cluster.ingest import Identity, IngestBus

    settings = ready.settings
    if len(settings.site) != 1 or settings.site[0] == EVERY_SITE:
        raise SettingsError(
            f"found the sites {', '.join(settings.site) or 'none'}, expected the one at which "
            "headsets are read: name it with --site"
        )
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")
    identity = Identity(
        site=settings.site[0],
        ingest=settings.ingest or host or "ingest",
        run=secrets.token_hex(8),
        model_sha256=ready.model.sha256,
        hop_seconds=ready.path.hop_seconds,
    )
    name = f"ingest {identity.site}/{identity.ingest}"
    return IngestBus(identity, _connect(settings, name))


def _answer_calls(bus: IngestBus, app: FastAPI) -> None:
    from eeg_emotion.cluster.forwarding import LocalResponder

    bus.answer_calls(LocalResponder(app).answer)


def _connect(settings: Settings, name: str) -> Callable[[Callable[[], None]], BrokerConnection]:
    # Where there is no broker, its library is not waited for.
    from eeg_emotion.cluster.connection import BrokerConnection

    def connect(connected: Callable[[], None]) -> BrokerConnection:
        return BrokerConnection(
            settings.bus.get_secret_value(),
            f"eeg-emotion {name}",
            credentials=settings.bus_credentials,
            ca=settings.bus_ca,
            connected=connected,
        )

    return connect
