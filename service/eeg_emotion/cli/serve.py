"""The commands `serve`, `ingest` and `gateway`: settings in, a process out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from eeg_emotion.cli.options import (
    AllowOpen,
    Audit,
    Bus,
    BusCa,
    BusCredentials,
    Cap,
    Config,
    Docs,
    EventStoreUrl,
    Format,
    HopSeconds,
    Host,
    Ingest,
    Justification,
    JwtAudience,
    JwtKeys,
    Keys,
    LslOut,
    LslScope,
    Match,
    MaxConnections,
    MetricsHost,
    MetricsPort,
    ModelFile,
    Origin,
    Port,
    Profiles,
    Quiet,
    RetentionDays,
    RuleNames,
    RunFor,
    SessionId,
    Site,
    TrustedProxy,
)
from eeg_emotion.extras import is_installed, not_installed
from eeg_emotion.lsl.configuration import Scope
from eeg_emotion.lsl.library import load_library

if TYPE_CHECKING:
    from eeg_emotion.inference.model import Model
    from eeg_emotion.settings import Settings


def serve(
    host: Host = None,
    port: Port = None,
    model: ModelFile = None,
    hop_seconds: HopSeconds = None,
    session_id: SessionId = None,
    lsl_scope: LslScope = None,
    lsl_out: LslOut = None,
    match: Match = None,
    cap: Cap = None,
    profiles: Profiles = None,
    rules: RuleNames = None,
    event_store: EventStoreUrl = None,
    retention_days: RetentionDays = None,
    bus: Bus = None,
    bus_credentials: BusCredentials = None,
    bus_ca: BusCa = None,
    site: Site = None,
    ingest: Ingest = None,
    purpose: RunFor = None,
    justification: Justification = None,
    keys: Keys = None,
    jwt_keys: JwtKeys = None,
    jwt_audience: JwtAudience = None,
    allow_open: AllowOpen = None,
    origin: Origin = None,
    trusted_proxy: TrustedProxy = None,
    audit: Audit = None,
    max_connections: MaxConnections = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = None,
    docs: Docs = None,
    log_format: Format = None,
    config: Config = None,
    quiet: Quiet = False,
) -> None:
    """Follow all EEG headsets on LSL and serve their predictions until SIGTERM or Ctrl-C."""
    roles = _roles()
    settings = _load(
        config,
        quiet=quiet,
        host=host,
        port=port,
        model=model,
        hop_seconds=hop_seconds,
        session_id=session_id,
        lsl_scope=lsl_scope,
        lsl_out=lsl_out,
        match=match or None,
        cap=cap,
        profiles=profiles,
        rules=rules or None,
        event_store=event_store,
        retention_days=retention_days,
        bus=bus,
        bus_credentials=bus_credentials,
        bus_ca=bus_ca,
        site=None if site is None else (site,),
        ingest=ingest,
        purpose=purpose,
        justification=justification,
        keys=keys,
        jwt_keys=jwt_keys,
        jwt_audience=jwt_audience,
        allow_open=allow_open,
        origin=origin or None,
        trusted_proxy=trusted_proxy or None,
        audit=audit,
        max_connections=max_connections,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        docs=docs,
        log_format=log_format,
    )
    roles.serve(settings, _announced(settings, _page, _alarms, _beyond))


def ingest(
    host: Host = None,
    port: Port = None,
    model: ModelFile = None,
    hop_seconds: HopSeconds = None,
    session_id: SessionId = None,
    lsl_scope: LslScope = None,
    lsl_out: LslOut = None,
    match: Match = None,
    cap: Cap = None,
    profiles: Profiles = None,
    rules: RuleNames = None,
    event_store: EventStoreUrl = None,
    retention_days: RetentionDays = None,
    bus: Bus = None,
    bus_credentials: BusCredentials = None,
    bus_ca: BusCa = None,
    site: Site = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of this ingest at its site (default: the machine's)."),
    ] = None,
    purpose: RunFor = None,
    justification: Justification = None,
    keys: Keys = None,
    audit: Audit = None,
    allow_open: AllowOpen = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = None,
    log_format: Format = None,
    config: Config = None,
    quiet: Quiet = False,
) -> None:
    """Follow all EEG headsets on LSL and tell a broker; gateways serve what it is told."""
    roles = _roles()
    settings = _load(
        config,
        quiet=quiet,
        host=host,
        port=port,
        model=model,
        hop_seconds=hop_seconds,
        session_id=session_id,
        lsl_scope=lsl_scope,
        lsl_out=lsl_out,
        match=match or None,
        cap=cap,
        profiles=profiles,
        rules=rules or None,
        event_store=event_store,
        retention_days=retention_days,
        bus=bus,
        bus_credentials=bus_credentials,
        bus_ca=bus_ca,
        site=None if site is None else (site,),
        ingest=name,
        purpose=purpose,
        justification=justification,
        keys=keys,
        audit=audit,
        allow_open=allow_open,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        log_format=log_format,
    )
    roles.ingest(settings, _announced(settings, _health, _alarms, _beyond))


def gateway(
    host: Host = None,
    port: Port = None,
    model: ModelFile = None,
    hop_seconds: HopSeconds = None,
    bus: Bus = None,
    bus_credentials: BusCredentials = None,
    bus_ca: BusCa = None,
    site: Annotated[
        list[str] | None,
        typer.Option(help="Serve this site's headsets; may be repeated (default: all sites')."),
    ] = None,
    purpose: RunFor = None,
    justification: Justification = None,
    keys: Keys = None,
    jwt_keys: JwtKeys = None,
    jwt_audience: JwtAudience = None,
    allow_open: AllowOpen = None,
    origin: Origin = None,
    trusted_proxy: TrustedProxy = None,
    audit: Audit = None,
    max_connections: MaxConnections = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = None,
    docs: Docs = None,
    log_format: Format = None,
    config: Config = None,
    quiet: Quiet = False,
) -> None:
    """Serve the predictions that ingests tell a broker until SIGTERM or Ctrl-C."""
    roles = _roles()
    settings = _load(
        config,
        quiet=quiet,
        host=host,
        port=port,
        model=model,
        hop_seconds=hop_seconds,
        bus=bus,
        bus_credentials=bus_credentials,
        bus_ca=bus_ca,
        site=site or None,
        purpose=purpose,
        justification=justification,
        keys=keys,
        jwt_keys=jwt_keys,
        jwt_audience=jwt_audience,
        allow_open=allow_open,
        origin=origin or None,
        trusted_proxy=trusted_proxy or None,
        audit=audit,
        max_connections=max_connections,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        docs=docs,
        log_format=log_format,
    )
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
            # What the roles import when they need it.
            import eeg_emotion.alarms.routes
            import eeg_emotion.daemon.alarms  # noqa: F401
    finally:
        gc.freeze()
        gc.enable()
    return roles


def _load(config: Path | None, *, quiet: bool, **options: object) -> Settings:
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
