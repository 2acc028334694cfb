"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eeg_emotion.codes import Purpose
from eeg_emotion.log_format import LogFormat
from eeg_emotion.lsl.configuration import Scope

Host = Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one (default: 8000)."),
]
ModelFile = Annotated[
    Path | None, typer.Option(help="ONNX file of 'eeg-emotion-train export' (default: the demo's).")
]
HopSeconds = Annotated[
    float | None,
    typer.Option(help="Seconds between windows, a multiple of 0.25 (default: the model's)."),
]
SessionId = Annotated[
    str | None, typer.Option(help="Only LSL streams of this session are seen (default: default).")
]
LslScope = Annotated[
    Scope | None,
    typer.Option(
        help="How far LSL streams are looked for; LSL has no security (default: machine)."
    ),
]
Match = Annotated[
    list[str] | None,
    typer.Option(
        help="Follow only headsets whose id or name matches, such as 'ward-*'; may be repeated."
    ),
]
Cap = Annotated[
    str | None,
    typer.Option(
        help="The cap behind numbered labels: biosemi32, biosemi64, openbci16, or electrodes in "
        "the order of its numbers, such as Fp1,Fp2,C3,C4."
    ),
]
Profiles = Annotated[
    Path | None,
    typer.Option(
        help="Folder of people's rest baselines (default: ~/.local/share/eeg-emotion/profiles)."
    ),
]
Keys = Annotated[
    Path | None,
    typer.Option(
        help="File of API keys (default: ~/.config/eeg-emotion/keys.json, if it holds any)."
    ),
]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
EventStoreUrl = Annotated[
    str | None,
    typer.Option(
        help="Where events are kept: sqlite:///PATH or postgresql://HOST/NAME (default: "
        "~/.local/share/eeg-emotion/events.db). A password belongs in the environment, as "
        "EEG_EMOTION_EVENT_STORE, where others do not see it."
    ),
]
LslOut = Annotated[
    bool | None,
    typer.Option(
        "--lsl-out/--no-lsl-out",
        help="Send each headset's predictions as an LSL stream too (default: no).",
    ),
]
RuleNames = Annotated[
    list[str] | None,
    typer.Option(
        help="Rules that raise alarms: a preset's name or a TOML file; may be repeated. See "
        "'eeg-emotion what-if'."
    ),
]
RetentionDays = Annotated[
    float | None, typer.Option(help="Events that are older are deleted (default: 90).")
]
Bus = Annotated[
    str | None,
    typer.Option(
        help="memory://, or a NATS broker that predictions travel through, such as "
        "nats://HOST:4222 (default: memory://). A password belongs in the environment, as "
        "EEG_EMOTION_BUS, where others do not see it."
    ),
]
BusCredentials = Annotated[
    Path | None, typer.Option(help="The broker's .creds file, where it asks for one.")
]
BusCa = Annotated[
    Path | None,
    typer.Option(help="Certificates to trust in place of the system's; the broker then has TLS."),
]
Site = Annotated[str | None, typer.Option(help="Name of the site at which headsets are read.")]
Ingest = Annotated[
    str | None, typer.Option(help="Name of this ingest at its site (default: the machine's).")
]
RunFor = Annotated[
    Purpose | None,
    typer.Option("--purpose", help="What it is run for; needed unless the model is simulated."),
]
Justification = Annotated[
    str | None,
    typer.Option(help="Why it may be run at work or in education; shown to subscribers."),
]
JwtKeys = Annotated[
    Path | None,
    typer.Option(help="Public keys of who signs tokens, PEM or JWK Set; then asked for."),
]
JwtAudience = Annotated[
    str | None, typer.Option(help="Which 'aud' tokens have (default: eeg-emotion).")
]
AllowOpen = Annotated[
    bool | None,
    typer.Option(
        "--allow-open/--no-allow-open",
        help="Serve beyond this machine though no credentials are asked for (default: no).",
    ),
]
Origin = Annotated[
    list[str] | None,
    typer.Option(
        help="Another page that may use it, such as https://board.example.org; may be repeated."
    ),
]
TrustedProxy = Annotated[
    list[str] | None,
    typer.Option(
        help="A proxy, by address or network, whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed; may be repeated."
    ),
]
Audit = Annotated[
    Path | None, typer.Option(help="File that the audit is appended to, as JSON lines.")
]
MaxConnections = Annotated[
    int | None, typer.Option(help="Subscribers at once; one more is refused (default: 4000).")
]
MetricsHost = Annotated[
    str | None,
    typer.Option(
        help="Address of --metrics-port, which asks for no credentials (default: 127.0.0.1)."
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Port on 127.0.0.1 for /metrics (default: the main one's)."
    ),
]
Docs = Annotated[
    bool | None,
    typer.Option(
        "--docs/--no-docs",
        help="Serve /docs and /openapi.json (default: only while on loopback).",
    ),
]
Format = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        help="How log lines are written (default: auto, JSON unless on a terminal).",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Log warnings only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
