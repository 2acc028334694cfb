"""The command `replay`: play a recording, or a simulated person, as a headset on LSL."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from eeg_emotion.cli.options import AsJson, Config, takes_settings
from eeg_emotion.cli.recording import FORMATS, Baseline, StreamName, Trials, open_recording
from eeg_emotion.daemon.stopping import stop_for_threads
from eeg_emotion.lsl.library import load_library


@takes_settings("session_id", "lsl_scope", "lsl_base_port", "lsl_port_range")
def replay(
    file: Annotated[Path | None, typer.Argument(help=FORMATS)] = None,
    simulate: Annotated[
        int | None, typer.Option(help="Play this simulated person instead of a file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated people.")] = 2026,
    sfreq: Annotated[float, typer.Option(help="Rate of the simulated person, Hz.")] = 128.0,
    trials: Trials = None,
    baseline: Baseline = True,
    stream: StreamName = None,
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
    *,
    config: Config = None,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Play a recording into an LSL outlet, as a headset would, once a listener connects."""
    load_library()  # the imports below need it
    from eeg_emotion.lsl import configuration as lsl
    from eeg_emotion.replay.faults import parse_faults, read_faults
    from eeg_emotion.replay.replayer import Replayer
    from eeg_emotion.settings import load_settings

    if fault is not None and fault_file is not None:
        raise typer.BadParameter("found both --fault and --fault-file, expected one of them")
    if (file is None) == (simulate is None):
        found = "neither" if file is None else "both"
        raise typer.BadParameter(
            f"found {found} of a file and --simulate NUMBER, expected exactly one of them"
        )
    if simulate is not None:
        from eeg_emotion.recordings.simulation import simulated_recording

        recording = simulated_recording(seed, simulate, sfreq=sfreq)
    else:
        assert file is not None  # noqa: S101 - one of the two was named, see above
        recording = open_recording(file, trials=trials, baseline=baseline, stream=stream)
    faults = read_faults(fault_file) if fault_file else parse_faults(fault or "")
    replayer = Replayer(recording, speed=speed, loop=loop, faults=faults)
    settings = load_settings(config, **options)
    ports = range(settings.lsl_base_port, settings.lsl_base_port + settings.lsl_port_range)
    lsl.configure(session_id=settings.session_id, scope=settings.lsl_scope, ports=ports)
    if not as_json:
        typer.echo(
            f"{recording.name}: {len(recording.channels)} channels at {recording.sfreq:g} Hz, "
            "waiting for a listener, such as 'eeg-emotion serve'"
        )
        for note in recording.notes:
            typer.echo(f"note: {note}")
    with stop_for_threads() as stop:
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
        typer.echo(
            f"faults not injected, because the replay ended first: {'; '.join(report.unreached)}"
        )
