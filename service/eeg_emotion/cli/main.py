"""The command `eeg-emotion`: a few subcommands, each a thin layer over one module."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import eeg_emotion
from eeg_emotion.cli import baseline as cli_baseline
from eeg_emotion.cli import events as cli_events
from eeg_emotion.cli import keys as cli_keys
from eeg_emotion.cli import predict as cli_predict
from eeg_emotion.cli import replay as cli_replay
from eeg_emotion.cli import serve as cli_serve
from eeg_emotion.cli import what_if as cli_what_if
from eeg_emotion.cli.options import AsJson, Config, takes_settings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.lsl.library import load_library
from eeg_emotion.terminal import Output, ends_with_its_reader, write_every_letter

app = typer.Typer(
    name="eeg-emotion",
    help="Arousal and valence from EEG, live. Exit status: 0 done, 1 failed, 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; an error of ours prints one message, not a traceback."""
    write_every_letter()
    try:
        with ends_with_its_reader():
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
@takes_settings("host", "port")
def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Stop after this long (default: until Ctrl-C).")
    ] = None,
    *,
    config: Config = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, last.")
    ] = False,
    **options: Any,
) -> None:
    """Run everything together: a simulated headset, the service, and a subscriber."""
    from eeg_emotion.demo import run_demo
    from eeg_emotion.settings import load_settings

    load_library()  # its processes need it, and would fail without a visible reason
    place = load_settings(config, **options)
    summary = run_demo(
        seconds=seconds,
        host=place.host,
        port=place.port,
        console=Output(),
    )
    typer.echo(summary.to_json() if as_json else summary.to_text())
    raise typer.Exit(0 if summary.good else 1)


app.command()(cli_serve.serve)
app.command()(cli_serve.ingest)
app.command()(cli_serve.gateway)
app.command()(cli_replay.replay)


@app.command()
@takes_settings(
    "model", "session_id", "lsl_scope", "lsl_peer", "lsl_base_port", "lsl_port_range",
    "stream_type", "cap", spelled={"stream_type": "--type"},
)  # fmt: skip
def doctor(
    seconds: Annotated[
        float,
        typer.Option(min=0, max=600, help="How long to listen; 0 reads the metadata only."),
    ] = 10.0,
    *,
    unnamed: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="Number streams and machines instead of naming them, and leave out folders: for "
            "a report to others.",
        ),
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Check liblsl, the visible streams, how each fits the model, and their signals.

    Exit status: 0 if everything is good, 1 otherwise. It connects to every EEG stream, so a replay
    that waits for its first listener starts.
    """
    from eeg_emotion.doctor.anonymous import anonymous
    from eeg_emotion.doctor.doctor import examine
    from eeg_emotion.doctor.lines import to_text
    from eeg_emotion.settings import load_settings

    findings = examine(load_settings(config, **options), seconds)
    if unnamed:
        findings = anonymous(findings)
    typer.echo(json.dumps(findings.as_dict(), indent=2) if as_json else to_text(findings))
    raise typer.Exit(0 if findings.good else 1)


@app.command("verify-model")
def verify_model(
    file: Annotated[Path | None, typer.Argument(help="ONNX file (default: the demo's).")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a model as the service would (digest, contract, graph), and print a summary."""
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
        "the digest is listed, the contract is valid, and the graph agrees with it",
    ]
    typer.echo("\n".join(lines))


app.command()(cli_predict.predict)
app.command("what-if")(cli_what_if.what_if)
app.command()(cli_baseline.calibrate)
app.add_typer(cli_baseline.profiles)
app.add_typer(cli_keys.keys)
app.add_typer(cli_events.events)
