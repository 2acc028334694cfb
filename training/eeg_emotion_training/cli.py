"""The command `eeg-emotion-train`: simulate, check, study, fit, export."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import eeg_emotion
from eeg_emotion.eeg.layout import most_interpolated
from eeg_emotion.eeg.path import PathSettings
from eeg_emotion.errors import EegEmotionError
from eeg_emotion.extras import require
from eeg_emotion.terminal import ends_with_its_reader, write_every_letter
from eeg_emotion_training.choices import (
    REPRESENTATIONS,
    listed,
    montages,
    network_name,
    normalisers,
    representation_of,
)
from eeg_emotion_training.data.deap_source import SimulatedSource, open_deap, refuse_missing
from eeg_emotion_training.data.sources import Source, refuse_unknown
from eeg_emotion_training.data.table_source import TableSource
from eeg_emotion_training.evaluation.protocols import refuse_few_people
from eeg_emotion_training.model.run import refuse_existing
from eeg_emotion_training.networks.names import backend
from eeg_emotion_training.networks.settings import DEFAULTS

app = typer.Typer(
    name="eeg-emotion-train",
    help="Train a model on DEAP, your own recordings or simulated people. "
    "Exit status: 0 done, 1 failed, 2 usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class DatasetKind(StrEnum):
    """What a data set is read from."""

    DEAP = "deap"
    CSV = "csv"


class Normalisation(StrEnum):
    """Whose statistics normalise a person's features."""

    TRAINING = "training"
    REST_BASELINE = "rest-baseline"


_DEFAULT_PROTOCOLS = {
    DatasetKind.DEAP: "paper,segment,trial,loso",
    DatasetKind.CSV: "segment,trial,loso",
}
_Data = Annotated[
    Path, typer.Argument(metavar="DIR", help="DEAP's folder, or a table with --dataset csv.")
]
_Dataset = Annotated[DatasetKind, typer.Option(help="Read DEAP's files, or a table of recordings.")]
_Montage = Annotated[
    str,
    typer.Option(help="deap32, ten-twenty19, emotiv14, muse4, or electrodes such as Fp1,Fp2,Cz."),
]
_Units = Annotated[int, typer.Option(min=1, help="Units of the recurrent layer.")]
_BatchSize = Annotated[int, typer.Option(min=1, help="Windows per optimiser step.")]
_Seed = Annotated[
    int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split, the weights and the batches.")
]


def main() -> None:
    """Run the command line; an error of ours is one message, not a traceback."""
    write_every_letter()
    try:
        with ends_with_its_reader():
            app()
    except EegEmotionError as error:
        Console(stderr=True).print(
            f"eeg-emotion-train: {error}", style="red", markup=False, soft_wrap=True
        )
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"eeg-emotion-train {eeg_emotion.__version__}")
        raise typer.Exit


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    subjects: Annotated[int, typer.Option(min=1, max=32, help="Number of people.")] = 16,
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 1,
    table: Annotated[
        bool,
        typer.Option(
            "--table", help="Write EDF recordings, 3.3 MB each, and a table of labels instead."
        ),
    ] = False,
) -> None:
    """Write simulated people as files in DEAP's exact format, 103 MB each, or with a table."""
    from eeg_emotion_training.data.simulate import write_people
    from eeg_emotion_training.data.simulated_table import write_table

    def progress(done: int, of: int) -> None:
        typer.echo(f"wrote simulated person {done} of {of}")

    if table:
        typer.echo(f"wrote {write_table(folder, subjects, seed, progress)}")
    else:
        write_people(folder, subjects, seed, progress)


@app.command()
def check(
    folder: _Data,
    dataset: _Dataset = DatasetKind.DEAP,
    montage: Annotated[
        str, typer.Option(help="With --dataset csv: the channels, as for fit.")
    ] = "deap32",
) -> None:
    """Report what a folder holds: genuine DEAP, an altered copy, simulated people, or neither.

    With --dataset csv, read a table and its recordings as a fit would.
    """
    from eeg_emotion_training.data.check import check_folder
    from eeg_emotion_training.data.table_check import check_table

    if dataset is DatasetKind.CSV:
        (channels,) = montages(montage, most=1).values()
        for line in check_table(folder, channels):
            typer.echo(line)
        return
    refuse_missing(folder)
    report = check_folder(folder)
    typer.echo(report.text())
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def fit(
    folder: _Data,
    target: Annotated[str, typer.Option(help="Label to learn, such as arousal.")],
    out: Annotated[Path, typer.Option(help="New folder for the run.")],
    dataset: _Dataset = DatasetKind.DEAP,
    network: Annotated[str, typer.Option(help="gru, bn-gru, lstm or bn-lstm.")] = "bn-gru",
    representation: Annotated[
        str, typer.Option(help=f"One of {', '.join(REPRESENTATIONS)}; raw is the paper's.")
    ] = "bands",
    normaliser: Annotated[
        Normalisation,
        typer.Option(help="Normalise by training people, or by each person's own rest."),
    ] = Normalisation.TRAINING,
    montage: _Montage = "deap32",
    units: _Units = DEFAULTS.units,
    steps: Annotated[int, typer.Option(min=1, help="Maximum number of optimiser steps.")] = 2000,
    batch_size: _BatchSize = DEFAULTS.batch_size,
    seed: _Seed = DEFAULTS.seed,
) -> None:
    """Train one network for use, and test it on people who were held out."""
    chosen = montages(montage, most=1)
    (channels,) = chosen.values()
    path = PathSettings(
        channels=channels,
        representation=representation_of(representation),
        max_interpolated=most_interpolated(channels),
    )
    name = network_name(network)
    # All that can be refused is refused before minutes of work, and before Keras is imported.
    refuse_existing(out)
    (source,) = open_sources(folder, dataset, chosen).values()
    refuse_unknown(target, source)
    refuse_few_people(len(source.digests))
    _require_trainer("fit")
    from eeg_emotion_training.model.fit import FitSettings, read_people
    from eeg_emotion_training.model.fit import fit as run_fit

    settings = FitSettings(
        target=target,
        path=path,
        network=name,
        normaliser=normaliser.value,
        units=units,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
    )
    run = run_fit(read_people(source, path, typer.echo), source, settings, out, typer.echo)
    simulated = " (simulated people)" if run.trained_on.simulated else ""
    typer.echo(f"held out{simulated}: {target}: {run.held_out.describe()}")
    typer.echo(f"wrote {out}; TensorBoard: tensorboard --logdir {out / 'logs'}")


