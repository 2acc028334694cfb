"""The command `eeg-emotion`: few verbs, each a thin shell around one module."""

from __future__ import annotations

import json
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

import eeg_emotion
from eeg_emotion.cli import baseline as cli_baseline
from eeg_emotion.cli import keys as cli_keys
from eeg_emotion.cli import predict as cli_predict
from eeg_emotion.cli.recording import open_recording
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.headset.library import load_library
from eeg_emotion.headset.lsl import Scope
from eeg_emotion.logs import LogFormat, configure_logging
from eeg_emotion.publish.messages import Purpose

if TYPE_CHECKING:
    from eeg_emotion.inference.model import Model

app = typer.Typer(
    name="eeg-emotion",
    help="Arousal and valence from EEG, live. Exit status: 0 done, 1 failed, 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Host = Annotated[str | None, typer.Option(help="Address to listen on (default: 127.0.0.1).")]
_Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one (default: 8000)."),
]
_ModelFile = Annotated[
    Path | None, typer.Option(help="ONNX file of 'eeg-emotion-train export' (default: the demo's).")
]
_Hop = Annotated[
    float | None,
    typer.Option(help="Seconds between windows, a multiple of 0.25 (default: the model's)."),
]
_Session = Annotated[
    str | None, typer.Option(help="Only LSL streams of this session are seen (default: default).")
]
_Scope = Annotated[
    Scope | None,
    typer.Option(
        help="How far LSL streams are looked for; LSL has no security (default: machine)."
    ),
]
_Match = Annotated[
    list[str] | None,
    typer.Option(
        help="Follow only headsets whose id or name matches, such as 'ward-*'; may be repeated."
    ),
]
_Cap = Annotated[
    str | None,
    typer.Option(
        help="The cap behind numbered labels: biosemi32, biosemi64, openbci16, or electrodes in "
        "the order of its numbers, such as Fp1,Fp2,C3,C4."
    ),
]
_Profiles = Annotated[
    Path | None,
    typer.Option(
        help="Folder of people's rest baselines (default: ~/.local/share/eeg-emotion/profiles)."
    ),
]
_Keys = Annotated[
    Path | None,
    typer.Option(
        help="File of API keys (default: ~/.config/eeg-emotion/keys.json, if it holds any)."
    ),
]
_Config = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def main() -> None:
    """Run the command line; an error of ours is one message, not a traceback."""
    try:
        app()
    except EegEmotionError as error:
        Console(stderr=True).print(
            f"eeg-emotion: {error}", style="red", markup=False, soft_wrap=True
        )
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"eeg-emotion {eeg_emotion.__version__}")
        raise typer.Exit


@app.command()
def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop after this long (default: until Ctrl-C).")
    ] = None,
    host: _Host = None,
    port: _Port = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, last.")
    ] = False,
) -> None:
    """Run the main job: a simulated person's headset, the daemon, and a subscriber."""
    from eeg_emotion.demo import run_demo

    load_library()  # its processes need it, and would end where nobody sees why
    summary = run_demo(
        seconds=seconds,
        host=host or "127.0.0.1",
        port=8000 if port is None else port,
        console=Console(highlight=False),
    )
    typer.echo(summary.to_json() if as_json else summary.to_text())
    raise typer.Exit(0 if summary.good else 1)


