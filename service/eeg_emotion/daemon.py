"""The daemon: one process that follows the headsets and serves their predictions."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from random import SystemRandom

from eeg_emotion.access.access import Access
from eeg_emotion.access.audit import Audit
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.access.origins import Origins
from eeg_emotion.access.tokens import TokenVerifier
from eeg_emotion.alarms.alarms import Alarms, Target
from eeg_emotion.alarms.upkeep import Upkeep
from eeg_emotion.api import arrivals
from eeg_emotion.api.app import create_app
from eeg_emotion.api.health import metrics_server
from eeg_emotion.api.metrics import Metrics
from eeg_emotion.api.outlets import Outlets
from eeg_emotion.api.server import make_server
from eeg_emotion.api.service import Service
from eeg_emotion.api.subscribers import Subscribers
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.delivery.courier import Courier
from eeg_emotion.delivery.mqtt import Mqtt
from eeg_emotion.delivery.sender import Sender
from eeg_emotion.delivery.webhook import Webhook
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.headset import lsl
from eeg_emotion.inference.model import Model, ModelError, demo_model_path, load_model
from eeg_emotion.logs import get_logger
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import Purpose
from eeg_emotion.publish.purpose import settle_purpose
from eeg_emotion.rules.presets import read_all_rules
from eeg_emotion.rules.rule import Rules
from eeg_emotion.settings import Settings, SettingsError, default_keys
from eeg_emotion.store.store import EventStore

logger = get_logger(__name__)

_OPEN_FILES = 16384  # 512 headsets, which one host's LSL ports allow, and 4000 subscribers


class PortError(EegEmotionError):
    """The address cannot be listened on."""


def serve(settings: Settings, announce: Callable[[str, Model], None]) -> None:
    """Run until SIGTERM or SIGINT.

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
    model = load_for_service(settings)
    path = live_path(settings, model)
    purpose = settle_purpose(
        settings.purpose, settings.justification, simulated=model.contract.trained_on.simulated
    )
    access = access_for(settings, purpose)
    rules = read_all_rules(settings.rules)
    with contextlib.ExitStack() as listeners:
        listener = listeners.enter_context(_listen(settings.host, settings.port, "--port"))
        numbers = None
        if settings.metrics_port is not None:
            numbers = listeners.enter_context(
                _listen("127.0.0.1", settings.metrics_port, "--metrics-port")
            )
        events = listeners.enter_context(
            contextlib.closing(EventStore(settings.event_store.get_secret_value()))
        )
        _allow_many_files()
        lsl.configure(session_id=settings.session_id, scope=settings.lsl_scope)
        asyncio.run(
            _serve(
                settings, path, model, access, purpose, rules, events, listener, numbers, announce
            )
        )


def load_for_service(settings: Settings) -> Model:
    """Load the model of the settings, and see that it answers what the service promises."""
    path = settings.model or demo_model_path()
    model = load_model(path)
    targets = {target.name for target in model.contract.targets}
    if missing := {"arousal", "valence"} - targets:
        raise ModelError(
            f"{path}: found the targets {sorted(targets)}, expected arousal and valence among "
            f"them; join a run for {' and '.join(sorted(missing))} with 'eeg-emotion-train export'"
        )
    return model


def live_path(settings: Settings, model: Model) -> PathSettings:
    """Give the model's signal path with the hop that is asked for."""
    path = model.contract.path
    if settings.hop_seconds is None:
        return path
    try:
        return replace(path, hop_seconds=settings.hop_seconds)
    except ValueError as error:
        raise SettingsError(
            f"found hop_seconds = {settings.hop_seconds:g}, expected a multiple of 0.25 and at "
            f"most the model's window of {path.window_seconds:g} s: {error}"
        ) from error


def access_for(settings: Settings, purpose: Purpose) -> Access:
    """Say who may come in by the settings.

    Raises
    ------
    EegEmotionError
        If keys, tokens' public keys or the audit cannot be used, or if the service would be open
        to others than this machine's users though nobody said that it may.
    """
    if settings.keys is not None and not settings.keys.is_file():
        raise SettingsError(
            f"found no file of keys {settings.keys}, expected one: 'eeg-emotion keys create NAME "
            f"--scope read:* --keys {settings.keys}' makes it"
        )
    store = KeyStore(settings.keys or default_keys())
    store.list()  # so that a damaged file is refused now
    tokens = None
    if settings.jwt_keys is not None:
        tokens = TokenVerifier(settings.jwt_keys, audience=settings.jwt_audience)
    access = Access(
        # Even where it holds none: taking the last one back must not let everyone in.
        keys=store if settings.keys is not None or store.path.exists() else None,
        tokens=tokens,
        audit=Audit(purpose, settings.audit),
        origins=Origins.parse(settings.origin),
    )
    if access.open and not settings.loopback and not settings.allow_open:
        raise SettingsError(
            f"found host = {settings.host!r}, which others than this machine can reach, and no "
            "credentials to ask for; make a key with 'eeg-emotion keys create NAME --scope read:*',"
            " or let everyone in with --allow-open"
        )
    return access


