"""The daemon: one process that follows the headsets and serves their predictions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from random import SystemRandom

from eeg_emotion.api.app import create_app
from eeg_emotion.api.metrics import Metrics
from eeg_emotion.api.server import make_server
from eeg_emotion.api.service import Service
from eeg_emotion.baseline.baselines import Baselines
from eeg_emotion.baseline.profiles import ProfileStore
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.fleet.fleet import Fleet
from eeg_emotion.headset import lsl
from eeg_emotion.inference.model import Model, ModelError, demo_model_path, load_model
from eeg_emotion.publish.bus import Bus
from eeg_emotion.publish.messages import GoingAway
from eeg_emotion.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

_FAREWELL_SECONDS = 2.0  # for subscribers to take what waits and their close; exit within 10 s
_RECONNECT_AFTER_MS = 1000
_OPEN_FILES = 8192  # for the 512 headsets that one host's LSL ports allow


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
    listener = _listen(settings.host, settings.port)
    _allow_many_files()
    with listener:
        lsl.configure(session_id=settings.session_id, scope=settings.lsl_scope)
        asyncio.run(_serve(settings, path, model, listener, announce))


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


def _allow_many_files() -> None:
    """Raise the soft limit of open files: an LSL inlet holds some eleven, and 1024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(
    settings: Settings,
    path: PathSettings,
    model: Model,
    listener: socket.socket,
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
    fleet = Fleet(model, path, settings.reception(), bus, metrics, baselines)
    baselines.attach(fleet)
    service = Service(
        model, path.hop_seconds, fleet, bus, metrics, baselines, limits=settings.quality
    )
    server = make_server(create_app(service))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        following = tasks.create_task(fleet.run())
        await server.answering.wait()
        host, port = listener.getsockname()[:2]
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/", model)
        await stop.wait()
        logger.info("stopping")
        service.draining = True
        following.cancel()
        await _say_goodbye(bus)
        server.should_exit = True


async def _say_goodbye(bus: Bus) -> None:
    """Tell subscribers, and give them a moment to leave by themselves."""
    gone = asyncio.Event()
    bus.publish(GoingAway(reconnect_after_ms=_RECONNECT_AFTER_MS))
    bus.close(gone.set)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(gone.wait(), _FAREWELL_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise PortError(
            f"cannot listen on {host} port {port}: {error.strerror}; another program may have it. "
            "Stop that one, or name another port with --port (0 takes a free one)"
        ) from error