@app.command()
def study(
    out: Annotated[Path, typer.Option(help="Folder of the study; a rerun continues it.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Data set; leave it out with --quick.")
    ] = None,
    dataset: _Dataset = DatasetKind.DEAP,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Some of paper,segment,trial,loso,stimulus. Default: all except stimulus, and "
            "paper on DEAP only."
        ),
    ] = None,
    networks: Annotated[
        str,
        typer.Option(help="Some of gru,bn-gru,lstm,bn-lstm and majority,person-majority,logistic."),
    ] = "gru,bn-gru,lstm,bn-lstm,majority,person-majority,logistic",
    targets: Annotated[str, typer.Option(help="Labels to learn.")] = "arousal,valence",
    representation: Annotated[
        str, typer.Option(help=f"Some of {','.join(REPRESENTATIONS)}; raw is the paper's.")
    ] = "bands",
    normaliser: Annotated[str, typer.Option(help="Some of training,rest-baseline.")] = "training",
    montage: _Montage = "deap32",
    units: _Units = DEFAULTS.units,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Optimiser steps. Default: the paper's 10000.")
    ] = None,
    batch_size: _BatchSize = DEFAULTS.batch_size,
    seed: _Seed = DEFAULTS.seed,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="Control: labels permuted by trial.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="4 simulated people instead of DIR. Default: protocols paper,trial and 30 steps.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes. Default: one per core.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use a Dask scheduler instead of processes."),
    ] = None,
    fold_index: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Run only the I-th of N parts, for a job array."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for converted windows. Default: OUT/cache.")
    ] = None,
) -> None:
    """Run the paper's study next to honest ones, and write a report."""
    chosen, normalised_by = montages(montage), normalisers(normaliser)
    sources: Mapping[str, Source]
    if quick:
        if folder is not None:
            raise typer.BadParameter(
                "found a folder and --quick, expected one of them: --quick simulates its people"
            )
        protocol, steps = protocol or "paper,trial", steps or 30
        sources = {name: SimulatedSource(4, 1, channels) for name, channels in chosen.items()}
    elif folder is None:
        raise typer.BadParameter("found no data set, expected a folder, or --quick")
    else:
        sources = open_sources(folder, dataset, chosen)
    _require_trainer("study", *(["distributed"] if dask else []))
    from eeg_emotion_training.running import run_study
    from eeg_emotion_training.study.plan import StudySettings, plan_study

    settings = StudySettings.model_validate(
        {
            "protocols": listed(protocol or _DEFAULT_PROTOCOLS[dataset]),
            "networks": listed(networks),
            "targets": listed(targets),
            "montages": chosen,
            "representations": listed(representation),
            "normalisers": normalised_by,
            "units": units,
            "steps": steps or DEFAULTS.steps,
            "batch_size": batch_size,
            "seed": seed,
            "labels": "shuffled" if shuffle_labels else "true",
        }
    )
    planned = plan_study(sources, settings, out, cache or out / "cache", typer.echo)
    run_study(planned, workers=workers, dask=dask, fold_index=fold_index, console=Console())


@app.command()
def export(
    run: Annotated[
        list[Path], typer.Option(help="Folder written by 'fit'; repeat for each target.")
    ],
    out: Annotated[Path, typer.Option(help="Output path without a suffix, such as models/mine.")],
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
) -> None:
    """Join runs into one ONNX file with its contract, its card and its digest."""
    _require_trainer("export")
    from eeg_emotion_training.model.export import export as write_export

    contract = write_export(run, out, version)
    targets = " and ".join(target.name for target in contract.targets)
    path = out.with_name(contract.name)
    typer.echo(f"wrote {path}.onnx for {targets}, its card {path}.md, and its line in SHA256SUMS")


def open_sources(
    place: Path, kind: DatasetKind, chosen: Mapping[str, tuple[str, ...]]
) -> Mapping[str, Source]:
    """Open a data set once for each montage."""
    if kind is DatasetKind.CSV:
        return {name: TableSource(place, channels) for name, channels in chosen.items()}
    return open_deap(place, chosen)


def _require_trainer(verb: str, *others: str) -> None:
    """Raise unless the packages are installed that a training or exporting command needs."""
    modules = ["keras", "markdown_it", "matplotlib", "onnx", "sklearn", "tensorboard", *others]
    if backend().startswith("tensorflow "):
        modules.insert(1, "tensorflow")
    require(modules, f"'eeg-emotion-train {verb}'")