def _allow_many_files() -> None:
    """Raise the soft limit of open files: an LSL inlet holds some eleven, and 1024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _connections(most: int) -> int:
    """Give how many connections there may be: without a file left not even `/livez` is answered."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return most
    # Half of them for subscribers, the rest for headsets.
    room = max(1, (files - arrivals.MOST) // 2)
    if room < most:
        logger.warning(
            "fewer connections than set",
            connections=room,
            max_connections=most,
            open_files=files,
            remedy="raise the limit of open files (ulimit -Hn)",
        )
    return min(room, most)


async def _serve(
    settings: Settings,
    path: PathSettings,
    model: Model,
    access: Access,
    purpose: Purpose,
    rules: Rules,
    events: EventStore,
    listener: socket.socket,
    numbers: socket.socket | None,
    announce: Callable[[str, Model], None],
) -> None:
    bus, metrics = Bus(), Metrics()
    metrics.show_model(
        name=model.contract.name, version=model.contract.version, sha256=model.sha256
    )
    baselines = Baselines(
        model,
        bus,
        ProfileStore(settings.profiles),
        clock=time.monotonic,
        utc=time.time,
        random=SystemRandom(),
    )
    couriers = [
        Courier(sender, events, observe=metrics.delivered_to) for sender in _senders(settings)
    ]
    alarms = Alarms(
        rules,
        events,
        bus,
        targets=[Target(courier.target, courier.wants, courier.wake) for courier in couriers],
        model_simulated=model.contract.trained_on.simulated,
        observe=metrics.told,
        utc=time.time,
        clock=time.monotonic,
    )
    upkeep = Upkeep(
        events,
        retention_days=settings.retention_days,
        targets=[courier.target for courier in couriers],
        show=lambda waiting: metrics.show_events(undelivered=waiting, unwritten=alarms.unwritten),
        utc=time.time,
    )
    fleet = Fleet(model, path, settings.reception(), bus, metrics, baselines, alarms)
    baselines.attach(fleet)
    service = Service(
        model,
        path.hop_seconds,
        fleet,
        bus,
        metrics,
        baselines,
        alarms,
        events,
        limits=settings.quality,
        access=access,
        purpose=purpose,
        justification=settings.justification,
        subscribers=Subscribers(_connections(settings.max_connections)),
    )
    server = make_server(
        create_app(
            service,
            docs=settings.serves_docs,
            metrics=settings.serves_metrics,
            metrics_address=None if numbers is None else _metrics_address(numbers),
        )
    )
    beside = metrics_server(service)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _stop_or_die, stop, number)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        if numbers is not None:
            tasks.create_task(beside.serve(sockets=[numbers]))
            logger.info("metrics served", address=_metrics_address(numbers))
        running = [service.run(), fleet.run(), alarms.run(), upkeep.run()]
        running += [courier.run() for courier in couriers]
        working = [tasks.create_task(part) for part in running]
        if settings.lsl_out:
            outlets = Outlets(bus, fleet, service.model_card())
            working.append(tasks.create_task(outlets.run()))
        await server.answering.wait()
        host, port = listener.getsockname()[:2]
        access.note(
            "started",
            address=f"{host}:{port}",
            open=access.open,
            justification=settings.justification,
        )
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/", model)
        await stop.wait()
        logger.info("stopping")
        service.draining = True
        # Headsets are followed on meanwhile: nobody misses a prediction before its own close.
        await service.subscribers.drain()
        for task in working:
            task.cancel()
        server.should_exit = beside.should_exit = True


def _senders(settings: Settings) -> list[Sender]:
    senders: list[Sender] = [Webhook(webhook) for webhook in settings.webhook]
    if settings.mqtt is not None:
        senders.append(Mqtt(settings.mqtt))
    return senders


def _metrics_address(listener: socket.socket) -> str:
    return "http://{}:{}/metrics".format(*listener.getsockname())


def _stop_or_die(stop: asyncio.Event, number: signal.Signals) -> None:
    """Stop in order at the first signal, and at once at the second."""
    if stop.is_set():
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()


def _listen(host: str, port: int, option: str) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortError(
            f"cannot listen on {host} port {port}: {error.strerror}; another program may have it. "
            f"Stop that one, or name another port with {option} (0 takes a free one)"
        ) from error
