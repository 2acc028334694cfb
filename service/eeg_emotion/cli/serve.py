"""The command `serve`: settings in, the daemon out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eeg_emotion.cli.options import (
    Cap,
    Config,
    EventStoreUrl,
    HopSeconds,
    Host,
    Keys,
    LslScope,
    Match,
    ModelFile,
    Port,
    Profiles,
    SessionId,
)
from eeg_emotion.headset.library import load_library
from eeg_emotion.headset.lsl import Scope
from eeg_emotion.logs import LogFormat, configure_logging
from eeg_emotion.publish.messages import Purpose

if TYPE_CHECKING:
    from eeg_emotion.inference.model import Model


def serve(
    host: Host = None,
    port: Port = None,
    model: ModelFile = None,
    hop_seconds: HopSeconds = None,
    session_id: SessionId = None,
    lsl_scope: LslScope = None,
    lsl_out: Annotated[
        bool | None,
        typer.Option(
            "--lsl-out/--no-lsl-out",
            help="Send each headset's predictions as an LSL stream too (default: no).",
        ),
    ] = None,
    match: Match = None,
    cap: Cap = None,
    profiles: Profiles = None,
    rules: Annotated[
        list[str] | None,
        typer.Option(
            help="Rules that raise alarms: a preset's name or a TOML file; may be repeated. See "
            "'eeg-emotion what-if'."
        ),
    ] = None,
    event_store: EventStoreUrl = None,
    retention_days: Annotated[
        float | None, typer.Option(help="Events that are older are deleted (default: 90).")
    ] = None,
    purpose: Annotated[
        Purpose | None,
        typer.Option(help="What it is run for; needed unless the model is a simulated one."),
    ] = None,
    justification: Annotated[
        str | None,
        typer.Option(help="Why it may be run at work or in education; shown to subscribers."),
    ] = None,
    keys: Keys = None,
    jwt_keys: Annotated[
        Path | None,
        typer.Option(help="Public keys of who signs tokens, PEM or JWK Set; then asked for."),
    ] = None,
    jwt_audience: Annotated[
        str | None, typer.Option(help="Which 'aud' tokens have (default: eeg-emotion).")
    ] = None,
    allow_open: Annotated[
        bool | None,
        typer.Option(
            "--allow-open/--no-allow-open",
            help="Serve beyond this machine though no credentials are asked for (default: no).",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Another page that may use it, such as https://board.example.org; may be repeated."
        ),
    ] = None,
    audit: Annotated[
        Path | None, typer.Option(help="File that the audit is appended to, as JSON lines.")
    ] = None,
    max_connections: Annotated[
        int | None, typer.Option(help="Subscribers at once; one more is refused (default: 4000).")
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port on 127.0.0.1 for /metrics (default: the main one's)."
        ),
    ] = None,
    docs: Annotated[
        bool | None,
        typer.Option(
            "--docs/--no-docs",
            help="Serve /docs and /openapi.json (default: only while on loopback).",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(help="How log lines are written (default: auto, JSON unless on a terminal)."),
    ] = None,
    config: Config = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log warnings only.")] = False,
) -> None:
    """Follow all EEG headsets on LSL and serve their predictions until SIGTERM or Ctrl-C."""
    load_library()  # before what cannot be imported without it
    from eeg_emotion import daemon
    from eeg_emotion.settings import load_settings

    settings = load_settings(
        config,
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
        purpose=purpose,
        justification=justification,
        keys=keys,
        jwt_keys=jwt_keys,
        jwt_audience=jwt_audience,
        allow_open=allow_open,
        origin=origin or None,
        audit=audit,
        max_connections=max_connections,
        metrics_port=metrics_port,
        docs=docs,
        log_format=log_format,
    )
    configure_logging(settings.log_format, verbose=not quiet)

    def announce(address: str, model: Model) -> None:
        # The first line is read by programs, the demo among them.
        typer.echo(f"ready {address}")
        contract = model.contract
        simulated = ", trained on simulated people" if contract.trained_on.simulated else ""
        typer.echo(f"model      {contract.name} {contract.version}{simulated}")
        if contract.needs_rest:
            typer.echo(f"needs      {contract.needs_rest}")
        typer.echo(f"page       {address}")
        typer.echo(f"websocket  {address.replace('http', 'ws', 1)}v1/stream?headset=*")
        if settings.serves_docs:
            typer.echo(f"REST       {address}docs")
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
        sys.stdout.flush()

    daemon.serve(settings, announce)
