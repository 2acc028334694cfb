"""The command `eeg-emotion-train`: simulate, check, fit, export."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.eeg.representation import BandPower, RawSignal
from eeg_emotion.errors import EegEmotionError

app = typer.Typer(
    name="eeg-emotion-train",
    help="Make a model on DEAP, or on simulated people. Exit status: 0 done, 1 failed, 2 usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder with sXX.dat or sXX.mat.")]


class TargetName(StrEnum):
    """DEAP's four ratings."""

    VALENCE = "valence"
    AROUSAL = "arousal"
    DOMINANCE = "dominance"
    LIKING = "liking"


class RepresentationName(StrEnum):
    """What the network sees."""

    BANDS = "bands"
    RAW = "raw"


def main() -> None:
    """Run the command line; an error of ours is one message, not a traceback."""
    # TensorFlow's own notes on how it was compiled help nobody here; its errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # oneDNN's other order of operations would give other last digits on other processors.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        app()
    except EegEmotionError as error:
        Console(stderr=True).print(
            f"eeg-emotion-train: {error}", style="red", markup=False, soft_wrap=True
        )
        sys.exit(1)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    subjects: Annotated[int, typer.Option(min=1, max=32, help="How many people.")] = 16,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
) -> None:
    """Write simulated people as files in DEAP's exact format, 103 MB each."""
    from eeg_emotion_training.simulate import write_people

    def tell(done: int, of: int) -> None:
        typer.echo(f"wrote simulated person {done} of {of}")

    write_people(folder, subjects, seed, tell)


@app.command()
def check(folder: _Folder) -> None:
    """Say what a folder holds: genuine DEAP, an altered copy, simulated people, or neither."""
    from eeg_emotion_training.check import check_folder

    report = check_folder(folder)
    typer.echo(report.text())
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def fit(
    folder: _Folder,
    target: Annotated[TargetName, typer.Option(help="Which rating to learn.")],
    out: Annotated[Path, typer.Option(help="New folder for the run.")],
    representation: Annotated[
        RepresentationName, typer.Option(help="bands, or raw as in the paper.")
    ] = RepresentationName.BANDS,
    units: Annotated[int, typer.Option(min=1, help="Units of the recurrent layer.")] = 64,
    epochs: Annotated[int, typer.Option(min=1, help="At most this many.")] = 40,
    batch_size: Annotated[int, typer.Option(min=1)] = 64,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of the split, the weights and the batches.")
    ] = 1,
) -> None:
    """Train BN-GRU on people kept apart from those it is tested on."""
    from eeg_emotion_training.run import refuse_existing

    refuse_existing(out)  # before minutes of work
    from eeg_emotion_training.fit import FitSettings
    from eeg_emotion_training.fit import fit as run_fit
    from eeg_emotion_training.windows import read_windows

    path = PathSettings(
        representation=(BandPower() if representation is RepresentationName.BANDS else RawSignal())
    )
    people = read_windows(folder, path, typer.echo)
    settings = FitSettings(
        target=target.value,
        path=path,
        units=units,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
    )
    run = run_fit(people, settings, out, typer.echo)
    simulated = " (simulated people)" if run.trained_on.simulated else ""
    typer.echo(f"held out{simulated}: {target}: {run.held_out.describe()}")
    typer.echo(f"wrote {out}; TensorBoard: tensorboard --logdir {out / 'logs'}")


@app.command()
def export(
    run: Annotated[list[Path], typer.Option(help="Folder of 'fit'; once for each target.")],
    out: Annotated[Path, typer.Option(help="Where, without suffix, such as models/mine.")],
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
) -> None:
    """Join runs into one ONNX file with its contract, its card and its digest."""
    from eeg_emotion_training.export import export as write_export

    contract = write_export(run, out, version)
    targets = " and ".join(target.name for target in contract.targets)
    path = out.with_name(contract.name)
    typer.echo(f"wrote {path}.onnx for {targets}, its card {path}.md, and its line in SHA256SUMS")
