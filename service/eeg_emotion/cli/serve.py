"""The commands `serve`, `ingest` and `gateway`: settings in, a process out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import typer

from eeg_emotion.cli.options import Config, Quiet, takes_settings
from eeg_emotion.extras import is_installed, not_installed
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.lsl.library import load_library
from eeg_emotion.role_settings import HeadsetSettings, ProcessSettings, SubscriberSettings

if TYPE_CHECKING:
    from eeg_emotion.inference.model import Model
    from eeg_emotion.settings import Settings


_PROCESS = tuple(ProcessSettings.model_fields)
_HEADSETS = tuple(HeadsetSettings.model_fields)
_SPELLED = {"stream_type": "--type"}
_SUBSCRIBERS = tuple(SubscriberSettings.model_fields)


@takes_settings(*_PROCESS, *_HEADSETS, *_SUBSCRIBERS, once=("site",), spelled=_SPELLED)
def serve(*, config: Config = None, quiet: Quiet = False, **options: Any) -> None:
    """Follow all EEG headsets on LSL and serve their predictions until SIGTERM or Ctrl-C."""
    roles = _roles()
    settings = _load(config, quiet, options)
    roles.serve(settings, _announced(settings, _page, _alarms, _beyond))


@takes_settings(*_PROCESS, *_HEADSETS, once=("site",), spelled=_SPELLED | {"ingest": "--name"})
def ingest(*, config: Config = None, quiet: Quiet = False, **options: Any) -> None:
    """Follow all EEG headsets on LSL and publish to a broker, for gateways to serve."""
    roles = _roles()
    settings = _load(config, quiet, options)
    roles.ingest(settings, _announced(settings, _health, _alarms, _beyond))


@takes_settings(*_PROCESS, *_SUBSCRIBERS)
def gateway(*, config: Config = None, quiet: Quiet = False, **options: Any) -> None:
    """Serve the predictions that ingests publish to a broker until SIGTERM or Ctrl-C."""
    roles = _roles()
    settings = _load(config, quiet, options)
    roles.gateway(settings, _announced(settings, _page))


def _roles() -> ModuleType:
    """Import what a process is made of.

    It stays until the end, so nothing of it is garbage: looking for some meanwhile, and every time
    from then on, takes a tenth of the start and holds up predictions later.
    """
    gc.disable()
    try:
        load_library()  # before what cannot be imported without it
        # The signal path's own, which imports it when it is first needed.
        import scipy.signal  # noqa: F401

        from eeg_emotion.daemon import roles

        if is_installed("alarms"):
            import eeg_emotion.daemon.alarming  # noqa: F401 - the roles import it when they need it
    finally:
        gc.freeze()
        gc.enable()
    return roles


def _load(config: Path | None, quiet: bool, options: Mapping[str, object]) -> Settings:
    from eeg_emotion.logs import configure_logging
    from eeg_emotion.settings import load_settings

    settings = load_settings(config, **options)
    configure_logging(settings.log_format, verbose=not quiet)
    return settings


def _announced(
    settings: Settings, *parts: Callable[[Settings, str], None]
) -> Callable[[str, Model], None]:
    def announce(address: str, model: Model) -> None:
        # The first line is read by programs, the demo among them.
        typer.echo(f"ready {address}")
        contract = model.contract
        simulated = ", trained on simulated people" if contract.trained_on.simulated else ""
        typer.echo(f"model      {contract.name} {contract.version}{simulated}")
        if contract.needs_rest:
            typer.echo(f"needs      {contract.needs_rest}")
        for part in parts:
            part(settings, address)
        sys.stdout.flush()

    return announce


def _page(settings: Settings, address: str) -> None:
    typer.echo(f"page       {address}")
    typer.echo(f"websocket  {address.replace('http', 'ws', 1)}v1/stream?headset=*")
    if settings.serves_docs:
        typer.echo(f"REST       {address}docs")


def _health(settings: Settings, address: str) -> None:
    typer.echo(f"health     {address}readyz")
    typer.echo("page       at the gateways: 'eeg-emotion gateway' with the same --bus")


def _alarms(settings: Settings, address: str) -> None:
    if not is_installed("alarms"):
        typer.echo(not_installed("alarms"))


def _beyond(settings: Settings, address: str) -> None:
    if settings.lsl_scope is not Scope.MACHINE:
        typer.echo(
            f"LSL streams are looked for beyond this machine (scope {settings.lsl_scope}): "
            "LSL is not encrypted, and anyone on the network can pose as a headset."
        )
    if settings.lsl_out:
        # liblsl listens on every address, whatever the scope: that bounds only the search.
        typer.echo(
            "predictions are sent as LSL streams of type Emotion: LSL asks for no credentials, "
            "so anyone who can reach this host's ports can read them."
        )
