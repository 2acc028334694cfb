"""The roles of a process: everything in one, or reader and gateway with a broker in between.

`serve` follows headsets and serves their predictions; with a broker it publishes them there too.
`ingest` follows headsets and publishes to the broker alone; `gateway` serves what ingests publish.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from eeg_emotion.cluster.subjects import EVERY_SITE
from eeg_emotion.daemon.no_alarms import NotAlarming
from eeg_emotion.daemon.preparation import Prepared, prepare, refuse_missing_extras
from eeg_emotion.daemon.reader import Reader
from eeg_emotion.daemon.server import Announce, DaemonServer
from eeg_emotion.daemon.stopping import ASKED, TERMINAL_CLOSED, run_until_asked
from eeg_emotion.extras import is_installed, require_extra
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.logs import get_logger
from eeg_emotion.lsl import configuration as lsl
from eeg_emotion.lsl.outlets import Outlets
from eeg_emotion.lsl.user_file import describe_user_file
from eeg_emotion.metrics.metrics import Metrics
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import ModelCard
from eeg_emotion.role_settings import MEMORY
from eeg_emotion.settings import Settings, SettingsError

if TYPE_CHECKING:
    from eeg_emotion.cluster.connection import BrokerConnection
    from eeg_emotion.cluster.ingest import IngestBus
    from eeg_emotion.cluster.mirror import Mirror
    from eeg_emotion.daemon.alarming import Alarming, AlarmSources

logger = get_logger(__name__)

_STOP = (*ASKED, TERMINAL_CLOSED)


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
        If the model, the port or Lab Streaming Layer cannot be used.
    """
    refuse_missing_extras(settings)
    with prepare(settings) as prepared, _open_alarms(settings) as sources:
        _configure_lsl(settings)
        run_until_asked(
            partial(_serve, prepared, sources, announce), names=(*ASKED, TERMINAL_CLOSED)
        )


def ingest(settings: Settings, announce: Announce) -> None:
    """Follow headsets and publish to a broker until SIGTERM or SIGINT; see `serve`."""
    require_extra("cluster", "'eeg-emotion ingest'", "run 'eeg-emotion serve'")
    if settings.bus.get_secret_value() == MEMORY:
        raise SettingsError(
            "found the bus memory://, which ends with this process, expected a broker for an "
            "ingest: name it with --bus nats://HOST, or run 'eeg-emotion serve'"
        )
    refuse_missing_extras(settings)
    with prepare(settings) as prepared, _open_alarms(settings) as sources:
        _configure_lsl(settings)
        run_until_asked(
            partial(_ingest, prepared, sources, announce), names=(*ASKED, TERMINAL_CLOSED)
        )


def gateway(settings: Settings, announce: Announce) -> None:
    """Serve what ingests publish to a broker until SIGTERM or SIGINT; see `serve`."""
    require_extra("cluster", "'eeg-emotion gateway'", "run 'eeg-emotion serve'")
    if settings.bus.get_secret_value() == MEMORY:
        raise SettingsError(
            "found the bus memory://, which no ingest reaches, expected a broker for a gateway: "
            "name it with --bus nats://HOST, or run 'eeg-emotion serve'"
        )
    with prepare(settings) as prepared:
        run_until_asked(partial(_gateway, prepared, announce), names=_STOP)


async def _serve(
    prepared: Prepared, sources: AlarmSources | None, announce: Announce, stop: asyncio.Event
) -> None:
    settings, metrics = prepared.settings, Metrics()
    broker = None if settings.bus.get_secret_value() == MEMORY else _ingest_bus(prepared)
    bus = broker or Bus()
    alarming = _alarming(prepared, sources, bus, metrics)
    reader = Reader(prepared, bus, metrics, alarming.alarms)
    server = DaemonServer(prepared, reader.fleet, bus, metrics, alarming.event_store)
    app = server.app([*reader.parts, alarming.part])
    working = [*reader.running(), *alarming.running()]
    if broker is not None:
        _answer_calls(broker, app)
        metrics.watch_broker(broker.traffic)
        working.append(broker.run())
    working.extend(_outputs(settings, bus, reader.fleet, server.card))
    await server.run(app, working, announce, stop)