@app.command()
def serve(
    host: _Host = None,
    port: _Port = None,
    model: _ModelFile = None,
    hop_seconds: _Hop = None,
    session_id: _Session = None,
    lsl_scope: _Scope = None,
    lsl_out: Annotated[
        bool | None,
        typer.Option(
            "--lsl-out/--no-lsl-out",
            help="Send each headset's predictions as an LSL stream too (default: no).",
        ),
    ] = None,
    match: _Match = None,
    cap: _Cap = None,
    profiles: _Profiles = None,
    purpose: Annotated[
        Purpose | None,
        typer.Option(help="What it is run for; needed unless the model is a simulated one."),
    ] = None,
    justification: Annotated[
        str | None,
        typer.Option(help="Why it may be run at work or in education; shown to subscribers."),
    ] = None,
    keys: _Keys = None,
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
    config: _Config = None,
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


@app.command()
def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="EDF, BDF, BrainVision, EEGLAB, XDF, ... or DEAP's sXX.dat, sXX.mat."),
    ] = None,
    simulate: Annotated[
        int | None, typer.Option(help="Play this simulated person instead of a file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated people.")] = 2026,
    sfreq: Annotated[float, typer.Option(help="Rate of the simulated person, Hz.")] = 128.0,
    trials: Annotated[
        str | None, typer.Option(help="DEAP: the trials to play, such as 1-10 or 3 (default: all).")
    ] = None,
    baseline: Annotated[
        bool, typer.Option(help="DEAP: play the 3 s before each video too.")
    ] = True,
    stream: Annotated[
        str | None, typer.Option(help="XDF: the stream's name, if there are several.")
    ] = None,
    speed: Annotated[
        float,
        typer.Option(help="Times faster than true pace; stamps stay in the recording's time."),
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    fault: Annotated[
        str | None,
        typer.Option(
            help="What goes wrong, once: 'drop 2s @10; nan Fp1 @50'. A wrong verb lists them all."
        ),
    ] = None,
    fault_file: Annotated[
        Path | None, typer.Option(help="The same from a file: one a line, comments after #.")
    ] = None,
    session_id: _Session = None,
    lsl_scope: _Scope = None,
    as_json: _Json = False,
) -> None:
    """Play a recording into an LSL outlet, as a headset would. It waits for its first listener."""
    load_library()  # before what cannot be imported without it
    from eeg_emotion.headset import lsl
    from eeg_emotion.headset.faults import parse_faults, read_faults
    from eeg_emotion.headset.replayer import Replayer

    if fault is not None and fault_file is not None:
        raise typer.BadParameter("name either --fault or --fault-file")
    if (file is None) == (simulate is None):
        raise typer.BadParameter("name either a file or --simulate NUMBER")
    if simulate is not None:
        from eeg_emotion.recordings.simulation import simulated_recording

        recording = simulated_recording(seed, simulate, sfreq=sfreq)
    else:
        assert file is not None  # noqa: S101 - one of the two was named, see above
        recording = open_recording(file, trials=trials, baseline=baseline, stream=stream)
    faults = read_faults(fault_file) if fault_file else parse_faults(fault or "")
    replayer = Replayer(recording, speed=speed, loop=loop, faults=faults)
    lsl.configure(session_id=session_id or "default", scope=lsl_scope or Scope.MACHINE)
    if not as_json:
        typer.echo(
            f"{recording.name}: {len(recording.channels)} channels at {recording.sfreq:g} Hz, "
            "waiting for a listener; 'eeg-emotion serve' is one"
        )
    stop = threading.Event()
    _set_on_signals(stop)
    report = replayer.run(stop)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    connections = f", {report.connections} connections" if report.connections > 1 else ""
    killed = "; killed" if report.killed else ""
    typer.echo(
        f"{recording.name}: sent {report.samples} samples in {report.stretches} contiguous "
        f"stretches, {report.seconds:.1f} s of signal{connections}{killed}"
    )
    if report.unreached:
        typer.echo(f"faults that did not happen, as it ended before: {'; '.join(report.unreached)}")


@app.command()
def doctor(
    seconds: Annotated[
        float,
        typer.Option(min=0, max=600, help="How long to listen; 0 reads the metadata only."),
    ] = 10.0,
    model: _ModelFile = None,
    session_id: _Session = None,
    lsl_scope: _Scope = None,
    cap: _Cap = None,
    config: _Config = None,
    as_json: _Json = False,
) -> None:
    """Look at liblsl, the streams in sight, how each fits the model, and their signal.

    Exit status: 0 if all is good, 1 otherwise. It opens every EEG stream, as a listener would: a
    replay that waits for its first one begins.
    """
    from eeg_emotion.doctor.doctor import examine
    from eeg_emotion.doctor.lines import to_text
    from eeg_emotion.settings import load_settings

    settings = load_settings(
        config, model=model, session_id=session_id, lsl_scope=lsl_scope, cap=cap
    )
    findings = examine(settings, seconds)
    typer.echo(json.dumps(findings.as_dict(), indent=2) if as_json else to_text(findings))
    raise typer.Exit(0 if findings.good else 1)


@app.command("verify-model")
def verify_model(
    file: Annotated[Path | None, typer.Argument(help="ONNX file (default: the demo's).")] = None,
    as_json: _Json = False,
) -> None:
    """Check a model as the service would: digest, contract, graph; print its contract in brief."""
    from eeg_emotion.inference.model import demo_model_path, load_model

    path = file or demo_model_path()
    model = load_model(path)
    contract = model.contract
    if as_json:
        typer.echo(contract.to_json())
        return
    simulated = " (simulated)" if contract.trained_on.simulated else ""
    lines = [
        f"{path.name}: {contract.name} {contract.version}{simulated}, SHA-256 {model.sha256}",
        f"trained on {contract.trained_on.dataset}, {contract.trained_on.people} people",
        f"label rule: {contract.label_policy.text}",
        *(f"{result.target}: {result.describe()}" for result in contract.held_out),
        *(f"{target.name}: {target.calibration.describe()}" for target in contract.targets),
        *([f"needs {contract.needs_rest}"] if contract.needs_rest else []),
        "digest listed, contract valid, graph agrees with it",
    ]
    typer.echo("\n".join(lines))


app.command()(cli_predict.predict)
app.command()(cli_baseline.calibrate)
app.add_typer(cli_baseline.profiles)
app.add_typer(cli_keys.keys)


def _set_on_signals(stop: threading.Event) -> None:
    """Set the event at SIGTERM or SIGINT."""
    # Not in the handler itself: it may interrupt a `wait` that holds the event's lock, and would
    # then wait for that lock for ever. A SimpleQueue may be filled at any point.
    came: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: came.put(number))

    def pass_on() -> None:
        came.get()
        stop.set()

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