async def _ingest(
    prepared: Prepared, sources: AlarmSources | None, announce: Announce, stop: asyncio.Event
) -> None:
    bus, metrics = _ingest_bus(prepared), Metrics()
    metrics.watch_broker(bus.traffic)
    alarming = _alarming(prepared, sources, bus, metrics)
    reader = Reader(prepared, bus, metrics, alarming.alarms)
    server = DaemonServer(prepared, reader.fleet, bus, metrics, alarming.event_store)
    # The whole service answers callers of gateways; at the port there is its health alone.
    _answer_calls(bus, server.app([*reader.parts, alarming.part]))
    working = [*reader.running(), *alarming.running(), bus.run()]
    working.extend(_outputs(prepared.settings, bus, reader.fleet, server.card))
    await server.run(server.health_app(), working, announce, stop)


async def _gateway(prepared: Prepared, announce: Announce, stop: asyncio.Event) -> None:
    from eeg_emotion.cluster.forwarding import ForwardingPart, IngestProxy
    from eeg_emotion.cluster.gateway import GatewayBus

    settings, metrics = prepared.settings, Metrics()
    bus = GatewayBus(
        settings.site or (EVERY_SITE,),
        model_sha256=prepared.model.sha256,
        hop_seconds=prepared.path.hop_seconds,
        connect=_connect(settings, "gateway"),
    )
    metrics.watch_broker(bus.traffic)
    server = DaemonServer(prepared, bus.mirror, bus, metrics)
    app = server.app([ForwardingPart(IngestProxy(bus.mirror, bus.call))])
    working = [bus.run(), _show_states(bus.mirror, metrics)]
    await server.run(app, working, announce, stop)


def _outputs(
    settings: Settings, bus: Bus, fleet: Fleet, card: ModelCard
) -> list[Coroutine[Any, Any, None]]:
    """Return the tasks that send predictions elsewhere than to subscribers, as far as wanted."""
    outputs: list[Coroutine[Any, Any, None]] = []
    if settings.lsl_out:
        outputs.append(Outlets(bus, fleet, card).run())
    return outputs


def _configure_lsl(settings: Settings) -> None:
    lsl.configure(
        session_id=settings.session_id,
        scope=settings.lsl_scope,
        peers=settings.lsl_peer,
        ports=settings.lsl_ports,
    )
    if (unused := describe_user_file()) is not None:
        logger.warning("LSL file not used", why=unused)


@contextlib.contextmanager
def _open_alarms(settings: Settings) -> Iterator[AlarmSources | None]:
    """Open the rules and the event store; yield None if alarms are not installed."""
    if not is_installed("alarms"):
        yield None
        return
    from eeg_emotion.daemon.alarming import open_alarms

    with open_alarms(settings) as sources:
        yield sources


def _alarming(
    prepared: Prepared, sources: AlarmSources | None, bus: Bus, metrics: Metrics
) -> Alarming | NotAlarming:
    if sources is None:
        return NotAlarming()
    from eeg_emotion.daemon.alarming import Alarming

    simulated = prepared.model.contract.trained_on.simulated
    return Alarming(prepared.settings, sources, bus, metrics, model_simulated=simulated)


async def _show_states(mirror: Mirror, metrics: Metrics) -> None:
    while True:
        found = mirror.headsets()
        metrics.show(
            Counter(headset.state for headset in found),
            without_score=sum(headset.without_score for headset in found),
            overloaded=sum(headset.overloaded for headset in found),
        )
        await asyncio.sleep(1.0)


def _ingest_bus(prepared: Prepared) -> IngestBus:
    from eeg_emotion.cluster.ingest import Identity, IngestBus

    settings = prepared.settings
    if len(settings.site) != 1 or settings.site[0] == EVERY_SITE:
        raise SettingsError(
            f"found the sites {', '.join(settings.site) or 'none'}, expected the one at which "
            "headsets are read: name it with --site"
        )
    identity = Identity(
        site=settings.site[0],
        ingest=settings.ingest_name,
        run=secrets.token_hex(8),
        model_sha256=prepared.model.sha256,
        hop_seconds=prepared.path.hop_seconds,
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
